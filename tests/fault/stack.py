"""A helpdesk of its own, with its own engines, folder and ports: started, looked into, and shot at by name."""

import contextlib
import ctypes
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg

from helpdesk.embedded import Engines
from tests.dovecot import free_port

ROOT = Path(__file__).resolve().parents[2]
PR_SET_CHILD_SUBREAPER = 36


class Stack:
    """One parent process with all that it keeps running. What it says is in `folder / "stack.log"`."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.data = folder / "d"
        self.port = free_port()
        engines = Engines(self.data)
        outside = {"DATABASE_URL", "REDIS_URL", "BASE_URL", "LMTP_PORT"}
        self.environment = {k: v for k, v in os.environ.items() if k not in outside} | {
            "HELPDESK_DATA": str(self.data),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "UNDO_SECONDS": "0",
            **environment,
        }
        self._engines = engines
        self.process: subprocess.Popen[bytes] | None = None
        self.ended = False
        adopt_orphans()

    @property
    def url(self) -> str:
        """Where the web server answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the parent without waiting."""
        with (self.folder / "stack.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fault.launch"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def keep(self) -> None:
        """Start the parent again when it was killed, as the system's service manager would."""
        reap_orphans()
        if not self.ended and self.process is not None and self.process.poll() is not None:
            self.start()

    def answers(self) -> bool:
        """Whether the web server and its database are there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait_ready(self, seconds: float) -> None:
        """Until it answers; RuntimeError with its last words when it does not."""
        until = time.monotonic() + seconds
        while not self.answers():
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > until:
                raise RuntimeError(f"the stack does not answer:\n{self.last_words()}")
            time.sleep(0.2)

    def last_words(self, lines: int = 30) -> str:
        """The end of what it said."""
        path = self.folder / "stack.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def stop(self) -> None:
        """End the parent for good; it ends the rest. What stays is killed."""
        self.ended = True
        if self.process is None:
            return
        tree = self._tree()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        tree += [one for one in psutil.Process().children(recursive=True) if self._is_ours(one)]  # adopted orphans
        for process in tree:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(tree, 5)
        reap_orphans()

    def database_url(self) -> str:
        """Where libpq finds the embedded database."""
        return f"postgresql://app@/helpdesk?host={self._engines.home.sockets}"

    def query(self, statement: str, *values: object) -> list[Any]:
        """Rows of one query on a connection of its own, tried again for a while where the database is away."""
        until = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(self.database_url(), connect_timeout=5, autocommit=True) as connection:
                    return connection.execute(statement.encode(), values or None).fetchall()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.3)

    # Who is there to be killed

    def victims(self) -> dict[str, list[psutil.Process]]:
        """The living processes by what they are; only descendants of our own parent and what it names in its files."""
        found: dict[str, list[psutil.Process]] = {}
        named = self._named("pids.json") | self._named("crew.json")
        for name, process in named.items():
            found[name] = [process]
            children = _children(process)
            if name == "web":
                found["web-worker"] = children
            elif name == "postgres":
                found["backend"] = children
                found["postgres-all"] = [process, *children]
            elif name.startswith("intake"):
                found["parser"] = children
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(psutil.Error):
                found["parent"] = [psutil.Process(self.process.pid)]
        return {name: processes for name, processes in found.items() if processes}

    def _named(self, file: str) -> dict[str, psutil.Process]:
        named: dict[str, psutil.Process] = {}
        try:
            entries = json.loads((self.data / "run" / file).read_text())
        except (OSError, ValueError):
            return named
        for entry in entries:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(entry["pid"])
                if process.status() != psutil.STATUS_ZOMBIE and entry["created"] is not None:
                    named[entry["name"]] = process
        return named

    def _is_ours(self, process: psutil.Process) -> bool:
        """Whether a process works in the stack's data folder; our own children, such as Dovecot, do not."""
        with contextlib.suppress(psutil.Error):
            return process.cwd().startswith(str(self.data)) or process.environ().get("HELPDESK_DATA") == str(self.data)
        return False

    def _tree(self) -> list[psutil.Process]:
        assert self.process is not None
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []


def _children(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return [one for one in process.children() if one.status() != psutil.STATUS_ZOMBIE]
    return []


def adopt_orphans() -> None:
    """Become the parent of what killed parents leave: PID 1 of a container may not reap, and zombies block engines."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans() -> None:
    """Bury adopted children that are dead. Popen copes with having been waited for here."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error, ChildProcessError):
            if child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)
