"""Mail out: rows that are really committed, because senders are threads with connections of their own."""

from collections.abc import Callable, Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

from helpdesk.config import settings
from helpdesk.models import Message, OutboxItem, Reply


@pytest.fixture
def outgoing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty local folder of outgoing mail."""
    monkeypatch.setattr(settings(), "outgoing_folder", tmp_path / "outgoing")
    return tmp_path / "outgoing"


@pytest.fixture
def people(make_committed: Any, outgoing: Path) -> Any:
    """The cast, on rows that other connections see."""
    cast = make_committed.cast()
    make_committed.session.commit()
    return cast


@pytest.fixture
def answered(make_committed: Any, people: Any) -> Callable[..., OutboxItem]:
    """Makes a ticket of the mailbox that ann has answered, and commits; returns the outbox item."""

    def make(
        body: str = "Добрый день! Код выслан.", channel: Any = None, ticket: Any = None, **reply: Any
    ) -> OutboxItem:
        session = make_committed.session
        if ticket is None:
            ticket = make_committed.ticket(people.support, channel=channel or people.mailbox)
            ticket.claim(people.ann)
        message = ticket.reply(people.ann, Reply(body=body, **reply))
        session.commit()
        return session.query(OutboxItem).filter_by(message_id=message.id).one()

    return make


@pytest.fixture
def fresh(committed: Any) -> Callable[[OutboxItem], Message]:
    """Reads an item again, as others have left it, and returns its message."""

    def read(item: OutboxItem) -> Message:
        committed.rollback()
        committed.expire_all()
        return committed.get(OutboxItem, item.id).message

    return read


def read_mails(folder: Path) -> list[EmailMessage]:
    """The mails in a folder, oldest name first."""
    return [BytesParser(policy=policy.default).parsebytes(path.read_bytes()) for path in sorted(folder.glob("*.eml"))]


@pytest.fixture
def mails(outgoing: Path) -> Callable[[], list[EmailMessage]]:
    """Reads what has landed in the local folder."""
    return lambda: read_mails(outgoing)


@pytest.fixture(autouse=True)
def _idle_senders() -> Iterator[None]:
    """No test ends while a sender of its own is still at work."""
    from queues.outbox import senders

    yield
    senders.wait_until_idle(30)
    assert not senders.busy()


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Starts SMTP servers that are trusted and may be reached; stops them after the test."""
    from queues.channels.email import smtp
    from tests.smtp_server import SmtpServer

    running: list[SmtpServer] = []
    monkeypatch.setattr(settings(), "outbound_allow", ["127.0.0.1"])

    def start(**options: Any) -> SmtpServer:
        server = SmtpServer(tmp_path / "tls", **options).start()
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        running.append(server)
        return server

    yield start
    smtp.close_all()
    for server in running:
        server.stop()
