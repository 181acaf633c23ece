"""What is logged goes to standard error from the chosen level on, and cannot fail the work that it tells of."""

import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from helpdesk import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_level_and_stream(capsys: Any) -> None:
    logs.configure("WARNING")
    structlog.get_logger("x").info("nothing to see")
    structlog.get_logger("x").warning("mail waits", channel=7)
    said = capsys.readouterr()
    assert said.out == ""
    assert "nothing" not in said.err
    assert "mail waits" in said.err and "channel=7" in said.err


def test_nobody_reads(monkeypatch: Any) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    logs.configure("INFO")
    monkeypatch.setattr(sys, "stderr", Gone())
    structlog.get_logger("x").warning("bell not rung")
