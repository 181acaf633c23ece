"""The web server as it is, against those who send a byte at a time, and those who pretend to be a proxy."""

import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from helpdesk import bodies
from helpdesk.auth import cookie_name
from tests.test_live_streams import desk, web  # noqa: F401 - a fixture

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


def raw(port: int, *lines: str) -> str:
    """The whole answer to a request of these lines."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "Connection: close", "")).encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_nobody_is_taken_for_a_proxy(desk: Any) -> None:  # noqa: F811
    with web(TRUSTED_PROXIES="0") as server:
        forged = ["SCRIPT_NAME: //evil.example", "PATH_INFO: /health", "X-Forwarded-Proto: https"]
        forged += [
            "X-Forwarded-Host: evil.example",
            "X-Forwarded-Prefix: /evil",
            "X-Remote-User: dora",
            "Remote-User: dora",
        ]
        page = raw(server.port, "GET /queues HTTP/1.1", "Host: desk", *forged)
        assert page.startswith("HTTP/1.1 302 ")
        assert "\r\nLocation: /sign-in?next=/queues\r\n" in page
        assert "evil" not in page


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Transfer-Encoding: chunked, identity",),
        ("Content-Length: +5",),
        (f"X-Long: {'x' * 20_000}",),
        tuple(f"X-{number}: x" for number in range(100)),
    ],
)
def test_requests_that_two_servers_would_read_differently_are_refused(app: Any, lines: tuple[str, ...]) -> None:
    with web() as server:
        answer = raw(server.port, "POST /sign-in HTTP/1.1", "Host: desk", *lines)
        assert answer.startswith(("HTTP/1.1 400 ", "HTTP/1.1 431 ", "HTTP/1.1 501 "))
