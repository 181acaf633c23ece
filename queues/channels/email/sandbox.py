"""Parsing in a child process that may hang, grow or die without taking its worker along.

The child lives for thousands of mails. Each has a wall clock in the parent and a processor limit in the child;
memory is limited by the system. Frames are length-prefixed: JSON and raw bytes, nothing that executes.

Request: operation (1 byte), length (8 bytes), raw mail. Answer: length (8 bytes), JSON with ``blobs`` (a list
of sizes), then the blobs.
"""

import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from queues.channels.email import limits
from queues.channels.email.describe import describe
from queues.channels.email.parse import parse, parse_headers_only
from queues.channels.email.parsed import ParsedMail, from_wire, to_wire

_LENGTH = struct.Struct("!Q")
_REQUEST = struct.Struct("!cQ")
_PARSE, _DESCRIBE = b"P", b"D"
_ANSWER_BYTES = 128 * 1024 * 1024
_PAGE = resource.getpagesize()

# "-I" keeps the environment and the current folder out; the package's own folder comes last on the path
_CHILD_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); from queues.channels.email.sandbox import serve; serve(int(sys.argv[2]))"
)


class ParseError(Exception):
    """A mail could not be parsed; the raw mail is untouched. ``problem`` is its problem code."""

    problem = "parse-crashed"


class ParseTimeout(ParseError):
    """Parsing took longer than the budget; the child was killed."""

    problem = "parse-timeout"


class ParseCrashed(ParseError):
    """The child died or failed on this mail."""


class MailParser:
    """Parses mails in a child process, which starts with the first mail and is replaced when it must be.

    One mail at a time; safe to share between threads. Use as a context manager or call :meth:`close`.
    """

    def __init__(self, *, wall_seconds: float = limits.CHILD_WALL_SECONDS) -> None:
        self.wall_seconds = wall_seconds
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def parse(self, raw: bytes) -> ParsedMail:
        """Parse one mail. Raises ParseTimeout or ParseCrashed, after which the next mail gets a new child."""
        answer, blobs = self._ask(_PARSE, raw)
        try:
            return from_wire(answer["mail"], blobs)
        except (KeyError, TypeError, ValueError) as error:
            raise ParseCrashed("The mail parser gave an answer that makes no sense.") from error

    def parse_or_headers(self, raw: bytes) -> ParsedMail:
        """Parse one mail; when that fails, only what its headers tell, with the problem named.

        A child that died gets one successor for the same mail: the system may have killed it for reasons of its own.
        """
        try:
            return self.parse(raw)
        except ParseTimeout as error:
            return parse_headers_only(raw, problem=error.problem)
        except ParseError:
            try:
                return self.parse(raw)
            except ParseError as error:
                return parse_headers_only(raw, problem=error.problem)

    def describe(self, raw: bytes) -> dict[str, Any]:
        """The JSON description of one mail. Raises ParseTimeout or ParseCrashed."""
        answer, _blobs = self._ask(_DESCRIBE, raw)
        description = answer.get("mail")
        if not isinstance(description, dict):
            raise ParseCrashed("The mail parser gave an answer that makes no sense.")
        return description

    def close(self) -> None:
        """End the child. The parser may be used again."""
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, operation: bytes, raw: bytes) -> tuple[dict[str, Any], list[bytes]]:
        if len(raw) > limits.RAW_PARSED:
            # the child would say the same; its headers are all that is read
            raw = raw[: limits.HEADERS_SCANNED]
            mail = parse_headers_only(raw, problem="too-large")
            return {"mail": describe(mail) if operation == _DESCRIBE else to_wire(mail)[0]}, []
        with self._lock:
            try:
                answer, blobs = self._exchange(operation, raw)
            except ParseCrashed:
                # whoever killed the child may have meant something else; a mail that kills it does so again
                answer, blobs = self._exchange(operation, raw)
        if "error" in answer:
            raise ParseCrashed(f"The mail parser failed on this mail: {answer['error']}.")
        return answer, blobs

    def _exchange(self, operation: bytes, raw: bytes) -> tuple[dict[str, Any], list[bytes]]:
        child = self._living_child()
        try:
            answer, blobs = child.ask(operation, raw, time.monotonic() + self.wall_seconds)
        except TimeoutError as error:
            self._drop()
            raise ParseTimeout(f"The mail took longer than {self.wall_seconds:g} seconds to read.") from error
        except (OSError, EOFError, ValueError) as error:
            used_up = child.used_up_its_time()
            self._drop()
            if used_up:
                raise ParseTimeout("The mail took more processor time to read than it may.") from error
            raise ParseCrashed("The mail parser died on this mail.") from error
        except BaseException:
            # an answer was left in the middle: it must never reach the next mail
            self._drop()
            raise
        if child.mails >= limits.CHILD_MAILS or answer.get("resident", 0) > limits.CHILD_RESIDENT:
            self._drop()
        return answer, blobs

    def _living_child(self) -> "_Child":
        if self._child is not None and not self._child.alive():
            self._drop()
        if self._child is None:
            self._child = _Child()
        return self._child

    def _drop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None


