"""`python -m tests.mail_in.old_mailbox [--mails 40000] [--new 60]`: a mailbox with years of mail is connected in use.

First "only new mail", while a person moves, deletes, flags and adds mail in the same folder with another mail program;
then "all". Prints what became of every mail, how long it took, and the peak memory of the listening process and the
worker. Exits with 1 when something of the person's was touched, something was acknowledged that should not be, or the
ledger does not add up.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from tests.dovecot import PASSWORD, Dovecot, letter, wait_until

USER = "box1@desk.example"
YEARS = 9
SENDERS = 4000
WORDS = ["заказ", "доставка", "возврат", "оплата", "договор", "счёт", "ошибка", "пароль", "вход", "письмо", "товар"]
OLD_MAIL = """From: =?utf-8?b?{name}?= <{sender}>\r
To: support@desk.example\r
Subject: =?utf-8?b?{subject}?=\r
Message-ID: <old-{number}@customer.example>\r
Date: {date}\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
{text}\r
"""


@dataclass
class Person:
    """A colleague with another mail program: what they did, so that everything else can be proved untouched."""

    archived: int = 0
    deleted: int = 0
    flagged: int = 0
    added: int = 0
    faults: list[str] = field(default_factory=list)

    def work(self, server: Dovecot, ended: threading.Event) -> None:
        """Go on until `ended`, at the lower end of the folder, where the old mail lies."""
        try:
            with server.client(USER) as client:
                client.create("Archive")
                while not ended.wait(0.1):
                    client.copy("1:3", "Archive")
                    self.archived += 3
                    client.store("1:3", "+FLAGS.SILENT", "(\\Deleted)")
                    client.store("4", "+FLAGS.SILENT", "(\\Deleted)")
                    self.deleted += 1
                    client.expunge()
                    client.store("100", "+FLAGS.SILENT", "(\\Flagged)")
                    self.flagged += 1  # another one each time, because four are gone before it
                    if self.added < 20:
                        mine = letter(f"Коллега {self.added}", From=f"Коллега <colleague{self.added}@customer.example>")
                        client.append("INBOX", None, None, mine.as_bytes())
                        self.added += 1
        except Exception as error:  # noqa: BLE001 -- told in the end
            self.faults.append(f"{type(error).__name__}: {error}")


def fill(server: Dovecot, count: int) -> None:
    """Old mail, straight into the maildir, each file with the moment at which it came (Dovecot's INTERNALDATE)."""
    folder = server.folder / "mail" / USER
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    now = time.time() - 86_400
    for number in range(count):
        at = now - (count - number) * YEARS * 365 * 86_400 / count
        sender = f"customer{number % SENDERS}@customer.example"
        text = " ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 60 + number % 300))
        values = {"name": _base64(f"Клиент {number % SENDERS}"), "subject": _base64(f"Старое {number}")}
        mail = OLD_MAIL.format(sender=sender, number=number, date=formatdate(at), text=text, **values)
        path = folder / "cur" / f"{int(at)}.M{number}P1.old:2,{'S' if number % 3 else ''}"
        path.write_bytes(mail.encode())
        os.utime(path, (at, at))
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "dovecot:dovecot", str(folder)], check=True)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


@contextmanager
def installation(folder: Path, server: Dovecot) -> Iterator[Any]:
    """Engines and a migrated database; yields the application."""
    from helpdesk.config import settings
    from helpdesk.embedded import Engines

    own = Engines(folder / "data")
    try:
        os.environ |= {
            "HELPDESK_DATA": str(folder / "data"),
            "SSL_CERT_FILE": server.ca_file,
            "OUTBOUND_ALLOW": "127.0.0.1",
            "DATABASE_URL": own.start_postgres(),
            "REDIS_URL": own.start_valkey(),
        }
        settings.cache_clear()
        from helpdesk.cli import migrate_database
        from wsgi import create_app

        app = create_app()
        with app.app_context():
            migrate_database()
            yield app
    finally:
        own.stop()


