"""Real engines for all tests: one PostgreSQL and one Valkey per worker process, a migrated database, and a cast.

A test that takes `session` runs inside an outer transaction that is rolled back, so code under test may commit.
A test with several connections (races, processes) takes `committed`: everything it wrote is emptied afterwards.
"""

import gc
import os
import shutil
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

SCRATCH = Path(tempfile.mkdtemp(prefix="hd-", dir="/tmp"))
SCRATCH.chmod(0o711)  # as root the engines run as another account, which must be able to pass through
os.environ["HELPDESK_DATA"] = str(SCRATCH / "data")
os.environ["UNDO_SECONDS"] = "0"
os.environ.pop("BASE_URL", None)
# Hundreds of processes start here, and each would compile the whole program anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.fixture(scope="session")
def engines() -> Iterator[None]:
    """PostgreSQL and Valkey of this run; with DATABASE_URL a fresh database on that server, which is dropped after."""
    from helpdesk.config import settings
    from helpdesk.embedded import Engines

    own = Engines(SCRATCH / "data", fsync=False)
    outside = os.environ.get("DATABASE_URL", "")
    name = f"helpdesk_test_{uuid.uuid4().hex[:12]}"
    try:
        if outside:
            _on_server(outside, f'CREATE DATABASE "{name}"')
            os.environ["DATABASE_URL"] = str(sa.make_url(outside).set(database=name).render_as_string(False))
        else:
            os.environ["DATABASE_URL"] = own.start_postgres()
        if not os.environ.get("REDIS_URL"):
            os.environ["REDIS_URL"] = own.start_valkey()
        settings.cache_clear()
        yield
    finally:
        if outside:
            _on_server(outside, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        own.stop()
        shutil.rmtree(SCRATCH, ignore_errors=True)


def _on_server(url: str, statement: str) -> None:
    driver = url.replace("postgresql://", "postgresql+psycopg://").replace("postgres://", "postgresql+psycopg://")
    engine = sa.create_engine(driver, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


@pytest.fixture(scope="session")
def app(engines: None) -> Any:
    """The whole application on a migrated database."""
    from helpdesk.cli import migrate_database
    from helpdesk.views import shared_pages
    from wsgi import create_app

    shared_pages.KEEP_SECONDS = -1.0  # what a test wrote must be on the next page, whether or not it was committed
    app = create_app()
    app.config["TESTING"] = True
    with app.app_context():
        migrate_database()
    # What is loaded by now stays; looking through it again and again for garbage is a tenth of the time of all tests.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    return app


class OwnThread(dict[str | None, Any]):
    """The engines of a test: the connection for its own thread alone. Another, of an earlier test or of the program,
    would use it in the midst of a statement, and its savepoints would end those of the test.
    """

    def __init__(self, engines: Mapping[str | None, Any], connection: sa.Connection) -> None:
        super().__init__(engines)
        self.connection = connection
        self.thread = threading.get_ident()

    def __getitem__(self, key: str | None) -> Any:
        return self.connection if threading.get_ident() == self.thread else super().__getitem__(key)


@pytest.fixture
def session(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A database session in a transaction that is rolled back after the test.

    Event streams end at once: nobody else could see what they shall tell of.
    """
    from helpdesk.db import db

    monkeypatch.setattr("helpdesk.live_hub.events", lambda *_: iter(()))
    with app.app_context():
        connection = db.engine.connect()
        transaction = connection.begin()
        monkeypatch.setitem(db._app_engines, app, OwnThread(db.engines, connection))
        db.session.configure(join_transaction_mode="create_savepoint")
        try:
            yield db.session
        finally:
            db.session.remove()
            transaction.rollback()
            connection.close()
            db.session.configure(join_transaction_mode="conditional_savepoint")


@pytest.fixture
def committed(app: Any) -> Iterator[Any]:
    """A session that really commits; all tables are emptied afterwards."""
    from helpdesk.db import db

    with app.app_context():
        try:
            yield db.session
        finally:
            db.session.rollback()
            db.session.remove()
            empty_database()


def empty_database() -> None:
    """Empty every table and put the default project back, as a fresh installation has it."""
    from helpdesk.config import settings
    from helpdesk.db import Base, db
    from helpdesk.files import STORE_ID, Store
    from helpdesk.models import Setting

    tables = [table.name for table in Base.metadata.sorted_tables]
    with db.engine.begin() as connection:
        if connection.scalar(sa.text("SELECT current_setting('is_superuser')")) == "on":
            _delete_rows(connection, tables)
        else:
            names = ", ".join(f'"{name}"' for name in tables)
            connection.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
        connection.execute(sa.text("INSERT INTO projects (name) VALUES ('Main')"))
        if (store_id := Store(settings().data / "files").read_id()) is not None:
            connection.execute(sa.insert(Setting).values(key=STORE_ID, value=store_id))


def _delete_rows(connection: Any, tables: list[str]) -> None:
    """As TRUNCATE does it, in a tenth of the time: most tables are empty. Keys between tables are not looked at."""
    asked = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in tables)
    connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
    for name in connection.exec_driver_sql(asked).scalars().all():
        connection.exec_driver_sql(f'DELETE FROM "{name}"')
    again = "SELECT setval(quote_ident(sequencename)::regclass, start_value, false) FROM pg_sequences"
    connection.exec_driver_sql(f"{again} WHERE last_value IS NOT NULL AND schemaname = current_schema()")


@pytest.fixture
def move_clock() -> Iterator[Callable[[str], None]]:
    """Move the one clock of this session's connection: `move_clock('3 days')`."""
    from helpdesk.db import db

    def move(interval: str) -> None:
        db.session.execute(sa.text("SELECT set_config('helpdesk.clock_offset', :by, false)"), {"by": interval})

    yield move
    move("0")


@pytest.fixture
def make(session: Any) -> Any:
    """Factories on the rolled-back session."""
    from tests.factories import Factories

    return Factories(session)


@pytest.fixture
def make_committed(committed: Any) -> Any:
    """Factories on the committing session."""
    from tests.factories import Factories

    return Factories(committed)


@pytest.fixture
def cast(make: Any) -> Any:
    """ann and bob (operators of Support), carl (operator of Billing), sue (supervisor), dora (administrator), eve."""
    return make.cast()
