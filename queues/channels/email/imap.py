"""A connection to an IMAP server that cannot hurt us: checked host, verified TLS, bounded in bytes and in time.

imaplib reads whatever size a server announces and waits as long as it trickles. Here each command has an allowance of
bytes and seconds (`Imap.allow`); whoever goes beyond it loses the connection.
"""

import imaplib
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from helpdesk import outbound
from queues.channels.base import SourceTrouble
from queues.channels.email.settings import MailboxSettings

CONNECT_SECONDS = 15.0
READ_SECONDS = 60.0  # silence in the middle of an answer
COMMAND_SECONDS = 120.0
SLOWEST = 20_000  # bytes a second; a large mail gets as much more time as it needs at this speed
COMMAND_BYTES = 8 * 1024 * 1024
LINE_BYTES = 1_000_000

FAULTS = (IMAPClientError, imaplib.IMAP4.error, OSError, MemoryError, ValueError, LookupError)
"""What a broken server or connection can make IMAPClient raise; it parses answers with plain Python."""


class SignInRefused(SourceTrouble):
    """The server says that user and password, or the token, are not good."""


class _Wire(imaplib.IMAP4):
    """imaplib over a checked connection, with its reading bounded."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, timeout: float) -> None:
        self._context = context
        self._silence = timeout
        self._buffer = bytearray()
        self.allow(COMMAND_BYTES, timeout)
        super().__init__(host, port)

    def allow(self, size: int, seconds: float) -> None:
        """Let the server say `size` more bytes within `seconds`."""
        self._bytes_left = size
        self._until = time.monotonic() + seconds

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        self.host, self.port = host, port
        self.sock = outbound.connect(host, port, timeout or self._silence)
        if self._context is not None:
            self._wrap(self._context)

    def _wrap(self, context: ssl.SSLContext) -> None:
        plain = self.sock
        try:
            self.sock = context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> Any:
        if ssl_context is None or "STARTTLS" not in self.capabilities:
            raise self.abort(_("The server offers no encryption (STARTTLS)."))
        kind, data = self._simple_command("STARTTLS")
        if kind != "OK":
            raise self.abort(_("The server refuses encryption (STARTTLS)."))
        if self._buffer:
            raise self.abort(_("The server spoke before the encryption began."))
        self._wrap(ssl_context)
        self._tls_established = True
        self._get_capabilities()
        return kind, data

    def shutdown(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the server was faster
        finally:
            self.sock.close()

    def silence(self, seconds: float) -> None:
        """End the connection when the server says nothing for that long in the middle of an answer."""
        self._silence = seconds

    @property
    def pending(self) -> bool:
        """Whether something was received that nobody has read."""
        return bool(self._buffer) or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0)

    def read(self, size: int) -> bytes:
        if size > self._bytes_left:
            raise self.abort(
                _(
                    "The server announces %(size)s bytes where at most %(most)s were asked for.",
                    size=size,
                    most=self._bytes_left,
                )
            )
        self._bytes_left -= size
        while len(self._buffer) < size:
            if not self._receive():
                break
        return self._cut(size)

    def readline(self) -> bytes:
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            if start > min(LINE_BYTES, self._bytes_left):
                raise self.abort(_("The server sends a line of more than %(size)s bytes.", size=start))
            if not self._receive():
                return self._cut(start)
        self._bytes_left -= end + 1
        if self._bytes_left < 0:
            raise self.abort(_("The server says far more than it was asked for."))
        return self._cut(end + 1)

    def _cut(self, size: int) -> bytes:
        piece = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return piece

    def _receive(self) -> bool:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the server takes too long to answer")
        self.sock.settimeout(min(left, self._silence))
        data = self.sock.recv(262_144)
        self._buffer += data
        return bool(data)


class Imap(IMAPClient):  # type: ignore[misc]  # IMAPClient has no types
    """IMAPClient over a bounded wire. Make it with `connect`."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, timeout: float) -> None:
        self._wire_context = context
        self._wire_timeout = timeout
        super().__init__(host, port, ssl=False)
        self.normalise_times = False
        self._imap.debug = 0  # IMAPClient turns imaplib's tracing on, which formats every line

    def _create_IMAP4(self) -> _Wire:
        return _Wire(self.host, self.port, self._wire_context, self._wire_timeout)

    def _set_read_timeout(self) -> None:
        self.socket().settimeout(READ_SECONDS)

    def allow(self, size: int = COMMAND_BYTES) -> None:
        """Let the next commands bring at most `size` bytes, in as much time as a slow line needs for them."""
        self._imap.allow(size + COMMAND_BYTES, COMMAND_SECONDS + size / SLOWEST)

    def patience(self, seconds: float) -> None:
        """How long the server may be silent in the middle of an answer."""
        self._imap.silence(seconds)

    def wait(self, seconds: float, stopping: Callable[[], bool], slice_seconds: float = 0.4) -> bool:
        """Idle (RFC 2177) until the server says something, `stopping()`, or `seconds` are over.

        True when the server spoke; what it said is not looked at, because the next search finds what is new.
        """
        self.allow()
        self.idle()
        until = time.monotonic() + seconds
        spoke = False
        while not spoke and not stopping() and (left := until - time.monotonic()) > 0:
            spoke = self._imap.pending or self._readable(min(left, slice_seconds))
        self.allow()
        self.idle_done()
        return spoke

    def _readable(self, seconds: float) -> bool:
        poller = select.poll()
        poller.register(self.socket().fileno(), select.POLLIN)
        return bool(poller.poll(seconds * 1000))

    def told_of_mail(self) -> bool:
        """Whether the server mentioned new mail since this was last asked: it says so once, in whatever answer."""
        return self._imap.untagged_responses.pop("EXISTS", None) is not None

    @property
    def encryption(self) -> str:
        """The version of TLS in use, e.g. TLSv1.3."""
        wire = self.socket()
        return (wire.version() or "") if isinstance(wire, ssl.SSLSocket) else ""

    def end(self) -> None:
        """Close the connection without a word; never fails."""
        self._imap.shutdown()


