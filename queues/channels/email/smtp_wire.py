"""A connection to an SMTP server (RFC 5321) that cannot hurt us: checked host, verified TLS, bounded answers.

smtplib has no moment just before the final dot, waits as long as an answer trickles, and turns a server's odd answers
into many kinds of exceptions. Here there are two: a server that answers, with its code and words, and one that is lost.
"""

import re
import socket
import ssl
import time
from dataclasses import dataclass

from flask_babel import gettext as _

from helpdesk import outbound
from queues.channels.email.wire import EOL

CONNECT_SECONDS = 30.0
ANSWER_SECONDS = 300.0  # RFC 5321 4.5.3.2: greeting, MAIL and RCPT
DATA_SECONDS = 120.0
BLOCK_SECONDS = 180.0
DOT_SECONDS = 600.0  # a shorter one makes duplicates (RFC 1047)
QUIT_SECONDS = 2.0
_LONGEST_ANSWER = 64 * 1024
_BLOCK = 64 * 1024
_LINE = re.compile(rb"(\d{3})([ -]?)(.*)")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?= |$)")


class Lost(Exception):
    """The connection is gone or makes no sense any more; the text says how."""


@dataclass(frozen=True)
class Answer:
    """What the server said: its code, and its words on one line without the enhanced status."""

    code: int
    words: str
    lines: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether it is a yes."""
        return 200 <= self.code < 300

    @property
    def status(self) -> str:
        """The code, and the enhanced one where there is one: "550 5.1.1"."""
        found = _ENHANCED.match(self.lines[0]) if self.lines else None
        return f"{self.code} {found[0]}" if found else str(self.code)


class Wire:
    """One connection. Each command has its own time, and any fault of the wire is Lost."""

    def __init__(self, host: str, port: int, patience: float = DOT_SECONDS) -> None:
        self.host = host
        self._patience = patience  # seconds; no answer is waited for any longer, whatever the command allows
        self._buffer = bytearray()
        self._socket: socket.socket = outbound.connect(host, port, min(CONNECT_SECONDS, patience))

    def encrypt(self) -> None:
        """Begin TLS and verify the server's name. Raises Lost when it cannot be trusted, or spoke too early."""
        if self._buffer:
            raise Lost(_("the server spoke before the encryption began"))
        self._socket.settimeout(min(CONNECT_SECONDS, self._patience))
        try:
            self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=self.host)
        except ssl.SSLCertVerificationError as error:
            raise Lost(_("its certificate cannot be trusted (%(words)s)", words=error.verify_message)) from error
        except OSError as error:
            raise Lost(_("the encryption failed (%(words)s)", words=_words(error))) from error

    @property
    def name(self) -> str:
        """How we introduce ourselves: our full name, else our address as a literal (RFC 5321 4.1.3)."""
        name = socket.gethostname()
        if "." in name and name.isascii():
            return name
        address = self._socket.getsockname()[0].partition("%")[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def command(self, line: str, seconds: float = ANSWER_SECONDS) -> Answer:
        """Send one command line and read the answer. Raises Lost, ValueError for a line that would be several."""
        if any(mark in line for mark in "\r\n\0"):
            raise ValueError("an SMTP command is one line")
        self._send(f"{line}{EOL}".encode(), seconds)
        return self.answer(seconds)

    def body(self, content: bytes) -> None:
        """Send a message after DATA, all but the final dot; dots at the begin of lines are doubled."""
        clean = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
        stuffed = re.sub(rb"(?m)^\.", b"..", clean)
        if not stuffed.endswith(b"\r\n"):
            stuffed += b"\r\n"
        view = memoryview(stuffed)
        for start in range(0, len(view), _BLOCK):
            self._send(view[start : start + _BLOCK], BLOCK_SECONDS)

    def final_dot(self) -> Answer:
        """Send the dot that hands the message over, and wait long for the answer. Raises Lost: then nobody knows."""
        return self.command(".", DOT_SECONDS)

    def answer(self, seconds: float) -> Answer:
        """The next answer, all its lines, within so many seconds."""
        until = time.monotonic() + min(seconds, self._patience)
        lines: list[str] = []
        size = 0
        while True:
            found = _LINE.fullmatch(self._line(until))
            if found is None:
                raise Lost(_("the server says something that is not SMTP"))
            size += len(found[0])
            lines.append(found[3].decode("utf-8", "replace").strip())
            if size > _LONGEST_ANSWER:
                raise Lost(_("the server does not stop talking"))
            if found[2] != b"-":
                return Answer(int(found[1]), _without_status(lines), tuple(lines))

    def close(self) -> None:
        """End the connection without a word."""
        self._socket.close()

    def quit(self) -> None:
        """End the connection politely, without waiting long for it."""
        try:
            self.command("QUIT", QUIT_SECONDS)
        except Lost:
            pass  # the server was faster
        finally:
            self.close()

    def _send(self, data: bytes | memoryview, seconds: float) -> None:
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(data)
        except OSError as error:
            raise Lost(_("the connection broke (%(words)s)", words=_words(error))) from error

    def _line(self, until: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            left = until - time.monotonic()
            if left <= 0:
                raise Lost(_("the server takes too long to answer"))
            if len(self._buffer) > _LONGEST_ANSWER:
                raise Lost(_("the server does not stop talking"))
            try:
                self._socket.settimeout(left)
                data = self._socket.recv(_BLOCK)
            except OSError as error:
                raise Lost(_("the connection broke (%(words)s)", words=_words(error))) from error
            if not data:
                raise Lost(_("the server closed the connection"))
            self._buffer += data
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line


def _without_status(lines: list[str]) -> str:
    return " ".join(_ENHANCED.sub("", line, count=1).strip() for line in lines if line)[:1000]


def _words(error: OSError) -> str:
    return "time is up" if isinstance(error, TimeoutError) else (error.strerror or type(error).__name__)
