"""The way of mail out of a mailbox: look, fetch, have it committed, and only then move it away.

**What tells one mail from another.** The dedup key is the SHA-256 of the bytes of the mail. Neither of the names that
others give a mail is trusted for this:

- (UIDVALIDITY, UID) names a mail only until the server numbers its folder anew, and some servers use a pair twice;
- the Message-ID is written by the sender: two mails with one Message-ID and different bodies are two mails.

So a mail that is read again, because we died between the commit and the move, because the folder was numbered anew,
because a person moved it back, or because a backup was restored and `Processed` is read again, is recognised, and two
mails that differ in a single byte are both kept. Every delivery adds its own Received line, so equal bytes are the same
delivery. A server that renders a mail anew at each fetch could be caught by the crash alone; then both copies carry one
Message-ID, and the step that understands mail puts them together.

**What is still to be taken** is asked of the server each time, never derived from a number that we remember: all that
lies in the folder when taken mail is moved or deleted, all without our keyword when it is marked. Only where a server
can neither move nor keep keywords does the cursor hold the highest UID taken.

A mail that breaks the connection is parked after three tries and comes last from then on, once an hour.
"""

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn

import structlog
from flask_babel import gettext as _
from imapclient.exceptions import IMAPClientError
from pydantic import ValidationError

from helpdesk.outbound import OutboundRefused
from queues.channels.base import Inbound, ReceiveContext, SourceTrouble, StoreAway
from queues.channels.email import imap, oauth
from queues.channels.email.settings import MailboxSettings

log = structlog.get_logger(__name__)

LARGEST = 40 * 1024 * 1024
HEADER_BYTES = 256 * 1024
SIZE_SLACK = 16 * 1024  # servers that render a mail anew announce its size only roughly
GROUP_BYTES = 8 * 1024 * 1024
GROUP_MAILS = 100
LOOK_AHEAD = 1000
MOST_TRIES = 3
MOST_LOOKS = 5  # looks in a row without waiting; some servers announce in every answer how much mail there is
CONNECTION_SECONDS = 3600.0
IDLE_SECONDS = (60.0, 120.0)  # far below RFC 2177's 29 minutes, because the end of each IDLE is a look into the folder
POLL_SECONDS = (20.0, 40.0)
OLD = timedelta(days=2)  # mail of before the mailbox was connected is answered by people, not by robots
KEYWORD = "$HelpdeskTaken"
TOO_LARGE = "too-large"

_large_mails = threading.Semaphore(2)  # so that many mailboxes together stay within memory


class Done(StrEnum):
    """What is done with a taken mail, as far as the server is able."""

    MOVE = "move"
    COPY = "copy and expunge"
    EXPUNGE = "expunge"
    DELETED = "mark as deleted"
    KEYWORD = "keyword"
    SEEN = "seen"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Item:
    """A mail in the folder, before it is fetched."""

    uid: int
    size: int
    arrived: datetime | None


def receive(context: ReceiveContext) -> None:
    """Hold one connection to the mailbox for up to an hour. Raises SourceTrouble or StoreAway."""
    try:
        settings = MailboxSettings(**context.settings)
    except ValidationError as error:
        faults = "; ".join(f"{fault['loc'][0]} {fault['msg']}" for fault in error.errors())
        raise SourceTrouble(_("The settings cannot be used: %(faults)s", faults=faults), slow=True) from error
    client = None
    try:
        client = oauth.signed_in_imap(settings, context.secrets)
        Mailbox(context, settings, client).run()
        client.logout()
    except OutboundRefused as error:
        raise SourceTrouble(error.message, slow=True) from error
    except imap.FAULTS as error:
        raise SourceTrouble(imap.in_words(error)) from error
    finally:
        if client is not None:
            client.end()


