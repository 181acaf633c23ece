"""Commands from a shell find the helpdesk that runs in the data folder by themselves."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from helpdesk.config import settings
from helpdesk.embedded import Engines, join_running
from helpdesk.errors import StartError


@pytest.fixture
def shell(monkeypatch):
    """A shell whose environment names nothing but the data folder, which other accounts can enter."""
    folder = Path(tempfile.mkdtemp(prefix="hd-", dir="/tmp"))
    folder.chmod(0o711)
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("HELPDESK_DATA", str(folder))
    settings.cache_clear()
    yield folder
    settings.cache_clear()
    shutil.rmtree(folder)


def test_engines_that_run_are_joined(shell):
    cluster = Engines(shell).cluster
    cluster.mkdir()
    (cluster / "postmaster.pid").write_text("1\n\n\n\n\n\n\nready\n")
    join_running()
    assert settings().database_url.startswith("postgresql")
    assert not settings().redis_url, "no Valkey has its socket there"


def test_what_does_not_run_is_said_in_a_sentence(shell, monkeypatch):
    with pytest.raises(StartError, match="does not run on"):
        join_running()
    monkeypatch.setenv("HELPDESK_DATA", str(shell / "missing"))
    settings.cache_clear()
    with pytest.raises(StartError, match="There is no folder"):
        join_running()
    assert not (shell / "missing").exists()


def test_what_the_environment_names_is_left_alone(shell, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/helpdesk")
    monkeypatch.setenv("REDIS_URL", "redis://cache.example/0")
    settings.cache_clear()
    join_running()
    assert os.environ["DATABASE_URL"] == "postgresql://db.example/helpdesk"
