"""Two people, or one person at two machines, on one ticket: what tests and the measuring program share."""

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from playwright.sync_api import Browser, Page, expect

from tests.browser.keyboard import Keyboard
from tests.browser.world import World
from tests.chromium import CHROMIUM, FLAGS
from tests.dovecot import letter

TEXT = "#composer textarea.composer-text"


class Machine:
    """A browser of its own, which can be killed."""

    def __init__(self, browser: Browser, process: psutil.Process) -> None:
        self.browser, self.process = browser, process

    def kill(self) -> None:
        """As if somebody pulled the plug: the browser and all its processes, with no time for a last word."""
        for one in [*self.process.children(recursive=True), self.process]:
            os.kill(one.pid, signal.SIGKILL)
        self.process.wait(30)


@contextmanager
def machine(like: Browser) -> Iterator[Machine]:
    """Another Chromium beside `like`, gone afterwards."""
    mark = f"--helpdesk-machine={uuid.uuid4()}"
    browser = like.browser_type.launch(executable_path=str(CHROMIUM), args=[*FLAGS, mark])
    found = [one for one in psutil.Process().children(recursive=True) if _is_main(one, mark)]
    try:
        yield Machine(browser, found[0])
    finally:
        browser.close()


def _is_main(process: psutil.Process, mark: str) -> bool:
    try:
        command = process.cmdline()
    except psutil.Error:
        return False
    return mark in command and not any(part.startswith("--type=") for part in command)


def ticket_of_two(world: World, browser: Browser, title: str) -> int:
    """A ticket that ann has and in which bob takes part."""
    for name in ("ann", "bob"):
        world.sign_in(browser, name)  # who never was here gives back what they have
    world.hand_over(letter(title, "Где мой заказ?", Message_ID=f"<two-{uuid.uuid4()}@customer.example>"))
    ticket_id = world.ticket_of(title)
    world.stack.query(
        "UPDATE tickets SET owner_id = %s, state = 'open' WHERE id = %s RETURNING id", world.ids["ann"], ticket_id
    )
    world.stack.query(
        "INSERT INTO ticket_people (ticket_id, user_id) VALUES (%s, %s) RETURNING user_id", ticket_id, world.ids["bob"]
    )
    return ticket_id


def at_ticket(page: Page, ticket_id: int) -> Keyboard:
    """The ticket open, the caret in the reply."""
    page.goto(f"/tickets/{ticket_id}")
    expect(page.locator("#thread [data-message]").first).to_be_visible()
    expect(page.locator("[data-key][aria-keyshortcuts]").first).to_be_attached()
    hands = Keyboard(page, "latin")
    hands.press("r")
    expect(page.locator(TEXT)).to_be_focused()
    return hands
