"""The door in the web server as it is (gunicorn with gevent): slow, endless, chunked and broken-off bodies."""

import json
import socket
import time
from typing import Any

import pytest
from sqlalchemy import func, select

from helpdesk import bodies, signatures
from helpdesk.db import db
from helpdesk.models import InboundEvent
from tests.factories import Factories
from tests.http.conftest import SECRET, message, open_door
from tests.test_live_streams import desk, web  # noqa: F401 - a fixture

pytestmark = pytest.mark.fault

SLOW = 40  # more than one process has database connections


def begin(port: int, door: str, body: bytes, *headers: str) -> socket.socket:
    """A connection on which a signed request has begun: its headers, and nothing of its body."""
    now = int(time.time())
    lines = [
        f"POST /hooks/{door} HTTP/1.1",
        "Host: desk",
        "Content-Type: application/json",
        "Connection: close",
        f"Helpdesk-Timestamp: {now}",
        f"Helpdesk-Signature: {signatures.sign(SECRET.encode(), body, now)}",
        *headers,
    ]
    connection = socket.create_connection(("127.0.0.1", port), timeout=bodies.PATIENCE * 3)
    connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    return connection


def answer(connection: socket.socket) -> tuple[int, str]:
    """Status and body of the answer."""
    with connection:
        said = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return int(said.split()[1]), said.partition("\r\n\r\n")[2]


def test_bodies_that_come_in_their_own_way(desk: Any) -> None:  # noqa: F811
    door = open_door(Factories(db.session), desk.support).door
    assert door is not None
    db.session.commit()
    body = json.dumps(message()).encode()
    whole = f"Content-Length: {len(body)}"
    with web() as server:
        slow = [begin(server.port, door, body, whole) for _number in range(SLOW)]

        chunked = begin(server.port, door, body, "Transfer-Encoding: chunked")
        for piece in (body[:10], body[10:], b""):
            chunked.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        assert answer(chunked)[0] == 202

        again = begin(server.port, door, body, whole)
        again.sendall(body)
        assert answer(again)[0] == 200

        broken = begin(server.port, door, body, whole)
        broken.sendall(body[:10])
        broken.shutdown(socket.SHUT_WR)
        assert answer(broken)[0] == 400

        large = begin(server.port, door, body, "Content-Length: 99999999")
        assert answer(large)[0] == 413

        for connection in slow:
            status, words = answer(connection)
            assert (status, json.loads(words)["error"]) == (408, "too_slow")
    db.session.expire_all()
    assert db.session.scalar(select(func.count()).select_from(InboundEvent)) == 1