class Mailbox:
    """One signed-in connection and the folder that is read over it."""

    def __init__(self, context: ReceiveContext, settings: MailboxSettings, client: imap.Imap) -> None:
        self.context = context
        self.settings = settings
        self.client = client
        self.uidvalidity = 0
        self.done = Done.NOTHING
        self.done_folder = settings.done_folder
        self.parked: set[int] = set()

    def run(self) -> None:
        """Look and wait, until it is time to connect anew or to stop."""
        until = time.monotonic() + CONNECTION_SECONDS * random.uniform(0.9, 1.0)  # noqa: S311 -- only spreads load
        self.open_folder()
        self.take_all(everything=True)
        looks = 0
        while not self.context.stopping() and time.monotonic() < until:
            # mail that arrived while we were busy was announced then, and no IDLE will announce it again
            if self.client.told_of_mail() and looks < MOST_LOOKS:
                looks += 1
            else:
                self.wait()
                looks = 0
            if not self.context.stopping():
                self.take_all()

    def open_folder(self) -> None:
        """Select the folder and choose what can be done with taken mail. Raises SourceTrouble."""
        self.client.allow()
        try:
            answer = self.client.select_folder(self.settings.folder)
        except self.client.ReadOnlyError:
            answer = self.client.select_folder(self.settings.folder, readonly=True)
        except self.client.AbortError:
            raise
        except IMAPClientError as error:
            words = _("The folder “%(folder)s” cannot be opened: %(words)s")
            raise SourceTrouble(
                words % {"folder": self.settings.folder, "words": imap.server_words(error)}, slow=True
            ) from error
        self.uidvalidity = int(answer[b"UIDVALIDITY"])
        self.done = choose(self.client, self.settings.done_action, set(answer.get(b"PERMANENTFLAGS", ())))
        self.done_folder = self._with_prefix(self.settings.done_folder)
        former = self.context.cursor.get("uidvalidity")
        if self.context.cursor.get("folder") != self.settings.folder or former != self.uidvalidity:
            if former is not None:
                log.warning("folder numbered anew", folder=self.settings.folder, before=former, now=self.uidvalidity)
            self._remember(folder=self.settings.folder, uidvalidity=self.uidvalidity, last_uid=0, suspects=[])

    def _with_prefix(self, folder: str) -> str:
        """The folder below the personal namespace (RFC 2342), which some servers keep at `INBOX.`."""
        if not self.client.has_capability("NAMESPACE"):
            return folder
        prefix = next((entry[0] for entry in self.client.namespace().personal or ()), "")
        return folder if folder.startswith(prefix) else prefix + folder

    def wait(self) -> None:
        """Until the server says something, or it is time to look anyway."""
        if self.client.has_capability("IDLE"):
            self.client.wait(random.uniform(*IDLE_SECONDS), self.context.stopping)  # noqa: S311
            return
        until = time.monotonic() + random.uniform(*POLL_SECONDS)  # noqa: S311
        while not self.context.stopping() and time.monotonic() < until:
            time.sleep(0.4)

    def take_all(self, everything: bool = False) -> None:
        """Take what lies in the folder. With `everything`, parked mail is tried once more."""
        uids = self._search(everything)
        if everything:
            tries = self.context.parked(self.settings.folder, self.uidvalidity, set(uids))
            self.parked = {uid for uid, count in tries.items() if count >= MOST_TRIES}
        self.context.contact()
        good = [uid for uid in uids if uid not in self.parked]
        suspects = {uid for uid in good if uid in self.context.cursor.get("suspects", [])}
        self._take_together([uid for uid in good if uid not in suspects])
        for uid in [*sorted(suspects), *(sorted(self.parked & set(uids)) if everything else ())]:
            self._take_together([uid])
        if suspects:
            self._remember(suspects=[])

    def _search(self, everything: bool) -> list[int]:
        self.client.allow()
        self.client.told_of_mail()
        last = int(self.context.cursor.get("last_uid", 0))
        if self.done == Done.KEYWORD:
            criteria: list[str] = ["UNKEYWORD", KEYWORD, "UNDELETED"]
        elif self.done == Done.SEEN and everything:
            criteria = ["UNSEEN", "UNDELETED"]
        elif self.done in {Done.SEEN, Done.NOTHING}:
            criteria = ["UNDELETED", "UID", f"{last + 1}:*"]
        else:
            criteria = ["UNDELETED"]
        found = sorted(self.client.search(criteria))
        # "n:*" names the newest mail even when its number is lower (RFC 3501 6.4.8)
        return [uid for uid in found if uid > last] if "UID" in criteria else found

    def _take_together(self, uids: list[int]) -> None:
        for start in range(0, len(uids), LOOK_AHEAD):
            for group in _groups(self._sizes(uids[start : start + LOOK_AHEAD])):
                if self.context.stopping():
                    return
                self._take(group)

    def _sizes(self, uids: list[int]) -> list[Item]:
        self.client.allow()
        found = self.client.fetch(uids, ["RFC822.SIZE", "INTERNALDATE"])
        return [
            Item(uid, int(found[uid][b"RFC822.SIZE"]), found[uid].get(b"INTERNALDATE"))
            for uid in uids
            if uid in found and b"RFC822.SIZE" in found[uid]
        ]

    def _take(self, group: list[Item]) -> None:
        with _large_mails if sum(item.size for item in group) > GROUP_BYTES else nullcontext():
            try:
                inbounds = self._fetch(group)
            except imap.FAULTS as error:
                self._note_fault(group, error)
            taken = self._store(inbounds)
        if taken:
            self._finish(taken, [uid for uid in taken if inbounds[uid].problem])

    def _note_fault(self, group: list[Item], error: BaseException) -> NoReturn:
        """Remember whom the broken connection may be blamed on: a single mail, or several that are to be told apart."""
        if len(group) > 1:
            suspects = {item.uid for item in group} | set(self.context.cursor.get("suspects", []))
            self._remember(suspects=sorted(suspects))
            raise SourceTrouble(imap.in_words(error), again=True) from error
        uid, words = group[0].uid, imap.in_words(error)
        count = self.context.park(self.settings.folder, self.uidvalidity, uid, words)
        log.warning("mail cannot be fetched", folder=self.settings.folder, uid=uid, tries=count, error=words)
        raise SourceTrouble(words, again=count >= MOST_TRIES) from error

    def _fetch(self, group: list[Item]) -> dict[int, Inbound]:
        if len(group) == 1 and group[0].size > LARGEST:
            return self._fetch_header(group[0])
        bound = max(item.size for item in group) + SIZE_SLACK
        self.client.allow(bound * len(group))
        answer = self.client.fetch([item.uid for item in group], [f"BODY.PEEK[]<0.{bound}>"])
        inbounds: dict[int, Inbound] = {}
        for item in group:
            raw = answer.get(item.uid, {}).get(b"BODY[]<0>")
            if raw is None:
                continue  # another client was faster
            if len(raw) >= bound:
                return self._fetch_larger(group, bound)
            inbounds[item.uid] = self._inbound(item, raw)
        return inbounds

    def _fetch_larger(self, group: list[Item], bound: int) -> dict[int, Inbound]:
        """A mail is larger than the server announced: fetch each alone, with ever more room."""
        inbounds: dict[int, Inbound] = {}
        for item in group:
            inbounds |= self._fetch([Item(item.uid, max(item.size, bound) * 2, item.arrived)])
        return inbounds

    def _fetch_header(self, item: Item) -> dict[int, Inbound]:
        self.client.allow(HEADER_BYTES)
        answer = self.client.fetch([item.uid], [f"BODY.PEEK[HEADER]<0.{HEADER_BYTES}>"])
        raw = answer.get(item.uid, {}).get(b"BODY[HEADER]<0>")
        return {} if raw is None else {item.uid: self._inbound(item, raw, TOO_LARGE)}

    def _inbound(self, item: Item, raw: bytes, problem: str | None = None) -> Inbound:
        envelope: dict[str, Any] = {
            "folder": self.settings.folder,
            "uidvalidity": self.uidvalidity,
            "uid": item.uid,
            "received_at": item.arrived.isoformat() if item.arrived else None,
        }
        if item.arrived and datetime.now(UTC) - item.arrived > OLD:
            envelope["old"] = True
        if problem:
            envelope["size"] = item.size
        return Inbound(dedup_key=content_key(raw, problem), raw=raw, envelope=envelope, problem=problem)

    def _store(self, inbounds: dict[int, Inbound]) -> list[int]:
        """Commit the mails, together or else one by one; returns the UIDs of those that are stored."""
        try:
            if inbounds:
                self.context.accept(list(inbounds.values()))
            return list(inbounds)
        except StoreAway:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever it is, it may concern one mail and not the others
            log.warning("mails not stored together", error=str(error), count=len(inbounds))
            if len(inbounds) > 1:
                return [uid for uid, inbound in inbounds.items() if self._store({uid: inbound})]
            (uid,) = inbounds
            if self.context.park(self.settings.folder, self.uidvalidity, uid, str(error)[:500]) >= MOST_TRIES:
                self.parked.add(uid)
            return []

    def _finish(self, uids: list[int], partial: list[int]) -> None:
        """Take committed mails out of sight, if the mailbox is still ours. Of the `partial` ones we have but a part."""
        if not self.context.still_holder():
            raise SourceTrouble(_("Another process holds this mailbox now."))
        self.client.allow()
        if partial and self.done in {Done.EXPUNGE, Done.DELETED}:
            self._into_folder(self.client.copy, partial)  # the server keeps what we do not have
        match self.done:
            case Done.MOVE:
                self._into_folder(self.client.move, uids)
            case Done.COPY:
                self._into_folder(self.client.copy, uids)
                self._expunge(uids)
            case Done.EXPUNGE:
                self._expunge(uids)
            case Done.DELETED:
                self.client.add_flags(uids, [b"\\Deleted"], silent=True)
            case Done.KEYWORD:
                self.client.add_flags(uids, [KEYWORD], silent=True)
            case Done.SEEN:
                self.client.add_flags(uids, [b"\\Seen"], silent=True)
        if self.done in {Done.SEEN, Done.NOTHING}:
            self._remember(last_uid=max(max(uids), int(self.context.cursor.get("last_uid", 0))))

    def _into_folder(self, act: Any, uids: list[int]) -> None:
        try:
            act(uids, self.done_folder)
        except self.client.AbortError:
            raise
        except IMAPClientError:
            self._make_folder()
            act(uids, self.done_folder)

    def _make_folder(self) -> None:
        if self.client.folder_exists(self.done_folder):
            return
        self.client.create_folder(self.done_folder)
        self.client.subscribe_folder(self.done_folder)

    def _expunge(self, uids: list[int]) -> None:
        self.client.add_flags(uids, [b"\\Deleted"], silent=True)
        self.client.uid_expunge(uids)  # a bare EXPUNGE would remove what other people marked

    def _remember(self, **values: Any) -> None:
        self.context.cursor = {**self.context.cursor, **values}
        self.context.save_cursor(self.context.cursor)


