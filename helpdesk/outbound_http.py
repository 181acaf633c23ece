"""POST requests to addresses that people typed in: to checked hosts alone, once, and never for long.

The host is resolved once and looked at (`helpdesk.outbound`), and the connection goes to an address that was looked
at, whatever the name says a moment later. No redirects, no proxies of the environment, one deadline over everything,
and of the answer no more than a few kilobytes. TLS verifies the name. Blocking; gevent's sockets make it cooperate.
"""

import math
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpcore
import httpx
from flask_babel import gettext as _

from helpdesk import outbound

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
MOST_ANSWER = 64 * 1024  # bytes
MOST_EXCERPT = 1000  # characters
MOST_ADDRESSES = 4
LONGEST_RETRY_AFTER = 24 * 3600.0  # seconds


@dataclass(frozen=True)
class Answer:
    """What a server answered: status, the first bytes of the body, the same as a short text for people.

    `retry_after` are the seconds of its header Retry-After, None without one. A redirect is an answer like others.
    """

    status: int
    body: bytes
    excerpt: str
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the server took the request."""
        return 200 <= self.status < 300


class PostFailed(Exception):
    """There is no answer; the text is for people. `arrived` says that the request may have reached the server."""

    def __init__(self, words: str, arrived: bool) -> None:
        super().__init__(words)
        self.arrived = arrived


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    connect_seconds: float = CONNECT_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
) -> Answer:
    """POST `body` to `url`, which is https, or http to a host of OUTBOUND_ALLOW.

    The lookup of the name counts for the total, but ends only by the resolver's own limit.
    Raises OutboundRefused (helpdesk.outbound) when the host may not be reached, PostFailed when no answer came.
    """
    until = time.monotonic() + total_seconds
    target = _parse(url)
    try:
        addresses = outbound.check_url(f"{target.scheme}://{target.netloc.decode('ascii')}")
    except (OSError, UnicodeError) as error:  # the latter for a label that no name server could hold
        words = _("The host %(host)s cannot be found: %(words)s", host=target.host, words=str(error))
        raise PostFailed(words, arrived=False) from error
    backend = _TimedBackend(addresses, until, min(connect_seconds, total_seconds))
    try:
        with httpcore.ConnectionPool(ssl_context=_tls(), network_backend=backend, retries=0) as pool:
            return _exchange(pool, target, body, headers)
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise PostFailed(_words(error, target.host), backend.wrote) from error


def _exchange(
    pool: httpcore.ConnectionPool, target: httpx.URL, body: bytes, headers: Mapping[str, str]
) -> Answer:
    sent = {"Host": target.netloc.decode("ascii"), "Content-Length": str(len(body)), **headers}
    sent |= {"Accept-Encoding": "identity", "Connection": "close"}
    address = httpcore.URL(
        scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path
    )
    with pool.stream("POST", address, headers=list(sent.items()), content=body) as response:
        found = bytearray()
        for piece in response.iter_stream():
            found += piece
            if len(found) >= MOST_ANSWER:
                break
        named = {name.lower(): value for name, value in response.headers}
        answer = bytes(found[:MOST_ANSWER])
        return Answer(response.status, answer, _excerpt(answer), _retry_after(named.get(b"retry-after")))


def _parse(url: str) -> httpx.URL:
    """The parts of an address, with its host in ASCII. Raises OutboundRefused for what is no address."""
    try:
        target = httpx.URL(url)
        usable = target.scheme in {"http", "https"} and bool(target.raw_host) and not target.userinfo
        usable = usable and (target.port is None or 0 < target.port < 65536)
    except (httpx.InvalidURL, ValueError) as error:
        raise outbound.OutboundRefused(_("%(url)s is not a web address.", url=url)) from error
    if not usable:
        raise outbound.OutboundRefused(_("%(url)s is not a web address.", url=url))
    return target


class _TimedBackend(httpcore.NetworkBackend):
    """Connects to the addresses that were looked at, whatever host it is asked for."""

    def __init__(self, addresses: list[str], until: float, connect_seconds: float) -> None:
        self._addresses = addresses[:MOST_ADDRESSES]
        self._until = until
        self._connect_seconds = connect_seconds
        self.streams: list[_TimedStream] = []

    @property
    def wrote(self) -> bool:
        """Whether any byte of the request was handed over."""
        return any(stream.wrote for stream in self.streams)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        until = min(self._until, time.monotonic() + self._connect_seconds)
        trouble = OSError(f"no address for {host}")
        for address in self._addresses:
            left = until - time.monotonic()
            if left <= 0:
                raise httpcore.ConnectTimeout
            try:
                connection = socket.create_connection((address, port), left)
            except OSError as error:
                trouble = error
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._keep(_TimedStream(connection, self._until, self))
        if isinstance(trouble, TimeoutError):
            raise httpcore.ConnectTimeout from trouble
        raise httpcore.ConnectError(trouble.strerror or str(trouble)) from trouble

    def _keep(self, stream: "_TimedStream") -> "_TimedStream":
        self.streams.append(stream)
        return stream


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every act ends at one deadline: a server that sends a byte a second gains no time."""

    def __init__(self, connection: socket.socket, until: float, backend: _TimedBackend) -> None:
        self._connection = connection
        self._until = until
        self._backend = backend
        self.wrote = False

    def _arm(self, late: type[Exception]) -> None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise late
        self._connection.settimeout(left)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._arm(httpcore.ReadTimeout)
        try:
            return self._connection.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError(error.strerror or str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(buffer)
        self.wrote = True
        while rest:
            self._arm(httpcore.WriteTimeout)
            try:
                rest = rest[self._connection.send(rest) :]
            except TimeoutError as error:
                raise httpcore.WriteTimeout from error
            except OSError as error:
                raise httpcore.WriteError(error.strerror or str(error)) from error

    def close(self) -> None:
        self._connection.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._arm(httpcore.ConnectTimeout)
        try:
            secured = ssl_context.wrap_socket(self._connection, server_hostname=server_hostname)
        except TimeoutError as error:
            self.close()
            raise httpcore.ConnectTimeout from error
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; a name that TLS cannot carry a ValueError
            self.close()
            reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
            raise httpcore.ConnectError(f"TLS: {reason}") from error
        return self._backend._keep(_TimedStream(secured, self._until, self._backend))

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object" and isinstance(self._connection, ssl.SSLSocket):
            return self._connection
        return None


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _words(error: Exception, host: str) -> str:
    if isinstance(error, httpcore.ConnectTimeout):
        return _("%(host)s does not answer.", host=host)
    if isinstance(error, httpcore.TimeoutException):
        return _("%(host)s took too long to answer.", host=host)
    if isinstance(error, httpcore.ConnectError):
        return _("%(host)s cannot be reached: %(words)s", host=host, words=str(error))
    return _("%(host)s broke off without an answer: %(words)s", host=host, words=str(error) or type(error).__name__)


def _excerpt(body: bytes) -> str:
    text = body[: MOST_EXCERPT * 4].decode("utf-8", "replace")
    return "".join(one if one.isprintable() else " " for one in text)[:MOST_EXCERPT].strip()


def _retry_after(value: bytes | None) -> float | None:
    """Seconds of a header Retry-After (RFC 9110 10.2.3): a number of them, or a date."""
    words = (value or b"").decode("ascii", "replace").strip()
    try:
        seconds = float(words) if words.isdigit() else _until(words)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None


def _until(date: str) -> float:
    moment = parsedate_to_datetime(date)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()  # their clock and ours, not the one that tests move
