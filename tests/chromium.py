"""Debian's Chromium for tests, started quietly."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def need_chromium() -> None:
    """Skip loudly where there is no Chromium."""
    if not CHROMIUM.exists():
        pytest.skip("missing: Chromium at /usr/bin/chromium (Debian: apt-get install chromium)")


def launch(playwright: Playwright) -> Browser:
    """A Chromium of one's own."""
    return playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