class _Child:
    """One child process and the socket to it."""

    def __init__(self) -> None:
        self.mails = 0
        self._socket, theirs = socket.socketpair()
        package_root = str(Path(__file__).resolve().parents[3])
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _CHILD_PROGRAM, package_root, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the worker
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            )

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, operation: bytes, raw: bytes, deadline: float) -> tuple[dict[str, Any], list[bytes]]:
        """Send one mail and wait for the answer. Raises TimeoutError, OSError, EOFError or ValueError."""
        self.mails += 1
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(_REQUEST.pack(operation, len(raw)))
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(raw)
        (length,) = _LENGTH.unpack(self._receive(_LENGTH.size, deadline))
        if length > _ANSWER_BYTES:
            raise ValueError("answer too long")
        answer = json.loads(self._receive(length, deadline))
        sizes = answer.get("blobs", [])
        if sum(sizes) > _ANSWER_BYTES:
            raise ValueError("answer too long")
        return answer, [self._receive(size, deadline) for size in sizes]

    def _receive(self, length: int, deadline: float) -> bytes:
        buffer = bytearray(length)
        view = memoryview(buffer)
        got = 0
        while got < length:
            self._socket.settimeout(_left(deadline))
            count = self._socket.recv_into(view[got:])
            if not count:
                raise EOFError("the child closed its end")
            got += count
        view.release()
        return bytes(buffer)

    def used_up_its_time(self) -> bool:
        """Whether a child that closed its end was ended by its processor limit."""
        try:
            return self._process.wait(timeout=1) == -signal.SIGXCPU
        except subprocess.TimeoutExpired:
            return False

    def kill(self) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


# --- the child --------------------------------------------------------------------------------------------


def serve(descriptor: int) -> NoReturn:
    """Run the child: answer requests on the socket until the parent closes it."""
    # a stop of the whole service reaches the child too; the worker finishes its mail and then hangs up
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (limits.CHILD_MEMORY, limits.CHILD_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb", buffering=1 << 16) as stream:
        while len(head := stream.read(_REQUEST.size)) == _REQUEST.size:
            operation, length = _REQUEST.unpack(head)
            raw = stream.read(length)
            if len(raw) < length:
                break
            _allow_processor_time()
            encoded, blobs = _answer(operation, raw)
            stream.write(_LENGTH.pack(len(encoded)))
            stream.write(encoded)
            for blob in blobs:
                stream.write(blob)
            stream.flush()
    sys.exit(0)


def _answer(operation: bytes, raw: bytes) -> tuple[bytes, list[bytes]]:
    """The JSON of the answer and the blobs that follow it."""
    blobs: list[bytes] = []
    answer: dict[str, Any]
    try:
        mail = parse(raw)
        if operation == _DESCRIBE:
            answer = {"mail": describe(mail)}
        else:
            wire, blobs = to_wire(mail)
            answer = {"mail": wire}
        answer |= {"blobs": [len(blob) for blob in blobs], "resident": _resident()}
        return json.dumps(answer).encode("ascii"), blobs
    except Exception as error:  # noqa: BLE001 -- whatever it is, the parent names the mail
        return json.dumps({"error": type(error).__name__, "resident": _resident()}).encode("ascii"), []


def _allow_processor_time() -> None:
    """Give the next mail its own processor seconds: the system's limit counts over the whole life."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + limits.CHILD_CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def _resident() -> int:
    """Bytes of memory in use, as the system counts them; 0 where it does not tell."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 -- once a mail
            return int(statm.read().split()[1]) * _PAGE
    except OSError:
        return 0
