"""Real engines for all tests: one PostgreSQL and one Valkey per run (per xdist worker), a migrated database, a cast.

`db_session` tests run inside an outer transaction that is rolled back, so code under test may commit. Tests with
several connections (races, processes) take `committed`, a database of their own that is emptied afterwards.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRATCH = Path(tempfile.mkdtemp(prefix="hd-"))
os.environ.setdefault("UNDO_SECONDS", "0")
os.environ["HELPDESK_DATA"] = str(SCRATCH / "data")


def _start_engines() -> Iterator[None]:
    from helpdesk.embedded import Engines

    engines = Engines(SCRATCH / "data", fsync=False)
    try:
        if not os.environ.get("DATABASE_URL"):
            os.environ["DATABASE_URL"] = engines.start_postgres()
        if not os.environ.get("REDIS_URL"):
            os.environ["REDIS_URL"] = engines.start_valkey()
        yield
    finally:
        engines.stop()
        shutil.rmtree(SCRATCH, ignore_errors=True)


@pytest.fixture(scope="session")
def engines() -> Iterator[None]:
    """PostgreSQL and Valkey for this run; external ones when DATABASE_URL and REDIS_URL name them."""
    yield from _start_engines()
