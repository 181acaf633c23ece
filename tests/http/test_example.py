"""The example of the docs, run as it stands against a real server: a message becomes a ticket, its reply comes back."""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.serving import make_server

from helpdesk.db import db
from helpdesk.models import Message, OutboxItem, Ticket
from helpdesk.models.message import DeliveryState
from queues import delivery, intake, outbox
from tests.clients import sign_in
from tests.http.conftest import SECRET, open_door
from tests.mail_in.conftest import environment

EXAMPLE = Path(__file__).parents[2] / "docs/examples/http_channel.py"
PATIENCE = 60


@pytest.fixture
def server(app: Any, committed: Any) -> Iterator[str]:
    """The whole application on loopback."""
    made = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Running:
    """The example in a process of its own."""

    def __init__(self, door: str, secret: str, port: int) -> None:
        command = [sys.executable, str(EXAMPLE), door, secret, str(port)]
        env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env, encoding="utf-8")
        self.said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.put(line.strip())

    def line(self) -> str:
        return self.said.get(timeout=PATIENCE)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def test_the_whole_loop(app: Any, make_committed: Any, server: str) -> None:
    cast, port = make_committed.cast(), free_port()
    channel = open_door(make_committed, cast.support, callback_url=f"http://127.0.0.1:{port}/replies")
    db.session.commit()
    example = Running(f"{server}/hooks/{channel.door}", SECRET, port)
    try:
        assert example.line() == "{'id': 'example-1', 'status': 'stored'}"
        intake.drain()
        ticket = db.session.scalars(select(Ticket)).one()
        assert ticket.title == "Где мой заказ?"
        ticket.claim(cast.ann)
        db.session.commit()
        written = sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/replies", data={"body": "Уже едет!"})
        assert written.status_code == 303
        with environment(OUTBOUND_ALLOW="127.0.0.1"):
            (taken,) = outbox.take(5)
            delivery.deliver(taken)
        assert example.line() == "Ann in chat-1: Уже едет!"
        item = db.session.scalars(select(OutboxItem)).one()
        assert item.state == DeliveryState.SENT
        reply = db.session.get_one(Message, item.message_id)
        assert reply.delivery == DeliveryState.SENT
    finally:
        example.stop()


def test_another_secret_gets_nothing_in_and_takes_nothing(app: Any, make_committed: Any, server: str) -> None:
    cast, port = make_committed.cast(), free_port()
    channel = open_door(make_committed, cast.support, callback_url=f"http://127.0.0.1:{port}/replies")
    db.session.commit()
    example = Running(f"{server}/hooks/{channel.door}", "hds_other", port)
    try:
        example.process.wait(PATIENCE)
        assert example.process.returncode == 1  # 401 is an error of urllib
        assert db.session.scalars(select(Ticket)).first() is None
    finally:
        example.stop()


def test_the_example_stays_short_and_needs_nothing() -> None:
    source = EXAMPLE.read_text(encoding="utf-8")
    code = [line for line in source.partition('"""\n\n')[2].splitlines() if line.strip()]
    assert len(code) <= 45
    assert "helpdesk" not in [line.split()[1].partition(".")[0] for line in code if line.startswith(("import", "from"))]
