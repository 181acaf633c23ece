"""PostgreSQL at hand for a command of the terminal: whichever serves this data folder, and its own tools.

Imports neither Flask nor SQLAlchemy: a restore works where the application cannot start yet.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from helpdesk.config import load, settings
from helpdesk.embedded import Engines
from helpdesk.engine_home import make_folder
from helpdesk.errors import StartError
from helpdesk.supervisor import locked


@dataclass(frozen=True)
class Server:
    """A database that serves, and where the tools of PostgreSQL are. `url` is SQLAlchemy's."""

    url: str
    binaries: Path | None

    @property
    def address(self) -> str:
        """The same as libpq takes it."""
        return self.url.replace("+psycopg", "", 1)

    def connect(self, **options: Any) -> "psycopg.Connection[Any]":
        """A connection of our own. Raises StartError in one sentence when the database is away."""
        try:
            return psycopg.connect(self.address, connect_timeout=10, **options)
        except psycopg.OperationalError as error:
            raise StartError(f"The database cannot be used: {' '.join(str(error).split())}") from error

    def tool(self, name: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """Command and environment of a tool such as pg_dump, connected with this database.

        A password goes through the environment: everybody on the machine can read a command line.
        """
        parts = conninfo_to_dict(self.address)
        password = parts.pop("password", None)
        environment = dict(os.environ)
        if self.binaries is not None and not settings().database_url:
            environment = {key: value for key, value in environment.items() if not key.startswith("PG")}
        environment |= {"LC_ALL": "C"} | ({"PGPASSWORD": str(password)} if password else {})
        return [find_tool(name, self.binaries), f"--dbname={make_conninfo('', **parts)}", *arguments], environment


def find_tool(name: str, binaries: Path | None) -> str:
    """Path of a tool: of the engine that we bring, else of the system. Raises StartError when neither has it."""
    if binaries is not None and (binaries / name).exists():
        return str(binaries / name)
    found = shutil.which(name)
    if found is None:
        raise StartError(f"The program {name} is missing. Install PostgreSQL's client programs, version 18 or later.")
    return found


@contextmanager
def server_at_hand(alone: bool = False) -> Iterator[Server]:
    """The database of this installation: DATABASE_URL, else the embedded one, started meanwhile if it does not run.

    `alone`: no helpdesk may run on this data folder. Sets DATABASE_URL for what is called in this process.
    Raises StartError in one sentence.
    """
    config = load()
    make_folder(config.data)
    engines = Engines(config.data, sole=True)
    with ExitStack() as stack:
        if config.database_url:
            if alone:
                stack.enter_context(locked(config.data))
            yield Server(config.database_url, _wheel_binaries(engines))
            return
        if alone or not _serves(engines):
            stack.enter_context(locked(config.data))
            stack.callback(engines.stop)
            engines.start_postgres()
        os.environ["DATABASE_URL"] = engines.database_url
        settings.cache_clear()
        try:
            yield Server(engines.database_url, engines.home.binaries)
        finally:
            del os.environ["DATABASE_URL"]
            settings.cache_clear()


def _wheel_binaries(engines: Engines) -> Path | None:
    try:
        return engines.home.binaries
    except StartError:  # no engine for this system: then the system's own tools do
        return None


def _serves(engines: Engines) -> bool:
    try:
        psycopg.connect(engines.database_url.replace("+psycopg", "", 1), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def last_line(text: bytes | str) -> str:
    """What a tool said in the end."""
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
