"""Child processes that end when their parent does, and the search for those that did not.

Kept free of Flask and SQLAlchemy: the parent of everything imports this and must stay small.
"""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, Protocol

import psutil

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """A system account that children run as."""

    name: str
    uid: int
    gid: int


def account_of(uid: int) -> Account | None:
    """The account of a uid, or None when the system does not know it."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def account_named(name: str) -> Account | None:
    """The account of that name, or None."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def switch(account: Account | None) -> dict[str, Any]:
    """Keyword arguments of `subprocess` that make a child run as `account`; none when it is our own."""
    if account is None or account.uid == os.geteuid():
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def _dies_with_parent(sign: signal.Signals) -> Callable[[], None] | None:
    """What a Linux child runs before exec: ask for `sign` at the parent's death; notice a death before that.

    The kernel counts the death of the THREAD that forked, so children are started from the main thread alone.
    """
    if _libc is None:
        return None
    libc, parent = _libc, os.getpid()

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(sign), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), sign)

    return prepare


def spawn(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
    account: Account | None = None,
    parent_died: signal.Signals = signal.SIGTERM,
) -> "subprocess.Popen[bytes]":
    """Start a child in a session of its own (Ctrl-C reaches the parent alone) that ends when we are killed.

    `output` receives stdout and stderr; `parent_died` is what the kernel sends the child then (Linux only).
    """
    return subprocess.Popen(
        list(command),
        cwd=cwd,
        env=dict(os.environ if environment is None else environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
        preexec_fn=_dies_with_parent(parent_died),
        **switch(account),
    )


class Process(Protocol):
    """What the keeper needs of a child: `subprocess.Popen[bytes]` and `Forked` are such."""

    pid: int
    returncode: int | Any
    stdout: IO[bytes] | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Forked:
    """A child made by fork that runs a function: it shares what this process has imported, which saves memory.

    Only for a process of one thread without open connections. Exit code 0 when the function returns.
    """

    def __init__(self, run: Callable[[], None], parent_died: signal.Signals = signal.SIGTERM) -> None:
        self.returncode: int | None = None
        prepare = _dies_with_parent(parent_died)
        reader, writer = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reader)
            _become_child(writer, prepare, run)
        os.close(writer)
        self.stdout: IO[bytes] | None = os.fdopen(reader, "rb", buffering=0)

    def poll(self) -> int | None:
        """The exit code (negative: the signal), or None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("fork", timeout or 0.0)
            time.sleep(0.02)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _become_child(output: int, prepare: Callable[[], None] | None, run: Callable[[], None]) -> NoReturn:
    """In the fork: leave the parent's terminal, signals and output behind, run, and never return."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(sign, signal.SIG_DFL)
        os.setsid()
        if prepare:
            prepare()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        run()
        code = 0
    except SystemExit as end_of_run:
        code = end_of_run.code if isinstance(end_of_run.code, int) else 1
        if isinstance(end_of_run.code, str):
            sys.stderr.write(end_of_run.code + "\n")
    except BaseException:  # noqa: BLE001 - whatever it was, this must not go on as a second copy of its parent
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def identity(pid: int) -> float | None:
    """The start moment of a living process, which tells it from a later one of that pid; None when gone."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def working_in(folder: Path, name: str) -> list[psutil.Process]:
    """Living processes called `name` whose working directory is `folder`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            alive = process.name() == name and process.status() != psutil.STATUS_ZOMBIE
            if alive and Path(process.cwd()) == folder:
                found.append(process)
    return found


def same_process(pid: int, created: float) -> psutil.Process | None:
    """The living process with that pid and start moment, or None."""
    found = identity(pid)
    if found is None or abs(found - created) > 0.1:
        return None
    with suppress(psutil.Error):
        return psutil.Process(pid)
    return None


def with_descendants(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """The processes and everything below them, each once."""
    found: dict[int, psutil.Process] = {}
    for process in processes:
        found[process.pid] = process
        with suppress(psutil.Error):
            found.update((child.pid, child) for child in process.children(recursive=True))
    return list(found.values())


def end(processes: Sequence[psutil.Process], grace: float = 8.0) -> list[str]:
    """End leftovers: INT for PostgreSQL (its fast stop), TERM for others, KILL after `grace` seconds.

    Returns one line per process that was there: its name and pid.
    """
    told = []
    for process in processes:
        with suppress(psutil.Error):
            told.append(f"{process.name()} {process.pid}")
            process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
    for process in _outlive(processes, grace):
        with suppress(psutil.Error):
            process.kill()
    _outlive(processes, grace)
    return told


def _outlive(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Who of them still lives after at most that time. Zombies do not count: a careless init may keep them."""
    until = time.monotonic() + seconds
    while True:
        left = [process for process in processes if same_process(process.pid, process.create_time())]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.05)
