"""Where connections to typed-in hosts may go: 60 odd spellings of places that nobody meant."""

import socket
import threading
from typing import Any

import pytest

from helpdesk import outbound
from tests.mail_in.conftest import environment

# fmt: off
PRIVATE = [
    "127.0.0.1", "127.1", "127.255.255.254", "0.0.0.0", "0", "localhost", "2130706433", "0x7f000001", "0177.0.0.1",
    "0x7f.1", "017700000001", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1",
    "192.168.255.255", "169.254.169.254", "169.254.0.1", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "240.0.0.1", "255.255.255.255", "224.0.0.1", "239.1.1.1", "::1", "::", "fe80::1",
    "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "::ffff:7f00:1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2002:a00:1::", "2002:c0a8:1::", "2001:0:7f00:1::", "0:0:0:0:0:ffff:7f00:1",
    "::ffff:0:127.0.0.1", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "192.168.1", "10.1", "172.16.1",
    "3232235521", "0xc0a80001", "167772161", "0x0a000001", "::7f00:1", "::10.0.0.1", "64:ff9b:1::7f00:1",
    "64:ff9b:1:ffff::a00:1", "fec0::1", "5f00::1", "3fff::1",
]
# fmt: on
PUBLIC = ["8.8.8.8", "1.1.1.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "134744072"]


@pytest.fixture(autouse=True)
def nothing_allowed() -> Any:
    with environment(OUTBOUND_ALLOW=""):
        yield


@pytest.mark.parametrize("host", PRIVATE)
def test_private_places_are_refused(host: str) -> None:
    with pytest.raises((outbound.OutboundRefused, OSError)) as refused:
        outbound.check_host(host)
    if isinstance(refused.value, outbound.OutboundRefused):
        assert "OUTBOUND_ALLOW" in refused.value.message


@pytest.mark.parametrize("host", PUBLIC)
def test_public_places_are_fine(host: str) -> None:
    assert outbound.check_host(host)


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.0/8", "::/0, 127.0.0.1"])
def test_what_is_listed_may_be_reached(entry: str) -> None:
    with environment(OUTBOUND_ALLOW=entry):
        assert outbound.check_host("127.0.0.1") == ["127.0.0.1"]
        with pytest.raises(outbound.OutboundRefused):
            outbound.check_host("10.0.0.1")


def test_a_listed_name_may_be_anywhere() -> None:
    with environment(OUTBOUND_ALLOW="mail.internal, LocalHost"):
        assert "127.0.0.1" in outbound.check_host("localhost")
        with pytest.raises(outbound.OutboundRefused):
            outbound.check_host("127.0.0.1")


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers with another address the second time gains nothing."""
    answers = iter(["8.8.8.8", "127.0.0.1", "127.0.0.1"])

    def rebinding(host: str, *_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), 0))]

    went: list[str] = []

    def note(address: tuple[str, int], *_: Any) -> Any:
        went.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket, "create_connection", note)
    with pytest.raises(OSError):
        outbound.connect("rebinding.example", 993, 1)
    assert went == ["8.8.8.8"]


def test_web_requests_follow_the_same_rule_and_no_redirects() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    hits: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                hits.append(connection.recv(4000))
                there = f"Location: http://localhost:{port}/again"
                connection.sendall(f"HTTP/1.1 302 Found\r\n{there}\r\nContent-Length: 0\r\n\r\n".encode())

    threading.Thread(target=serve, daemon=True).start()
    with outbound.web_client() as client, pytest.raises(outbound.OutboundRefused):
        client.get(f"http://127.0.0.1:{port}/")
    assert hits == []
    with environment(OUTBOUND_ALLOW="127.0.0.1"), outbound.web_client() as client:
        assert client.get(f"http://127.0.0.1:{port}/").status_code == 302
    assert len(hits) == 1
    listener.close()


def test_plain_http_only_to_listed_hosts() -> None:
    with pytest.raises(outbound.OutboundRefused, match="not encrypted"):
        outbound.check_url("http://8.8.8.8/token")
    outbound.check_url("https://8.8.8.8/token")
    with environment(OUTBOUND_ALLOW="127.0.0.1"):
        outbound.check_url("http://127.0.0.1:1/token")