def connect(settings: MailboxSettings, timeout: float = CONNECT_SECONDS) -> Imap:
    """Connect and encrypt; never in the clear. Raises OutboundRefused or one of FAULTS."""
    context = ssl.create_default_context()
    client = Imap(settings.imap_host, settings.imap_port, context if settings.imap_tls == "ssl" else None, timeout)
    try:
        if settings.imap_tls == "starttls":
            client.starttls(context)
    except BaseException:
        client.end()
        raise
    client.patience(min(READ_SECONDS, timeout * 4))
    return client


def sign_in(client: Imap, settings: MailboxSettings, password: str) -> None:
    """Sign in with a password. Raises SourceTrouble when the server refuses it."""
    client.allow()
    try:
        if client.has_capability("AUTH=PLAIN"):
            client.plain_login(settings.login, password)  # takes any characters; LOGIN only ASCII
        else:
            client.login(settings.login, password)
    except (IMAPClientError, UnicodeError) as error:
        raise refused_sign_in(error) from error


def sign_in_with_token(client: Imap, settings: MailboxSettings, token: str) -> None:
    """Sign in by XOAUTH2 (RFC-less; Google's and Microsoft's own description). Raises SourceTrouble."""
    client.allow()
    answers = iter([f"user={settings.login}\x01auth=Bearer {token}\x01\x01".encode()])
    try:
        # an error comes as one more challenge, which has to be answered with nothing
        client.sasl_login("XOAUTH2", lambda _challenge: next(answers, b""))
    except IMAPClientError as error:
        raise refused_sign_in(error) from error


def refused_sign_in(error: Exception) -> SourceTrouble:
    """A refused sign-in with the server's words, or a lost connection, which is something else."""
    if isinstance(error, imaplib.IMAP4.abort):
        return SourceTrouble(in_words(error))
    return SignInRefused(_("The server refuses the sign-in: %(words)s", words=server_words(error)), slow=True)


def in_words(error: BaseException) -> str:
    """A fault of a mail server's connection as a sentence for people."""
    return str(_sentence(error))


def _sentence(error: BaseException) -> Any:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _("The certificate of the server is not valid: %(words)s.", words=error.verify_message)
    if isinstance(error, ssl.SSLError):
        return _(
            "The encrypted connection failed: %(words)s. Check the port and the kind of encryption.",
            words=error.reason or error,
        )
    if isinstance(error, socket.gaierror):
        return _("The name of the server is not known: %(words)s.", words=error.strerror)
    if isinstance(error, TimeoutError):
        return _("The server takes too long to answer.")
    if isinstance(error, ConnectionRefusedError):
        return _("The server refuses the connection. Check the name and the port.")
    if isinstance(error, MemoryError):
        return _("The server announces more than fits into memory.")
    if isinstance(error, OSError) and error.strerror:
        return _("The connection failed: %(words)s.", words=error.strerror)
    return _("The server did not do what was asked: %(words)s", words=server_words(error))


def server_words(error: BaseException) -> str:
    """The server's own words in an exception of imaplib or IMAPClient, without their Python dress."""
    words = str(error.args[0] if error.args else error) or type(error).__name__
    if words.startswith(("b'", 'b"')) and len(words) > 3:
        words = words[2:-1]
    return words[:500]
