"""The LMTP door and the pipe: acknowledged only what is committed, whatever the mail looks like."""

import io
import os
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk.models import InboundEvent, RawInput
from tests.dovecot import free_port, letter, wait_until
from tests.mail_in.conftest import environment


@pytest.fixture
def door(app: Any, committed: Any) -> Iterator[Any]:
    from queues.doors import lmtp_server

    server = lmtp_server(app, "127.0.0.1", free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def channel(make_committed: Any, committed: Any) -> Any:
    channel = make_committed.channel(
        make_committed.queue(),
        address="support@desk.example",
        name="Почта",
        settings={"aliases": ["help@desk.example"]},
    )
    committed.commit()
    return channel


class Wire:
    """An LMTP client that shows every line of every answer."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rb")
        self.answer()

    def answer(self) -> bytes:
        lines = b""
        while True:
            line = self.file.readline()
            lines += line
            if line[3:4] != b"-":
                return lines

    def say(self, line: str) -> bytes:
        self.socket.sendall(line.encode() + b"\r\n")
        return self.answer()

    def envelope(self, *recipients: str, sender: str = "<eve@customer.example>", options: str = "") -> list[bytes]:
        self.say("LHLO mx.example")
        assert self.say(f"MAIL FROM:{sender}{options}").startswith(b"250")
        return [self.say(f"RCPT TO:<{each}>") for each in recipients]

    def data(self, raw: bytes, answers: int) -> list[bytes]:
        assert self.say("DATA").startswith(b"354")
        self.socket.sendall(raw.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")
        return [self.answer() for _ in range(answers)]


def stored(session: Any) -> list[tuple[bytes, dict[str, Any]]]:
    session.rollback()
    query = sa.select(RawInput.data, InboundEvent.envelope).join(InboundEvent).order_by(InboundEvent.id)
    return [(bytes(raw), envelope) for raw, envelope in session.execute(query)]


def test_one_answer_for_each_recipient(door: Any, channel: Any, committed: Any, make_committed: Any) -> None:
    make_committed.channel(make_committed.queue(), address="sales@desk.example")
    committed.commit()
    wire = Wire(door.port)
    answers = wire.envelope(
        "support+t1.abc@desk.example", "HELP@desk.example", "nobody@desk.example", "sales@desk.example"
    )
    assert [answer[:3] for answer in answers] == [b"250", b"250", b"550", b"250"]
    raw = letter(body="Привет\n.точка в начале\n").as_bytes().replace(b"\n", b"\r\n")
    assert [answer[:3] for answer in wire.data(raw, 3)] == [b"250"] * 3
    assert wire.say("NOOP").startswith(b"250"), "there was exactly one answer for each recipient"
    kept = stored(committed)
    assert [envelope["recipients"] for _raw, envelope in kept] == [
        ["support+t1.abc@desk.example", "HELP@desk.example"],
        ["sales@desk.example"],
    ]
    assert all(each.rstrip() == raw.rstrip() for each, _envelope in kept)


def test_the_same_mail_again_is_acknowledged_and_not_kept_twice(door: Any, channel: Any, committed: Any) -> None:
    for _ in range(2):
        wire = Wire(door.port)
        wire.envelope("support@desk.example")
        assert wire.data(b"Subject: x\r\n\r\nthe same", 1)[0].startswith(b"250")
    assert len(stored(committed)) == 1


def test_null_sender_utf8_and_endless_lines(door: Any, channel: Any, committed: Any) -> None:
    wire = Wire(door.port)
    assert wire.envelope("support@desk.example", sender="<>")[0].startswith(b"250")
    assert wire.data(b"Subject: bounce\r\n\r\n" + b"x" * 200_000, 1)[0].startswith(b"250")
    wire = Wire(door.port)
    wire.envelope("support@desk.example", sender="<ева@пример.рф>", options=" SMTPUTF8")
    assert wire.data("Subject: Тема\r\n\r\nТекст".encode(), 1)[0].startswith(b"250")
    senders = [envelope["sender"] for _raw, envelope in stored(committed)]
    assert senders == ["", "ева@пример.рф"]


def test_what_cannot_be_stored_stays_with_the_sender(
    door: Any, channel: Any, committed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    from queues import intake

    def away(*_: Any) -> int:
        raise OperationalError("INSERT", {}, Exception("the server closed the connection"))

    wire = Wire(door.port)
    wire.envelope("support@desk.example", "help@desk.example")
    monkeypatch.setattr(intake, "accept_many", away)
    assert [answer[:3] for answer in wire.data(b"Subject: x\r\n\r\ny", 2)] == [b"451", b"451"]
    assert stored(committed) == []


def test_too_large_is_told_to_each_recipient(door: Any, channel: Any, committed: Any) -> None:
    wire = Wire(door.port)
    assert b"SIZE 41943040" in wire.say("LHLO x")
    wire.envelope("support@desk.example", "help@desk.example")
    line = b"x" * 998 + b"\r\n"
    assert [answer[:3] for answer in wire.data(line * 42_000, 2)] == [b"552", b"552"]
    assert wire.say("NOOP").startswith(b"250")
    assert stored(committed) == []


def test_a_paused_channel_takes_mail_later(door: Any, channel: Any, committed: Any) -> None:
    channel.enabled = False
    committed.commit()
    assert Wire(door.port).envelope("support@desk.example")[0].startswith(b"450")


def test_smtplib_and_the_door_understand_each_other(door: Any, channel: Any, committed: Any) -> None:
    with smtplib.LMTP("127.0.0.1", door.port) as client:
        client.send_message(letter("Тема письма"), to_addrs=["support@desk.example"])
    assert len(stored(committed)) == 1


@pytest.mark.fault  # starts the whole program
def test_the_listening_process_opens_the_door(channel: Any, committed: Any, listening: Any) -> None:
    port = free_port()
    with environment(LMTP_PORT=str(port)):
        first = listening()
        wait_until(lambda: first.door is not None)
        second = listening()
        wait_until(lambda: second.door_trouble)
        with smtplib.LMTP("127.0.0.1", port) as client:
            client.send_message(letter(), to_addrs=["support@desk.example"])
        first.stop.set()
        wait_until(lambda: second.door is not None, what="the second takes over")
        with smtplib.LMTP("127.0.0.1", port) as client:
            client.send_message(letter("Ещё одно"), to_addrs=["support@desk.example"])
    assert len(stored(committed)) == 2


def test_a_cut_connection_stores_nothing(door: Any, channel: Any, committed: Any) -> None:
    wire = Wire(door.port)
    wire.envelope("support@desk.example")
    assert wire.say("DATA").startswith(b"354")
    wire.socket.sendall(b"Subject: half\r\n\r\nhalf a mail")
    wire.socket.shutdown(socket.SHUT_RDWR)
    other = Wire(door.port)
    other.envelope("support@desk.example")
    other.data(b"Subject: whole\r\n\r\nwhole", 1)
    assert [raw for raw, _envelope in stored(committed)] == [b"Subject: whole\r\n\r\nwhole\r\n"]


def pipe(mail: bytes, *options: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "wsgi.py", "mail", "deliver", *options],
        input=mail,
        capture_output=True,
        env={**os.environ, **variables},
        timeout=60,
        check=False,
    )


@pytest.mark.fault  # starts the whole program
def test_pipe_exits_with_zero_once_stored(channel: Any, committed: Any) -> None:
    mail = letter().as_bytes()
    done = pipe(mail, "--channel", "Почта", "--recipient", "support+t1.x@desk.example")
    assert done.returncode == 0, done.stderr
    again = pipe(mail, "--channel", "Почта")
    assert again.returncode == 0
    assert [raw for raw, _envelope in stored(committed)] == [mail]


@pytest.mark.fault  # starts the whole program
def test_pipe_asks_to_come_again(channel: Any, committed: Any) -> None:
    nowhere = f"postgresql://x@127.0.0.1:{free_port()}/x"
    assert pipe(b"Subject: x\n\ny", "--channel", "Почта", DATABASE_URL=nowhere).returncode == 75
    assert pipe(b"Subject: x\n\ny", "--channel", "Нет такого").returncode == 75
    assert pipe(b"", "--channel", "Почта").returncode == 65
    assert stored(committed) == []


def test_pipe_keeps_the_header_of_what_is_too_large() -> None:
    from queues.deliver import read

    inbound = read(io.BytesIO(b"Subject: large\r\n\r\n" + b"x" * (41 * 1024 * 1024)), {"door": "pipe"})
    assert inbound is not None
    assert inbound.raw == b"Subject: large\n\n"
    assert inbound.problem == "too-large"
    assert inbound.envelope["size"] > 41 * 1024 * 1024


def test_inspect_needs_no_database(tmp_path: Any) -> None:
    (tmp_path / "mail.eml").write_bytes(letter("Проверка").as_bytes())
    with environment(DATABASE_URL="nonsense"):
        done = subprocess.run(
            [sys.executable, "wsgi.py", "mail", "inspect", "--json", str(tmp_path / "mail.eml")],
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "Проверка" in done.stdout.decode()
