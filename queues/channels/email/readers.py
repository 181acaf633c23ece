"""Who else reads this mailbox: each installation keeps a small mail in a folder of its own there, renewed as it lives.

Two installations that take mail from one mailbox would each get a part of it. So whoever reads leaves a mark, and
whoever sees a fresh mark of another stops until a person decides. The mark is a mail, because every server has mails.

A mark carries the installation, the folder it reads, its `claim` (raised when a person decides for it) and a `beat`: a
random word that is written into the database before the mark. A mark in our own name with a beat that our database does
not know was left by a copy of this installation, or by ourselves before an older copy was restored: a fresh one is a
second reader, a stale one shows that mail was taken of which this database knows nothing, and that mail is read again.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import structlog
from flask_babel import gettext as _
from imapclient.exceptions import IMAPClientError

from queues.channels.base import SourceTrouble
from queues.channels.email import done, rescan

if TYPE_CHECKING:
    from queues.channels.email.mailbox import Mailbox

log = structlog.get_logger(__name__)

FOLDER = "Helpdesk reader"
FRESH = timedelta(minutes=15)
RENEW = timedelta(minutes=5)
MOST_MARKS = 50
BEATS_KEPT = 6
UNKNOWN_PAST = timedelta(days=14)  # how far back to read where nobody knows what is missing
FIELDS = ("Reader", "Folder", "Claim", "Beat", "Place")


@dataclass(frozen=True)
class Mark:
    """A reader's mail. `at` is when its server took it."""

    uid: int
    reader: str
    folder: str
    claim: int
    beat: str
    place: str
    at: datetime

    @property
    def fresh(self) -> bool:
        """Whether its reader lives."""
        return datetime.now(UTC) - self.at < FRESH


def look(mailbox: "Mailbox") -> bool:
    """See who reads here, and renew our own mark. True when another folder may be selected now.

    Raises SourceTrouble when another reader lives, and nobody has decided that this one is to read.
    """
    context = mailbox.context
    if not context.installation:
        return False
    marks = [mark for mark in _marks(mailbox) if mark.folder == mailbox.settings.folder]
    known = {beat["word"] for beat in context.cursor.get("beats", [])}
    own = [mark for mark in marks if mark.reader == context.installation and mark.beat in known]
    copies = [mark for mark in marks if mark.reader == context.installation and mark.beat not in known]
    others = [mark for mark in marks if mark.reader != context.installation]
    _yield_to(mailbox, own, [mark for mark in [*copies, *others] if mark.fresh])
    stale = [mark for mark in copies if not mark.fresh]
    if {mark.beat for mark in copies} - set(context.cursor.get("copies", [])):
        _catch_up(mailbox, [mark.beat for mark in copies])
    if stale or _is_due(mailbox, own):
        _renew(mailbox, [*own, *stale])
    return True


def _marks(mailbox: "Mailbox") -> list[Mark]:
    """All marks in the mailbox; selects their folder, if there is one."""
    client, folder = mailbox.client, done.with_prefix(mailbox.client, FOLDER)
    client.allow()
    if not client.folder_exists(folder):
        return []
    client.select_folder(folder)
    uids = sorted(client.search(["UNDELETED"]))[-MOST_MARKS:]
    names = " ".join(f"X-Helpdesk-{name}" for name in FIELDS)
    found = client.fetch(uids, [f"BODY.PEEK[HEADER.FIELDS ({names})]", "INTERNALDATE"]) if uids else {}
    return [mark for uid, answer in found.items() if (mark := _mark(uid, answer)) is not None]


def _mark(uid: int, answer: dict[bytes, Any]) -> Mark | None:
    raw = next((value for key, value in answer.items() if key.startswith(b"BODY[HEADER.FIELDS")), b"")
    head = message_from_bytes(raw, policy=policy.compat32)
    told = {name: str(head.get(f"X-Helpdesk-{name}", "")).strip() for name in FIELDS}
    arrived = answer.get(b"INTERNALDATE")
    if not told["Reader"] or not re.fullmatch("[0-9]{1,18}", told["Claim"]) or arrived is None:
        return None  # a mail that a person put there
    folder, place = unquote(told["Folder"]), unquote(told["Place"])
    return Mark(uid, told["Reader"], folder, int(told["Claim"]), told["Beat"], place, arrived)


