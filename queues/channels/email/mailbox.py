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

**What is not ours to take** (`boundary.py`: mail of before the mailbox was connected) is never even fetched.

From time to time the connection visits other folders: to see who else reads this mailbox (`readers.py`), what
colleagues did with taken mail in their own mail programs (`colleagues.py`), and to read taken mail again (`rescan.py`).
After each visit the folder is opened anew and searched.

A mail that breaks the connection is parked after three tries and comes last from then on, once an hour.
"""

import random
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, NoReturn

import structlog
from flask_babel import gettext as _
from imapclient.exceptions import IMAPClientError
from pydantic import ValidationError

from helpdesk.outbound import OutboundRefused
from queues.channels.base import Inbound, ReceiveContext, SourceTrouble, StoreAway
from queues.channels.email import colleagues, done, fetch, imap, oauth, readers, rescan
from queues.channels.email.boundary import Boundary, Reading
from queues.channels.email.done import KEYWORD, Done
from queues.channels.email.fetch import Fetcher, Item
from queues.channels.email.settings import MailboxSettings

log = structlog.get_logger(__name__)

LOOK_AHEAD = 1000
MOST_TRIES = 3
MOST_LOOKS = 5  # looks in a row without waiting; some servers announce in every answer how much mail there is
CONNECTION_SECONDS = 3600.0
IDLE_SECONDS = (60.0, 120.0)  # far below RFC 2177's 29 minutes, because the end of each IDLE is a look into the folder
POLL_SECONDS = (20.0, 40.0)
VISIT_SECONDS = 150.0  # between two visits to other folders

_large_mails = threading.Semaphore(2)  # so that many mailboxes together stay within memory


def receive(context: ReceiveContext) -> None:
    """Hold one connection to the mailbox for up to an hour. Raises SourceTrouble or StoreAway."""
    try:
        settings = MailboxSettings(**context.settings)
        reading = Reading(**context.reading)
    except ValidationError as error:
        faults = "; ".join(f"{fault['loc'][0]} {fault['msg']}" for fault in error.errors())
        raise SourceTrouble(_("The settings cannot be used: %(faults)s", faults=faults), slow=True) from error
    client = None
    try:
        client = oauth.signed_in_imap(settings, context.secrets)
        Mailbox(context, settings, reading, client).run()
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

    def __init__(self, context: ReceiveContext, settings: MailboxSettings, reading: Reading, client: imap.Imap) -> None:
        self.context = context
        self.settings = settings
        self.reading = reading
        self.client = client
        self.uidvalidity = 0
        self.done = Done.NOTHING
        self.done_folder = ""
        self.boundary = Boundary()
        self.parked: set[int] = set()
        self.visited_at = float("-inf")

    def run(self) -> None:
        """Take what is there, then what comes, until the connection is old or the process stops."""
        until = time.monotonic() + CONNECTION_SECONDS
        self.open_folder()
        self.visit()
        self.take_all(everything=True)
        looks = 0
        while not self.context.stopping() and time.monotonic() < until:
            # mail that arrived while we were busy was announced then, and no IDLE will announce it again
            if self.client.told_of_mail() and looks < MOST_LOOKS:
                looks += 1
            elif not rescan.step(self):
                self.wait()
                looks = 0
            if not self.context.stopping():
                self.visit()
                self.take_all()

    def visit(self) -> None:
        """Look into other folders when it is time to. Raises SourceTrouble when another installation reads here."""
        if time.monotonic() - self.visited_at < VISIT_SECONDS:
            return
        first = self.visited_at == float("-inf")
        self.visited_at = time.monotonic()
        if readers.look(self):
            self.open_folder()
        if not first and colleagues.look(self):
            self.open_folder()

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
        uidvalidity, former = int(answer[b"UIDVALIDITY"]), self.uidvalidity
        self.done = done.choose(self.client, self.settings.done_action, set(answer.get(b"PERMANENTFLAGS", ())))
        self.done_folder = self.done_folder or done.with_prefix(self.client, self.settings.done_folder)
        self.uidvalidity = uidvalidity
        if former != uidvalidity:
            self.boundary = Boundary.of(self.reading, self.settings.folder, uidvalidity)
            self.parked = set()
            self._note_numbering()

    def _note_numbering(self) -> None:
        """Begin anew where the server numbers the folder anew, and say so: UIDs of before mean other mails now."""
        cursor = self.context.cursor
        former, same_folder = cursor.get("uidvalidity"), cursor.get("folder") == self.settings.folder
        if same_folder and former == self.uidvalidity:
            return
        values: dict[str, Any] = {"renumbered_at": None}
        if former is not None and same_folder:
            log.warning("folder numbered anew", folder=self.settings.folder, before=former, now=self.uidvalidity)
            values["renumbered_at"] = datetime.now(UTC).isoformat()
        self.remember(folder=self.settings.folder, uidvalidity=self.uidvalidity, last_uid=0, suspects=[], **values)

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
            self.remember(suspects=[])

    def _search(self, everything: bool) -> list[int]:
        self.client.allow()
        self.client.told_of_mail()
        criteria, lowest = ["UNDELETED"], 1
        if self.done == Done.KEYWORD:
            criteria = ["UNKEYWORD", KEYWORD, "UNDELETED"]
        elif self.done == Done.SEEN and everything:
            criteria = ["UNSEEN", "UNDELETED"]
        elif self.done in {Done.SEEN, Done.NOTHING}:
            lowest = int(self.context.cursor.get("last_uid", 0)) + 1
        found = self.boundary.search(self.client, criteria, lowest)
        if everything:
            self._count_left_out(criteria, found)
        return found

    def _count_left_out(self, criteria: list[str], ours: list[int]) -> None:
        """How many mails stay as they are by people's choice, for the channel's page."""
        present = Boundary().search(self.client, criteria) if self.boundary.leaves_out else []
        below = [uid for uid in present if uid < self.boundary.lowest] if self.boundary.moment is None else present
        left_out = len(set(below) - set(ours))
        if self.context.cursor.get("left_out", 0) != left_out:
            self.remember(left_out=left_out)

    def _take_together(self, uids: list[int]) -> None:
        fetcher = self.fetcher()
        for start in range(0, len(uids), LOOK_AHEAD):
            if start:
                self.visit()  # thousands of mails take so long that our own mark would look like one of the past
            if self.uidvalidity != fetcher.uidvalidity:
                return
            for group in fetch.groups(fetcher.items(uids[start : start + LOOK_AHEAD])):
                if self.context.stopping():
                    return
                self._take(group)

    def fetcher(self, folder: str = "", uidvalidity: int = 0, again: bool = False) -> Fetcher:
        """What reads mails of the folder that is selected; of the one that mail comes to unless another is named."""
        return Fetcher(
            self.client, folder or self.settings.folder, uidvalidity or self.uidvalidity, self.reading, again
        )

    def _take(self, group: list[Item]) -> None:
        with _large_mails if sum(item.size for item in group) > fetch.GROUP_BYTES else nullcontext():
            try:
                inbounds = self.fetcher().fetch(group)
            except imap.FAULTS as error:
                self._note_fault(group, error)
            taken = self._store(inbounds)
        if taken:
            self._finish(taken, [uid for uid in taken if inbounds[uid].problem])
            self.context.contact()

    def _note_fault(self, group: list[Item], error: BaseException) -> NoReturn:
        """Remember whom the broken connection may be blamed on: a single mail, or several that are to be told apart."""
        if len(group) > 1:
            suspects = {item.uid for item in group} | set(self.context.cursor.get("suspects", []))
            self.remember(suspects=sorted(suspects))
            raise SourceTrouble(imap.in_words(error), again=True) from error
        uid, words = group[0].uid, imap.in_words(error)
        count = self.context.park(self.settings.folder, self.uidvalidity, uid, words)
        log.warning("mail cannot be fetched", folder=self.settings.folder, uid=uid, tries=count, error=words)
        raise SourceTrouble(words, again=count >= MOST_TRIES) from error

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
        done.put_away(self.client, self.done, self.done_folder, uids, partial)
        if self.done in {Done.SEEN, Done.NOTHING}:
            self.remember(last_uid=max(max(uids), int(self.context.cursor.get("last_uid", 0))))

    def remember(self, **values: Any) -> None:
        """Keep these in the channel's cursor; None takes a value out."""
        merged = {**self.context.cursor, **values}
        self.context.cursor = {name: value for name, value in merged.items() if value is not None}
        self.context.save_cursor(self.context.cursor)
