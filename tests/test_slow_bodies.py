"""The web server as it is, against many who send their requests a byte at a time."""

import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from helpdesk import bodies
from helpdesk.auth import cookie_name
from tests.test_live import desk, web  # noqa: F401 - a fixture

pytestmark = pytest.mark.fault

SLOW = 40  # more than one process has database connections


@pytest.fixture
def slow() -> Iterator[Any]:
    """Opens connections that promise a form and do not send it."""
    opened: list[socket.socket] = []

    def begin(port: int, cookie: str) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", port), timeout=bodies.PATIENCE * 3)
        opened.append(connection)
        head = f"POST /sign-in HTTP/1.1\r\nHost: desk\r\nCookie: {cookie_name()}={cookie}\r\nContent-Length: 1000\r\n"
        connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\nemail=".encode())
        return connection

    yield begin
    for connection in opened:
        connection.close()


def test_slow_senders_hold_up_nobody_and_are_sent_away(desk: Any, slow: Any) -> None:  # noqa: F811
    with web() as server:
        waiting = [slow(server.port, "made-up") for _number in range(SLOW)]
        page = urllib.request.Request(f"http://127.0.0.1:{server.port}/queues")
        page.add_header("Cookie", f"{cookie_name()}={desk.cookie}")
        for _visit in range(3):
            with urllib.request.urlopen(page, timeout=30) as answer:
                assert answer.status == 200
                assert desk.support.name in answer.read().decode()
        for connection in waiting:
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
