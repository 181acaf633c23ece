"""One running helpdesk and one Chromium for all tests of this folder; each test has windows of its own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.world import World, running
from tests.chromium import launch, need_chromium

PATIENCE_MS = 60_000  # before a hanging test is given up; nothing is measured against it
expect.set_options(timeout=PATIENCE_MS)

Window = Callable[..., BrowserContext]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives Chromium, and the first test waits for the whole program to start."""
    for item in items:
        if "/tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)
            # By a thread: a signal does not get through to a test that waits inside Playwright.
            item.add_marker(pytest.mark.timeout(300, method="thread"))


# Of the package, not of the session: Playwright keeps this thread's event loop busy until it ends.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium."""
    need_chromium()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def world(browser: Browser) -> Iterator[World]:
    """The helpdesk and its surroundings."""
    with running() as world:
        yield world


@pytest.fixture
def window(world: World, browser: Browser) -> Iterator[Window]:
    """`window("ann")` is a browser of hers, signed in; closed after the test."""
    opened: list[BrowserContext] = []

    def open_window(name: str, **options: Any) -> BrowserContext:
        context = world.context(browser, name, **options)
        context.set_default_timeout(PATIENCE_MS)
        opened.append(context)
        return context

    yield open_window
    for context in opened:
        context.close()


@pytest.fixture
def ann(window: Window) -> Page:
    """A page of ann's."""
    return window("ann").new_page()


@pytest.fixture
def clear_line(world: World) -> Iterator[None]:
    """Nobody waits and nobody has anything, before and after."""

    def clear() -> None:
        world.stack.query(
            "UPDATE tickets SET owner_id = NULL, kind = 'finished', state = 'solved', occupies = NULL,"
            " finished_at = now() WHERE kind <> 'finished' RETURNING id"
        )

    clear()
    yield
    clear()