def choose(client: imap.Imap, action: str, flags: set[bytes]) -> Done:
    """How taken mail is put out of sight, from what is wished and what the folder allows (its PERMANENTFLAGS)."""
    can_expunge = client.has_capability("UIDPLUS") and b"\\Deleted" in flags
    if action == "move" and b"\\Deleted" in flags and client.has_capability("MOVE"):
        return Done.MOVE
    if action == "move" and can_expunge:
        return Done.COPY
    if action == "delete" and b"\\Deleted" in flags:
        return Done.EXPUNGE if can_expunge else Done.DELETED
    if b"\\*" in flags or KEYWORD.encode() in flags:
        return Done.KEYWORD
    return Done.SEEN if b"\\Seen" in flags else Done.NOTHING


def content_key(raw: bytes, problem: str | None = None) -> str:
    """The dedup key of a mail; a mail of which only the header was taken is never taken for a whole one."""
    return f"{problem or 'mail'}:{hashlib.sha256(raw).hexdigest()}"


def _groups(items: list[Item]) -> Iterator[list[Item]]:
    """Mails that are fetched by one command: each may be as large as the largest of them, all within GROUP_BYTES."""
    group: list[Item] = []
    largest = 0
    for item in items:
        largest = max(largest, item.size + SIZE_SLACK)
        if group and (len(group) >= GROUP_MAILS or largest * (len(group) + 1) > GROUP_BYTES):
            yield group
            group, largest = [], item.size + SIZE_SLACK
        group.append(item)
    if group:
        yield group
