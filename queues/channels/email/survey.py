"""What lies in a mailbox before it is connected: how many mails, since when, and the number that the next one will get.

Asked for what the server knows by heart, so forty thousand mails take no longer than four.
"""

from dataclasses import dataclass
from datetime import datetime

from helpdesk.outbound import OutboundRefused
from queues.channels.base import Secrets, SourceTrouble
from queues.channels.email import imap, oauth
from queues.channels.email.settings import MailboxSettings

PATIENCE = 8.0  # seconds for each step; somebody waits for the page
FIRST_MAILS = 100
"""Mails with the lowest numbers; the oldest is nearly always among them, unless somebody moved mail in later."""


@dataclass(frozen=True)
class Survey:
    """A folder at one moment. `oldest_at` is None in an empty one."""

    folder: str
    mails: int
    oldest_at: datetime | None
    uidvalidity: int
    uidnext: int


def survey(settings: MailboxSettings, secrets: Secrets) -> Survey:
    """Look into the folder that is to be read, without changing anything. Raises SourceTrouble in words for people."""
    client = None
    try:
        client = oauth.signed_in_imap(settings, secrets, PATIENCE)
        client.allow()
        answer = client.select_folder(settings.folder, readonly=True)
        mails = int(answer.get(b"EXISTS", 0))
        uidnext = int(answer.get(b"UIDNEXT") or max(client.search(["UID", "*"]), default=0) + 1)
        oldest = _oldest(client, mails) if mails else None
        return Survey(settings.folder, mails, oldest, int(answer[b"UIDVALIDITY"]), uidnext)
    except OutboundRefused as error:
        raise SourceTrouble(error.message) from error
    except imap.FAULTS as error:
        raise SourceTrouble(imap.in_words(error)) from error
    finally:
        if client is not None:
            client.end()


def _oldest(client: imap.Imap, mails: int) -> datetime | None:
    client.use_uid = False  # the first ones in the folder, whatever their numbers
    try:
        found = client.fetch(list(range(1, min(mails, FIRST_MAILS) + 1)), ["INTERNALDATE"])
    finally:
        client.use_uid = True
    return min((answer[b"INTERNALDATE"] for answer in found.values() if answer.get(b"INTERNALDATE")), default=None)
