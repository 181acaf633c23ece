"""POST to addresses that people typed in: where it may go, how long it may last, and how much it may bring."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from helpdesk import outbound
from helpdesk.outbound_http import MOST_ANSWER, PostFailed, post
from tests.mail_in.conftest import environment

Talk = Callable[[socket.socket], None]


@contextmanager
def server(talk: Talk, read: bool = True) -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback that reads a whole request, keeps it, and then talks."""
    listener = socket.create_server(("127.0.0.1", 0))
    requests: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                if read:
                    requests.append(_request(connection))
                with suppress(OSError):  # who asked has gone
                    talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook?x=1", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _request(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65536)
        if not piece:
            return got
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def says(raw: bytes) -> Talk:
    """A server that says this and closes."""
    return lambda connection: connection.sendall(raw)


def answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    """An answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture(autouse=True)
def loopback_allowed() -> Any:
    with environment(OUTBOUND_ALLOW="127.0.0.1"):
        yield


def test_a_request_and_its_answer() -> None:
    body = '{"text": "Здравствуйте"}'.encode()
    with server(says(answer("201 Created", '{"id": "ъ\x00"}'.encode(), "Retry-After: 7"))) as (url, requests):
        got = post(url, body, {"Content-Type": "application/json", "Idempotency-Key": "m-1"})
    assert (got.status, got.ok, got.retry_after) == (201, True, 7.0)
    assert got.excerpt == '{"id": "ъ "}'
    head, _, sent = requests[0].partition(b"\r\n\r\n")
    assert sent == body
    assert head.startswith(b"POST /hook?x=1 HTTP/1.1\r\n")
    assert b"Host: 127.0.0.1:" in head
    assert b"Idempotency-Key: m-1" in head


def test_a_redirect_is_an_answer_and_nobody_follows_it() -> None:
    with server(says(answer("200 OK"))) as (inner, reached):
        with server(says(answer("307 Temporary Redirect", b"", f"Location: {inner}"))) as (url, _requests):
            got = post(url, b"{}", {})
        assert (got.status, got.ok, reached) == (307, False, [])


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.2/", "https://127.0.0.2/", "https://10.1/x", "https://2130706434/", "https://0177.0.0.2/",
     "https://0x7f000002/", "https://[::ffff:127.0.0.2]/", "https://[::1]/", "https://[64:ff9b::7f00:2]/",
     "http://8.8.8.8/", "ftp://127.0.0.1/", "https://", "https:///x", "//127.0.0.1/", "127.0.0.1", "", "https://x:0/",
     "https://user:word@127.0.0.1/", "file:///etc/passwd", "http://127.0.0.1@8.8.8.8/", "https://169.254.169.254/",
     "https://127.0.0.1:99999/", "https://0.0.0.0/", "unix:///var/run/docker.sock"],
)  # fmt: skip
def test_places_that_nobody_may_name(url: str) -> None:
    with pytest.raises(outbound.OutboundRefused):
        post(url, b"{}", {})


def test_a_name_that_changes_its_mind_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["8.8.8.8", "127.0.0.1", "127.0.0.1"])
    went: list[tuple[str, int]] = []

    def rebinding(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), 0))]

    def note(address: tuple[str, int], *_: Any, **__: Any) -> Any:
        went.append(address)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket, "create_connection", note)
    with pytest.raises(PostFailed) as failed:
        post("https://rebinding.example:8443/x", b"{}", {})
    assert went == [("8.8.8.8", 8443)]
    assert not failed.value.arrived


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a b", "[", "x" * 70, "a..b"])
def test_a_name_that_nobody_knows(host: str) -> None:
    with pytest.raises(PostFailed, match="cannot be found"):
        post(f"https://{host}/", b"{}", {})


def _trickle(head: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(200):
            connection.sendall(b"x")
            time.sleep(0.05)

    return talk


TRICKLES = {
    "in its headers": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "in its body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "without a length": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("where", TRICKLES)
def test_a_server_that_trickles_gains_no_time(where: str) -> None:
    """Each of its bytes comes in time, and together they would take ten seconds."""
    with server(_trickle(TRICKLES[where])) as (url, _requests):
        with pytest.raises(PostFailed, match="took too long") as failed:
            post(url, b"{}", {}, total_seconds=0.5)
        assert failed.value.arrived


def test_a_server_that_does_not_read_gains_no_time() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        with pytest.raises(PostFailed, match="took too long"):
            post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"x" * 20_000_000, {}, total_seconds=0.5)
    finally:
        listener.close()


def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n")
        while True:
            connection.sendall(b"y" * 65536)

    with server(flood) as (url, _requests):
        got = post(url, b"{}", {})
    assert got.status == 500
    assert len(got.body) == MOST_ANSWER
    assert len(got.excerpt) == 1000


@pytest.mark.parametrize("raw", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
def test_no_answer_is_a_fault(raw: bytes) -> None:
    with server(says(raw)) as (url, _requests), pytest.raises(PostFailed) as failed:
        post(url, b"{}", {})
    assert failed.value.arrived


def test_nobody_listens() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    listener.close()
    with pytest.raises(PostFailed, match="cannot be reached") as failed:
        post(url, b"{}", {})
    assert not failed.value.arrived


def test_tls_is_verified() -> None:
    """A server that speaks no TLS, which is what a forged one looks like before its certificate."""
    with server(says(b""), read=False) as (url, requests), pytest.raises(PostFailed, match="TLS") as failed:
        post(url.replace("http:", "https:"), b"{}", {})
    assert requests == []
    assert not failed.value.arrived


def test_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with server(says(answer("204 No Content"))) as (url, _requests):
        assert post(url, b"{}", {}).status == 204


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("120", 120, 120), ("0", 0, 0), ("-5", None, None), ("soon", None, None), ("9" * 30, 86400, 86400),
     ("Fri, 31 Dec 2100 23:59:59 GMT", 86400, 86400), ("Fri, 31 Dec 1999 23:59:59 GMT", 0, 0), ("", None, None)],
)  # fmt: skip
def test_retry_after(value: str, least: float | None, most: float | None) -> None:
    with server(says(answer("503 Busy", b"", f"Retry-After: {value}"))) as (url, _requests):
        got = post(url, b"{}", {}).retry_after
    assert (got is None) if least is None or most is None else least <= (got or 0) <= most


def test_others_go_on_under_gevent_meanwhile() -> None:
    """In a process of its own, because gevent changes the one that it works in."""
    program = """
from gevent import monkey; monkey.patch_all()
import gevent, socket, time
from helpdesk.outbound_http import post, PostFailed
listener = socket.create_server(("127.0.0.1", 0))
url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
steps = []
def ask():
    try:
        post(url, b"{}", {}, total_seconds=1)
    except PostFailed:
        steps.append("gave up")
def live():
    for _ in range(3):
        gevent.sleep(0.1)
        steps.append("alive")
gevent.joinall([gevent.spawn(ask), gevent.spawn(live)])
print(steps)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "['alive', 'alive', 'alive', 'gave up']", done.stderr
