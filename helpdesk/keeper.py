"""Keeps programs running: starts them, passes on what they say, restarts them with growing pauses.

One thread, so that the kernel's "parent died" signal can be trusted and fork is safe. Whatever a program
writes is printed with its name in front. Signals only wake the loop; the loop decides.
"""

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any

from helpdesk.errors import StartError
from helpdesk.processes import Process, end, identity, same_process, spawn, with_descendants

FIRST_PAUSE = 0.5  # seconds before the first restart; doubled up to LONGEST_PAUSE
LONGEST_PAUSE = 30.0
STEADY_AFTER = 60.0  # seconds of life after which the pause starts anew
IMPATIENT_AFTER = 2.0  # seconds after which a second signal means "now"
LONGEST_LINE = 65536
LINES_KEPT = 50
NAMED_LINE = re.compile(r"\S+ +\| ")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked for the end."""


@dataclass(frozen=True)
class Program:
    """What to keep running. `start`, where given, replaces `command`: the engines start themselves.

    `grace` is how many seconds it may take to end after `stop_signal`; the lower `stage` stops first. `named` says
    that its lines carry a name already, because it is a keeper too.
    """

    name: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] | None = None
    cwd: Path | None = None
    start: Callable[[], Process] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 30.0
    stage: int = 0
    named: bool = False


@dataclass
class _Child:
    program: Program
    process: Process | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    due: float = 0.0


@dataclass
class _Stream:
    """One child's output: a pipe may outlive the child, because its own children hold it too."""

    name: str
    pipe: IO[bytes]
    echo: bool = True
    named: bool = False
    rest: bytes = b""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))


