"""Pictures of the workspace for people to look at: `python -m tests.browser.pictures FOLDER`.

In each language, light and dark, wide and on a phone: a queue, an open ticket, and the sheet of keys.
"""

import sys
from itertools import product
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser.two import at_ticket, ticket_of_two
from tests.browser.world import running
from tests.chromium import launch

LANGUAGES, THEMES = ("en", "ru", "uk"), ("light", "dark")
SIZES = {"1440": {"width": 1440, "height": 900}, "390": {"width": 390, "height": 844}}


def main() -> None:
    """Take them all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright, running() as world:
        browser = launch(playwright)
        ticket_id = ticket_of_two(world, browser, "Не приходит код подтверждения")
        ticket_of_two(world, browser, "Возврат денег за доставку")
        paths = {"queue": f"/queues/{world.ids['Care']}", "ticket": f"/tickets/{ticket_id}", "queues": "/queues"}
        for language, theme, width in product(LANGUAGES, THEMES, SIZES):
            columns = "UPDATE users SET language = %s, theme = %s WHERE email LIKE 'ann@%%' RETURNING id"
            world.stack.query(columns, language, theme)
            page = world.context(browser, "ann", viewport=SIZES[width]).new_page()
            for name, path in paths.items():
                page.goto(path)
                page.wait_for_timeout(700)
                page.screenshot(path=folder / f"{name}-{language}-{theme}-{width}.png")
            if width == "1440":
                at_ticket(page, ticket_id).press("Escape")
                page.keyboard.press("Shift+?")
                expect(page.locator("#keys-dialog")).to_be_visible()
                page.screenshot(path=folder / f"keys-{language}-{theme}-{width}.png")
            page.context.close()
        browser.close()
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


if __name__ == "__main__":
    main()