def _yield_to(mailbox: "Mailbox", own: list[Mark], rivals: list[Mark]) -> None:
    """Stop where a living rival comes first: by a person's decision, then whoever reads already, then by name."""
    context = mailbox.context
    beats = context.cursor.get("beats") or [{"word": ""}]
    mine = (mailbox.reading.claim, any(mark.fresh for mark in own), context.installation, beats[-1]["word"])
    stronger = [mark for mark in rivals if (mark.claim, True, mark.reader, mark.beat) > mine]
    if not stronger:
        if "rival" in context.cursor:
            mailbox.remember(rival=None)
        return
    rival = max(stronger, key=lambda mark: mark.claim)
    copy = rival.reader == context.installation
    told = {"place": rival.place, "claim": max(mark.claim for mark in rivals), "is_copy": copy}
    if context.cursor.get("rival") != told:
        mailbox.remember(rival=told)
    words = (
        _("A copy of this installation (%(place)s) reads %(mailbox)s too, so nothing is taken here. "
          "End one of the two, or decide on the channel’s page that this one reads it.")
        if copy
        else _("Another helpdesk (%(place)s) reads %(mailbox)s too, so nothing is taken here. "
               "End one of the two, or decide on the channel’s page that this one reads it.")
    )  # fmt: skip
    raise SourceTrouble(words % {"place": rival.place, "mailbox": mailbox.settings.address}, slow=True)


def _catch_up(mailbox: "Mailbox", copies: list[str]) -> None:
    """Read taken mail again from the last moment that this database knows of; once for each mark of a copy."""
    beats = mailbox.context.cursor.get("beats") or []
    last = datetime.fromisoformat(beats[-1]["at"]) if beats else datetime.now(UTC) - UNKNOWN_PAST
    log.warning("the mailbox knows more than this database", mailbox=mailbox.settings.address, since=last.isoformat())
    mailbox.remember(restored_at=datetime.now(UTC).isoformat(), copies=copies)
    rescan.ask(mailbox, last)


def _is_due(mailbox: "Mailbox", own: list[Mark]) -> bool:
    """Whether there is no mark of ours, or an old one, or a person decided since it was written."""
    if not own or max(mark.claim for mark in own) < mailbox.reading.claim:
        return True
    return datetime.now(UTC) - max(mark.at for mark in own) > RENEW


def _renew(mailbox: "Mailbox", stale: list[Mark]) -> None:
    """Write a fresh mark and take away the former ones. A mailbox where nothing can be written keeps none."""
    context, client = mailbox.context, mailbox.client
    if not context.still_holder():
        raise SourceTrouble(_("Another process holds this mailbox now."))
    word = secrets.token_hex(8)
    beat = {"word": word, "at": datetime.now(UTC).isoformat()}
    mailbox.remember(beats=[*context.cursor.get("beats", []), beat][-BEATS_KEPT:])
    folder = done.with_prefix(client, FOLDER)
    client.allow()
    try:
        done.make_folder(client, folder)
        client.append(folder, _mail(mailbox, word).as_bytes(), [b"\\Seen"])
        if stale:
            client.select_folder(folder)
            _remove(mailbox, [mark.uid for mark in stale])
    except client.AbortError:
        raise
    except IMAPClientError as error:
        log.info("no mark can be left in the mailbox", mailbox=mailbox.settings.address, error=str(error)[:300])
        if not context.cursor.get("unmarked"):
            mailbox.remember(unmarked=True)
        return
    if context.cursor.get("unmarked"):
        mailbox.remember(unmarked=None)


def _remove(mailbox: "Mailbox", uids: list[int]) -> None:
    client = mailbox.client
    if client.has_capability("X-GM-EXT-1"):
        client.add_gmail_labels(uids, [b"\\Trash"])  # a mail without label would pile up in "All Mail"
    elif client.has_capability("UIDPLUS"):
        done.expunge(client, uids)
    else:
        client.add_flags(uids, [b"\\Deleted"], silent=True)


def _mail(mailbox: "Mailbox", word: str) -> EmailMessage:
    context, settings = mailbox.context, mailbox.settings
    mail = EmailMessage()
    mail["From"] = mail["To"] = settings.address
    mail["Subject"] = "This mailbox is read by a helpdesk"
    mail["X-Helpdesk-Reader"] = context.installation
    mail["X-Helpdesk-Folder"] = quote(settings.folder)
    mail["X-Helpdesk-Claim"] = str(mailbox.reading.claim)
    mail["X-Helpdesk-Beat"] = word
    mail["X-Helpdesk-Place"] = quote(context.place)
    mail.set_content(
        f"The helpdesk at {context.place} reads this mailbox and renews this mail every few minutes.\n"
        "By it, a second helpdesk on the same mailbox notices the first. Please leave it here.\n"
    )
    return mail