class Keeper:
    """Runs programs until a signal asks for the end. Use as a context manager; leaving it stops everything.

    `pid_file` lists what runs, so that the next start can find what a kill -9 left behind.
    """

    def __init__(self, pid_file: Path) -> None:
        self.pid_file = pid_file
        self.children: list[_Child] = []
        self.stop_asked: float | None = None
        self.hurry = False
        self._selector = selectors.DefaultSelector()
        self._old_handlers: dict[signal.Signals, Any] = {}
        self._width = 8

    def __enter__(self) -> "Keeper":
        self._wake_reader, self._wake_writer = socket.socketpair()
        for end_of_pair in (self._wake_reader, self._wake_writer):
            end_of_pair.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        for sign in (*STOP_SIGNALS, signal.SIGCHLD):
            if sign is signal.SIGHUP and signal.getsignal(sign) == signal.SIG_IGN:
                continue  # nohup
            self._old_handlers[sign] = signal.signal(sign, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()
        signal.set_wakeup_fd(-1)
        for sign, handler in self._old_handlers.items():
            signal.signal(sign, handler)
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return
        if self.stop_asked is None:
            self.stop_asked = time.monotonic()
        elif time.monotonic() - self.stop_asked > IMPATIENT_AFTER:
            self.hurry = True

    # Running

    def sweep(self) -> list[str]:
        """End what the pid file of a killed keeper names and still lives. Returns name and pid of each."""
        try:
            known = json.loads(self.pid_file.read_text())
            found = [same_process(int(entry["pid"]), float(entry["created"])) for entry in known]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError):
            found = []  # half written by a dying machine; the engines are found by their folder
        told = end(with_descendants(process for process in found if process))
        self.pid_file.unlink(missing_ok=True)
        return told

    def start(self, program: Program, running: Process | None = None) -> None:
        """Keep `program` running from now on; `running` is its process where it was started already."""
        child = _Child(program)
        self.children.append(child)
        self._width = max(self._width, len(program.name))
        if running is None:
            self._launch(child)
        else:
            child.process, child.started = running, time.monotonic()
            self._write_pids()

    def once(self, program: Program, *, echo: bool = True) -> tuple[int, list[str]]:
        """Run a program to its end. Returns its exit code and the last lines it wrote, printed too if `echo`.

        Raises Stopped when a signal asks for the end meanwhile (the program is ended first).
        """
        process, stream = self._spawn(program, echo=echo)
        try:
            while (code := process.poll()) is None:
                self.turn()
        except Stopped:
            process.send_signal(program.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                process.wait(program.grace)
            process.kill()
            process.wait()
            raise
        if stream:
            self._read(stream)
        return code, list(stream.lines) if stream else []

    def wait(self, ready: Callable[[], bool], limit: float | None = None) -> bool:
        """Run the loop until `ready()` or until `limit` seconds passed. Returns whether it was ready.

        Raises Stopped when a signal asks for the end.
        """
        until = None if limit is None else time.monotonic() + limit
        while not ready():
            if until is not None and time.monotonic() > until:
                return False
            self.turn()
        return True

    def turn(self, timeout: float = 0.2) -> None:
        """One turn: pass on output, notice the dead, restart what is due. Raises Stopped."""
        self.check()
        self._listen(timeout)
        self.check()
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                self._bury(child)
            if child.process is None and time.monotonic() >= child.due:
                self._launch(child)

    def check(self) -> None:
        """Raise Stopped when a signal asked for the end."""
        if self.stop_asked is not None:
            raise Stopped

    def say(self, text: str, name: str | None = "helpdesk") -> None:
        """Print one line with the name of who speaks, if any. A closed terminal is no reason to die."""
        with suppress(OSError, ValueError):
            sys.stdout.write(f"{name:<{self._width}} | {text}\n" if name else f"{text}\n")
            sys.stdout.flush()

    def _launch(self, child: _Child) -> None:
        try:
            child.process, _ = self._spawn(child.program)
        except (StartError, OSError) as error:
            self._schedule(child, str(error))
            return
        child.started = time.monotonic()
        self._write_pids()

    def _bury(self, child: _Child) -> None:
        process = child.process
        assert process is not None
        child.process = None
        if time.monotonic() - child.started > STEADY_AFTER:
            child.pause = FIRST_PAUSE
        self._schedule(child, describe_end(process.returncode))

    def _schedule(self, child: _Child, why: str) -> None:
        self.say(f"{why}; starting again in {child.pause:g} s", child.program.name)
        child.due = time.monotonic() + child.pause
        child.pause = min(child.pause * 2, LONGEST_PAUSE)

    def _spawn(self, program: Program, *, echo: bool = True) -> tuple[Process, _Stream | None]:
        process: Process
        if program.start is not None:
            process = program.start()
        else:
            process = spawn(program.command, cwd=program.cwd, environment=program.environment, output=subprocess.PIPE)
        if process.stdout is None:
            return process, None
        os.set_blocking(process.stdout.fileno(), False)
        stream = _Stream(program.name, process.stdout, echo, program.named)
        self._selector.register(process.stdout, selectors.EVENT_READ, stream)
        return process, stream

    # Output

    def _listen(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                with suppress(BlockingIOError):
                    self._wake_reader.recv(4096)
            else:
                self._read(key.data)

    def _read(self, stream: _Stream) -> None:
        """Print whole lines of one stream until it has nothing more to say for now."""
        while not stream.pipe.closed:
            try:
                got = os.read(stream.pipe.fileno(), 65536)
            except BlockingIOError:
                return
            *lines, stream.rest = (stream.rest + got).split(b"\n")
            if stream.rest and (not got or len(stream.rest) > LONGEST_LINE):
                lines.append(stream.rest)
                stream.rest = b""
            for line in lines:
                text = line.decode("utf-8", "replace").rstrip()
                stream.lines.append(text)
                if stream.echo:
                    self.say(text, None if stream.named and NAMED_LINE.match(text) else stream.name)
            if not got:
                self._selector.unregister(stream.pipe)
                stream.pipe.close()

    # Stopping

    def stop_all(self) -> None:
        """Stop all programs, stage by stage, each by its own signal, once; KILL its group after its grace."""
        self.stop_asked = self.stop_asked or time.monotonic()
        for stage in sorted({child.program.stage for child in self.children}):
            self._stop([child for child in self.children if child.program.stage == stage and child.process])
        self.children.clear()
        self.pid_file.unlink(missing_ok=True)

    def _stop(self, children: Sequence[_Child]) -> None:
        for child, process in _running(children):
            with suppress(ProcessLookupError):
                process.send_signal(child.program.stop_signal)
        asked = time.monotonic()
        while left := list(_running(children)):
            self._listen(0.1)
            for child, process in left:
                if self.hurry or time.monotonic() - asked > child.program.grace:
                    self.say("does not end by itself and is killed", child.program.name)
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        self._listen(0)

    def _write_pids(self) -> None:
        entries = [
            {"name": child.program.name, "pid": process.pid, "created": identity(process.pid)}
            for child, process in _running(self.children)
        ]
        fresh = self.pid_file.with_suffix(".new")
        fresh.write_text(json.dumps([entry for entry in entries if entry["created"] is not None]))
        fresh.rename(self.pid_file)


def describe_end(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _running(children: Sequence[_Child]) -> Iterator[tuple[_Child, Process]]:
    for child in children:
        if child.process is not None and child.process.poll() is None:
            yield child, child.process
