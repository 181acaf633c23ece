"""An old copy beside the mail server of today: nothing is sent twice, and mail that it does not know is found again.

A helpdesk works under load, is copied meanwhile, goes on for a while and ends. The copy is restored elsewhere and meets
a mailbox that has moved on.
"""

import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpdesk.files import Store
from tests.dovecot import Dovecot, need_dovecot
from tests.fault.checker import Verdict, _ledger, _mails, backlog
from tests.fault.intents import Intents
from tests.fault.operators import Operator
from tests.fault.run import MAILBOX, OPERATOR_PASSWORD, _furnish
from tests.fault.senders import Senders
from tests.fault.sink import Sink
from tests.fault.stack import ROOT, Stack

pytestmark = [pytest.mark.fault, pytest.mark.dovecot]

MAILS, LATER_MAILS = 60, 6
REPLIES = {"ann": 9, "bob": 9}


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hr-", dir="/tmp"))
    made.chmod(0o711)  # as root the engines run as another account, which must be able to pass through
    for name in ("a", "b"):
        (made / name).mkdir()
        (made / name).chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def command(stack: Stack, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
    """A command of the helpdesk, as an administrator types it on the stack's machine."""
    done = subprocess.run(
        [sys.executable, "-m", "wsgi", *arguments],
        cwd=ROOT, env=stack.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in codes, f"{done.stdout}\n{done.stderr[-3000:]}"
    return done.stdout


def until(holds: Callable[[], bool], what: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait for something, patiently, and say how it stands where it does not come."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, what()
        time.sleep(0.3)


@pytest.mark.timeout(500)
def test_an_old_copy_meets_the_mail_server_of_today(folder: Path) -> None:
    need_dovecot()
    intents = Intents(folder / "intents.jsonl")
    dovecot = Dovecot(folder / "dv")
    try:
        dovecot.start()
        dovecot.add_user(MAILBOX)
        trust = {"SSL_CERT_FILE": dovecot.ca_file, "OUTBOUND_ALLOW": "127.0.0.1", "UNDO_SECONDS": "30"}
        first, second = Stack(folder / "a", trust), Stack(folder / "b", trust | {"UNDO_SECONDS": "0"})
        with Sink(dovecot.folder, intents, random.Random(1), cut=0.0) as sink:
            try:
                first.start()
                first.wait_ready(120)
                ids = _furnish(first, dovecot, sink)
                first.query("UPDATE queues SET acknowledge = true RETURNING id")
                copy = work_and_copy(first, dovecot, intents, ids["queue_id"], folder)
            finally:
                first.stop()
            try:
                come_back(second, dovecot, intents, ids, copy)
            finally:
                second.stop()
    finally:
        dovecot.stop()


def work_and_copy(stack: Stack, dovecot: Dovecot, intents: Intents, queue_id: int, folder: Path) -> Path:
    """Mail and replies flow; in the midst of it a backup is made; all goes on until nothing is left to do."""
    senders = Senders(dovecot, MAILBOX, intents, random.Random(2), MAILS, 20.0)
    people = [Operator(stack.url, who, OPERATOR_PASSWORD, queue_id, n, 1, intents) for who, n in REPLIES.items()]
    for thread in (senders, *people):
        thread.start()
    until(lambda: intents.confirmed_replies() >= 5, lambda: f"{intents.confirmed_replies()} replies")
    copy = folder / "in the midst.backup"
    print(command(stack, "backup", str(copy)), end="")
    for thread in (senders, *people):
        thread.join(150)
        assert not thread.is_alive()
    until(lambda: not any(backlog(stack, dovecot, MAILBOX).values()), lambda: backlog(stack, dovecot, MAILBOX))
    return copy


def come_back(stack: Stack, dovecot: Dovecot, intents: Intents, ids: dict[str, int], copy: Path) -> None:
    """Restore elsewhere, find all mail, decide about what was waiting, and work on."""
    later = Senders(dovecot, MAILBOX, intents, random.Random(3), LATER_MAILS, 0.1)
    later._mail = _numbered_from(later, MAILS)  # type: ignore[method-assign]  # other numbers than before
    later.run()  # nobody reads at this moment
    arrived = len(intents.arrivals)
    print(command(stack, "restore", str(copy)), end="")
    stack.start()
    stack.wait_ready(120)
    # The mark of the first helpdesk in the mailbox is still fresh: a person decides that this one reads now.
    stack.query("UPDATE channels SET reading = reading || '{\"claim\": 1}', version = version + 1 RETURNING id")
    count = "SELECT count(DISTINCT header_id) FROM messages WHERE kind = 'inbound'"
    until(
        lambda: stack.query(count)[0][0] == len(intents.mails) and dovecot.count(MAILBOX) == 0,
        lambda: (
            f"{stack.query(count)} of {len(intents.mails)} {dovecot.count(MAILBOX)} {stack.last_words()}"
            f"{stack.query('SELECT last_error, cursor, reading FROM channels')}"
        ),
    )
    until(lambda: backlog(stack, dovecot, MAILBOX)["intake"] == 0, lambda: backlog(stack, dovecot, MAILBOX))
    held = stack.query("SELECT count(*) FROM outbox_items WHERE state = 'unknown' AND envelope ? 'held_since'")[0][0]
    print(f"found again: {len(intents.mails)} mails; held: {held}")
    assert held > 0
    assert len(intents.arrivals) == arrived
    decide_and_work(stack, intents, ids["queue_id"], arrived)
    verdict = Verdict()
    _mails(verdict, stack, dovecot, MAILBOX, ids["channel_id"], intents)
    _ledger(verdict, stack, ids["channel_id"], len(intents.mails))
    assert verdict.violations == []
    assert [one for one, times in Counter(a.header_id for a in intents.arrivals).items() if times > 1] == []
    assert intents.faults == []
    check_files(stack)
    assert "FAULT" not in command(stack, "doctor", codes=(0, 1))


def _numbered_from(senders: Senders, first: int) -> Callable[[int], object]:
    plain = senders._mail
    return lambda number: plain(first + number)


def decide_and_work(stack: Stack, intents: Intents, queue_id: int, arrived: int) -> None:
    """The first helpdesk went on after the backup: what was waiting is left; a new reply leaves, and nothing else."""
    stack.query("UPDATE users SET role = 'administrator' WHERE name = 'ann' RETURNING id")
    ann = Operator(stack.url, "ann", OPERATOR_PASSWORD, queue_id, 0, 2, intents)
    ann.sign_in()
    ann.insist("/admin/sending/decisions", {"what": "leave"})
    ann.insist("/admin/sending/resumption", {})
    ticket_id = ann.claim()
    assert ticket_id is not None
    ann.answer(ticket_id, "reply-2-ann-0")
    ann.browser.close()
    until(
        lambda: len(intents.arrivals) > arrived, lambda: stack.query("SELECT id, state, last_error FROM outbox_items")
    )
    until(
        lambda: stack.query("SELECT count(*) FROM outbox_items WHERE state IN ('queued', 'sending')")[0][0] == 0,
        lambda: stack.query("SELECT id, state, last_error FROM outbox_items"),
    )
    assert [one.marker for one in intents.arrivals[arrived:]] == ["reply-2-ann-0"]


def check_files(stack: Stack) -> None:
    """Every file that the database names is there, and is what its name says."""
    names = [row[0] for row in stack.query("SELECT sha256 FROM blobs")]
    store = Store(stack.data / "files")
    assert names
    for name in names:
        with store.open(name) as content:
            assert hashlib.sha256(content.read()).hexdigest() == name