@contextmanager
def processes(folder: Path) -> Iterator[dict[str, psutil.Process]]:
    """`helpdesk listen` and `helpdesk worker intake`, as an installation runs them."""
    started = {}
    with (folder / "log").open("wb") as log:
        for name in (["listen"], ["worker", "intake"]):
            program = [sys.executable, "-c", "from wsgi import main; main()", *name]
            started[name[0]] = subprocess.Popen(program, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield {name: psutil.Process(process.pid) for name, process in started.items()}
        finally:
            for process in started.values():
                process.terminate()
            for process in started.values():
                process.wait(60)


def peak(process: psutil.Process) -> int:
    """The most memory that a process and its children held, in bytes, as the kernel kept it (VmHWM)."""
    found = 0
    for one in [process, *process.children(recursive=True)]:
        status = Path(f"/proc/{one.pid}/status").read_text()
        found += 1024 * int(status.split("VmHWM:")[1].split()[0])
    return found


class Desk:
    """The helpdesk's side of the run."""

    def __init__(self) -> None:
        from helpdesk.db import db

        self.session: Any = db.session
        self._make()

    def _make(self) -> None:
        from tests.factories import Factories

        make = Factories(self.session)
        self.dora = make.user("Dora", "administrator")
        queue = make.queue("Support")
        queue.acknowledge = True
        self.channel = make.channel(queue, address=USER, reading={"what": "ask"})
        self.session.commit()
        self.channel_id = self.channel.id

    def connect(self, server: Dovecot, what: str) -> float:
        """Choose what is taken, as the screen does; returns the seconds that the look into the mailbox took."""
        from helpdesk import clock
        from queues import connecting
        from queues.channels.email.settings import MailboxSettings
        from queues.channels.email.survey import survey
        from queues.secrets import StoredSecrets

        self.channel.settings = server.settings(USER)
        self.channel.keep_secrets({"password": PASSWORD})
        self.session.commit()
        looked_at, began = clock.now(), time.monotonic()
        found = survey(MailboxSettings(**self.channel.settings), StoredSecrets(self.channel))
        seconds = time.monotonic() - began
        connecting.connect(self.dora, self.channel, what, None, found, looked_at)  # type: ignore[arg-type]
        self.session.commit()
        return seconds

    def ask(self, query: str) -> Any:
        """One value of the database as it is now."""
        self.session.rollback()
        return self.session.scalar(sa.text(query))

    def tickets(self) -> int:
        """Tickets of the mailbox."""
        return int(self.ask("SELECT count(*) FROM tickets"))

    def acknowledged(self) -> int:
        """Automatic answers."""
        return int(self.ask("SELECT count(*) FROM outbox_items WHERE automatic"))

    def book(self) -> Any:
        """The ledger of the mailbox."""
        from helpdesk.queries.counters import ledgers

        self.session.rollback()
        return ledgers([self.channel_id])[self.channel_id]


def run(mails: int, new: int) -> list[str]:
    """Do it; returns what is wrong."""
    scratch = Path(tempfile.mkdtemp(prefix="old-mailbox-", dir="/tmp"))
    scratch.chmod(0o711)
    server = Dovecot(scratch / "dovecot")
    try:
        server.start()
        began = time.monotonic()
        fill(server, mails)
        print(f"{mails} old mails on the disk in {time.monotonic() - began:.1f} s")
        with installation(scratch, server):
            return _measure(scratch, server, mails, new)
    finally:
        server.remove()
        shutil.rmtree(scratch, ignore_errors=True)


def _measure(scratch: Path, server: Dovecot, mails: int, new: int) -> list[str]:
    desk, person, ended = Desk(), Person(), threading.Event()
    server.count(USER)  # Dovecot makes its index once, as a mailbox in use has one
    print(f"the screen's look into the mailbox: {desk.connect(server, 'new'):.2f} s")
    with processes(scratch) as running:
        colleague = threading.Thread(target=person.work, args=(server, ended))
        colleague.start()
        began = time.monotonic()
        for number in range(new):
            server.deliver(USER, letter(f"Новое {number}", From=f"Новый <new{number}@customer.example>"))
        wait_until(lambda: desk.tickets() >= new, 300, f"new mail; {(scratch / 'log').read_text()[-3000:]}")
        ended.set()
        colleague.join(60)
        wait_until(lambda: desk.tickets() >= new + person.added, 300, "what the colleague put there")
        print(f"only new: {desk.tickets()} tickets of {new + person.added} in {time.monotonic() - began:.1f} s")
        faults = _judge_new(server, desk, person, mails, new)
        before = desk.tickets()
        left = server.count(USER)
        desk.connect(server, "all")
        began = time.monotonic()
        wait_until(lambda: server.count(USER) == 0, 3600, "taken")
        taken = time.monotonic() - began
        wait_until(lambda: desk.book().waiting == 0, 3600, "understood")
        seconds = time.monotonic() - began
        print(f"all: {left} mails taken in {taken:.0f} s, {desk.tickets() - before} more tickets after {seconds:.0f} s")
        faults += _judge_all(server, desk, person, before + left, new)
        for name, process in running.items():
            print(f"peak memory of {name}: {peak(process) / 1e6:.0f} MB")
    return faults


def _judge_new(server: Dovecot, desk: Desk, person: Person, mails: int, new: int) -> list[str]:
    faults = list(person.faults)
    expected = mails - person.archived - person.deleted
    with server.client(USER) as client:
        lie = len(client.search(None, "ALL")[1][0].split())
        flagged = len(client.search(None, "FLAGGED")[1][0].split())
        marked = len(client.search(None, "KEYWORD", "$HelpdeskTaken")[1][0].split())
        unseen = len(client.search(None, "UNSEEN")[1][0].split())
    print(
        f"the person archived {person.archived}, deleted {person.deleted}, flagged {person.flagged}, added "
        f"{person.added}; {lie} of {expected} old mails lie there untouched, {unseen} unread, {marked} marked by us"
    )
    print(f"acknowledged: {desk.acknowledged()} of {new + person.added} that are new")
    wanted = {
        "old mails that lie there": (lie, expected),
        "old mails in the archive": (server.count(USER, "Archive"), person.archived),
        "mails taken": (server.count(USER, "Processed"), new + person.added),
        "tickets": (desk.tickets(), new + person.added),
        "acknowledgements": (desk.acknowledged(), new + person.added),
        "marked": (marked, 0),
    }
    faults += [f"{name}: {found} instead of {right}" for name, (found, right) in wanted.items() if found != right]
    return faults + ([] if flagged else ["no mail is flagged any more"])


def _judge_all(server: Dovecot, desk: Desk, person: Person, tickets: int, new: int) -> list[str]:
    book = desk.book()
    print(
        f"ledger: {book.received} = {book.waiting} + {book.ticketed} + {book.dropped} + {book.quarantined} "
        f"({'true' if book.balanced else 'FALSE'})"
    )
    print(f"acknowledged in all: {desk.acknowledged()}")
    wanted = {
        "tickets": (desk.tickets(), tickets),
        "acknowledgements": (desk.acknowledged(), new + person.added),
        "received": (book.received, tickets),
        "ticketed": (book.ticketed, tickets),
        "taken mail": (server.count(USER, "Processed"), tickets),
        "the person's archive": (server.count(USER, "Archive"), person.archived),
    }
    faults = [f"{name}: {found} instead of {right}" for name, (found, right) in wanted.items() if found != right]
    return faults + ([] if book.balanced else ["the ledger does not add up"])


def main() -> None:
    """Run once."""
    parser = argparse.ArgumentParser(description="Connect a mailbox with years of mail while somebody works in it.")
    parser.add_argument("--mails", type=int, default=40_000)
    parser.add_argument("--new", type=int, default=60)
    options = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f}")
    faults = run(options.mails, options.new)
    for fault in faults:
        print(f"BROKEN: {fault}")
    print("every promise held" if not faults else f"{len(faults)} promises broken")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
