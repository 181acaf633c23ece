"""What the whole stack holds while nobody asks anything: the proportional share of every process, engines included."""

import contextlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

from bench.measure import Row
from bench.stage import ROOT, free_port

SETTLE_SECONDS = 15


def measure() -> Row:
    """Start `helpdesk run` in a folder of its own, open a page, wait, and add up."""
    row = Row("idle stack with PostgreSQL and Valkey, MB", "MB", "under 500")
    folder = Path(tempfile.mkdtemp(prefix="hb-", dir="/tmp"))
    folder.chmod(0o711)
    port = free_port()
    foreign = {"DATABASE_URL", "REDIS_URL", "BASE_URL", "LMTP_PORT"}
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment |= {"HELPDESK_DATA": str(folder / "d"), "PORT": str(port)}
    command = [sys.executable, "-m", "wsgi", "run"]
    parent = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(port)
        time.sleep(SETTLE_SECONDS)
        by_kind = _shares(psutil.Process(parent.pid))
        row.add(sum(by_kind.values()))
        row.notes = {kind: round(share) for kind, share in sorted(by_kind.items(), key=lambda pair: -pair[1])}
    finally:
        parent.terminate()
        parent.wait(60)
        shutil.rmtree(folder, ignore_errors=True)
    return row


def _shares(parent: psutil.Process) -> dict[str, float]:
    by_kind: dict[str, float] = defaultdict(float)
    for process in [parent, *parent.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            by_kind[_kind(process)] += process.memory_full_info().pss / 1_000_000
    return by_kind


def _kind(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    kinds = {"postgres": "postgres", "valkey": "valkey", "gunicorn": "web", "crew": "crew", "run": "parent"}
    for mark, kind in kinds.items():
        if mark in words:
            return kind
    return "parser"


def _wait(port: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/sign-in")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError("the stack does not answer")
