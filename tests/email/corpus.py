"""Mails for tests, load and fault runs: a believable mix, and more than 300 hostile ones.

``ordinary_mails(n, seed)`` yields mails with the truth about each (``.raw`` are the bytes);
``hostile_mails()`` yields (unique name, raw bytes); ``bombs()`` are those of them that cost time or memory;
``BOUNCES`` are delivery reports by name, with what is in them.
"""

from tests.email.bombs import bombs
from tests.email.bounces import BOUNCES, Bounce
from tests.email.hostile import hostile_mails
from tests.email.ordinary import OrdinaryMail, ordinary_mails

__all__ = ["BOUNCES", "Bounce", "OrdinaryMail", "bombs", "hostile_mails", "ordinary_mails"]
