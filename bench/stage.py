"""An installation of its own for measuring: engines as `helpdesk run` starts them, people, workers, a web server."""

import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from helpdesk.embedded import Engines

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "measured with patience"
OPERATORS = 16
IDLE_SECONDS = 10.0  # less than the server keeps a connection that nobody uses
CSRF = re.compile(r'name="csrf-token" content="([^"]+)"|name="csrf_token"[^>]*value="([^"]+)"')


class Stage:
    """Folder, engines and application. Use as a context manager: entering makes it, leaving removes it."""

    def __enter__(self) -> "Stage":
        self.folder = Path(tempfile.mkdtemp(prefix="hb-", dir="/tmp"))
        self.folder.chmod(0o711)  # as root the engines run as another account, which must be able to pass through
        self.engines = Engines(self.folder / "d")
        self.port = free_port()
        for name in ("BASE_URL", "LMTP_PORT"):
            os.environ.pop(name, None)
        os.environ |= {
            "HELPDESK_DATA": str(self.folder / "d"),
            "DATABASE_URL": self.engines.start_postgres(),
            "REDIS_URL": self.engines.start_valkey(),
            "PORT": str(self.port),
            "LOG_LEVEL": "ERROR",
            "WEB_WORKERS": "2",
        }
        from wsgi import create_app

        self.app = create_app()
        with self.app.app_context():
            from helpdesk.cli import migrate_database

            migrate_database()
            self.ids = _furnish()
        return self

    def __exit__(self, *_: object) -> None:
        self.engines.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self) -> "psycopg.Connection[Any]":
        """A bare connection, for floors and for data made by SQL."""
        return psycopg.connect(f"host={self.engines.home.sockets} user=app dbname=helpdesk")

    def run(self, statement: str, **values: Any) -> None:
        """One statement in a transaction of its own."""
        with self.connect() as connection:
            connection.execute(statement.encode(), values)

    def one(self, statement: str, **values: Any) -> Any:
        """The first column of the first row."""
        with self.connect() as connection:
            row = connection.execute(statement.encode(), values).fetchone()
        return row[0] if row else None

    @contextlib.contextmanager
    def serving(self, target: str = "wsgi:app") -> Iterator[int]:
        """gunicorn with our settings serving `target`; gives its port."""
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), target]
        server = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PORT": str(port)}, start_new_session=True)
        try:
            _wait_for(port)
            yield port
        finally:
            server.terminate()
            server.wait(20)

    @contextlib.contextmanager
    def working(self, copies: int) -> Iterator[None]:
        """So many real workers of the lane of incoming mail."""
        command = [sys.executable, "-m", "wsgi", "worker", "intake"]
        workers = [subprocess.Popen(command, cwd=ROOT, start_new_session=True) for _ in range(copies)]
        try:
            with self.app.app_context():
                from queues.lanes import count_workers

                until = time.monotonic() + 60
                while count_workers("intake") < copies and time.monotonic() < until:
                    time.sleep(0.1)
            yield
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait(30)


class Browser:
    """A signed-in person over one kept connection."""

    def __init__(self, port: int, place: int) -> None:
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.cookies: dict[str, str] = {}
        self.used_at = time.monotonic()
        page = self.get("/sign-in")[1]
        form = {"email": f"operator{place}@desk.example", "password": PASSWORD, "csrf_token": token_of(page)}
        status, _, _ = self.post("/sign-in", form)
        if status != 302:
            raise RuntimeError(f"operator {place} cannot sign in: {status}")
        self.token = token_of(self.get("/queues")[1])

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page."""
        status, text, _ = self._ask("GET", path)
        return status, text

    def post(self, path: str, form: dict[str, str]) -> tuple[int, str, str]:
        """Status, text and Location of what answers a form."""
        return self._ask("POST", path, urlencode(form))

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str, str]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if time.monotonic() - self.used_at > IDLE_SECONDS:
            self.connection.close()  # the server has closed it, or is about to; it is opened again by itself
        self.used_at = time.monotonic()
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer.status, text, answer.headers.get("Location") or ""


def token_of(page: str) -> str:
    """The CSRF token of a page."""
    found = CSRF.search(page)
    return (found[1] or found[2]) if found else ""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ready")
            if connection.getresponse().status < 500:
                return
        time.sleep(0.1)
    raise RuntimeError("the web server does not answer")


def _furnish() -> dict[str, int]:
    """Operators, their group, and a queue with a mailbox. Returns ids by name."""
    from helpdesk.db import db, transaction
    from helpdesk.models import Channel, Group, Project, Queue, QueueRight, User
    from helpdesk.passwords import hash_password

    encoded = hash_password(PASSWORD)
    with transaction() as session:
        project = session.query(Project).order_by(Project.id).first()
        assert project is not None
        people = [
            User(name=f"Operator {place}", email=f"operator{place}@desk.example", password_hash=encoded)
            for place in range(OPERATORS)
        ]
        group = Group(name="Measured", users=people)
        queue = Queue(project_id=project.id, name="Measured", acknowledge=False)
        session.add_all([group, queue])
        db.session.flush()
        session.add(QueueRight(group_id=group.id, queue_id=queue.id, right="work"))
        channel = Channel(
            project_id=project.id, queue_id=queue.id, kind="email", name="Measured", address="measured@desk.example",
            settings={"address": "measured@desk.example"},
        )  # fmt: skip
        session.add(channel)
        db.session.flush()
        return {"project": project.id, "queue": queue.id, "channel": channel.id, "group": group.id}
