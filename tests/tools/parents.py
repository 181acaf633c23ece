"""A running parent, as tests see it: its lines, its children, its end."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from helpdesk.processes import account_named, identity

TOYS = Path(__file__).parent / "toys.py"
PATIENCE = 150.0  # seconds before a hanging test is given up; nothing is measured against it
CLEARED = (
    "DATABASE_URL", "REDIS_URL", "LMTP_PORT", "HOST", "BASE_URL", "FILES_URL", "OUTGOING_FOLDER", "UNDO_SECONDS",
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(question, what):
    until = time.monotonic() + PATIENCE
    while not (answer := question()):
        assert time.monotonic() < until, f"in vain waited for: {what}"
        time.sleep(0.05)
    return answer


class Copy:
    """One running parent; with toy children unless `command` says otherwise."""

    def __init__(
        self,
        data: Path,
        port: int | None = None,
        user: str | None = None,
        python: str = sys.executable,
        command: tuple[str, ...] = (str(TOYS), "parent"),
        **environment: str,
    ) -> None:
        self.data = data
        self.port = port or free_port()
        inherited = {k: v for k, v in os.environ.items() if k not in CLEARED}
        account = account_named(user) if user else None
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [python, *command],
            env=inherited | {"HELPDESK_DATA": str(data), "PORT": str(self.port)} | environment,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **({"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}),
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def says(self, words: str) -> str:
        def found():
            assert words in self.text or self.process.poll() is None, self.text
            return next((line for line in self.lines if words in line), None)

        return eventually(found, f"{words!r} in\n{self.text}")

    def ready(self) -> "Copy":
        self.says("The helpdesk is ready")
        return self

    def pids(self) -> dict[str, int]:
        try:
            return {entry["name"]: entry["pid"] for entry in json.loads((self.data / "run/pids.json").read_text())}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def crew(self) -> dict[str, int]:
        """The members of the crew and their pids."""
        try:
            return {entry["name"]: entry["pid"] for entry in json.loads((self.data / "run/crew.json").read_text())}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(sign)
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return code


def alive(pids) -> list[int]:
    """Those of the pids that still live."""
    return [pid for pid in pids if identity(pid) is not None]


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp(prefix="hd-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def start(folder):
    copies = []

    def starter(name="d", **more):
        copies.append(Copy(folder / name, **more))
        return copies[-1]

    yield starter
    for copy in copies:
        recorded = [*copy.pids().values(), *copy.crew().values()]
        copy.stop()
        for pid in recorded:  # only after a failed test is anything left
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
