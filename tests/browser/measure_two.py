"""How soon people on one ticket see each other, and words another machine: `python -m tests.browser.measure_two 20`.

All moments are taken where the person is: from the last key (or from the page being there) until the other page has
painted what it says. A draft counts from the last key until the database has all of it; then another machine shows it.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.two import TEXT, at_ticket, ticket_of_two
from tests.browser.world import World, running
from tests.chromium import launch

SEEN = """([place, words]) => new Promise((done) => {
  const look = () => document.querySelector(place)?.textContent.includes(words) && (
    requestAnimationFrame(() => setTimeout(() => done(Date.now()))), true);
  if (look()) return;
  const watch = new MutationObserver(() => look() && watch.disconnect());
  watch.observe(document, { subtree: true, childList: true, characterData: true });
})"""


@dataclass
class Figures:
    """Seconds of each round."""

    viewing: list[float] = field(default_factory=list)
    typing: list[float] = field(default_factory=list)
    drafts: list[float] = field(default_factory=list)


def soon(page: Page, place: str, words: str, act: Callable[[], None]) -> float:
    """Seconds from the end of `act` until this page has painted these words there."""
    page.evaluate(f"([place, words]) => {{ window.__seen = ({SEEN})([place, words]) }}", [place, words])
    act()
    acted = time.time()
    return max(0.0, float(page.evaluate("() => window.__seen")) / 1000 - acted)


def one_round(world: World, browser: Browser, ticket_id: int, number: int, figures: Figures) -> None:
    """Ann is there; bob comes, both write; ann's words reach the database."""
    ann = world.context(browser, "ann").new_page()
    hands = at_ticket(ann, ticket_id)
    other = world.context(browser, "bob")
    bob = other.new_page()
    figures.viewing.append(soon(ann, "#viewers", "Bob", lambda: _open(bob, ticket_id)))
    words = f"Здравствуйте, круг {number}: "
    figures.typing.append(soon(bob, "#viewers", "Ann is writing", lambda: hands.write("З")))
    hands.press("Backspace")
    hands.write(words)
    last_key = time.time()
    query = "SELECT body FROM drafts WHERE ticket_id = %s AND user_id = %s"
    while (words,) not in world.stack.query(query, ticket_id, world.ids["ann"]):
        time.sleep(0.02)
    figures.drafts.append(time.time() - last_key)
    ann.locator(TEXT).fill("")
    expect(ann.locator("[data-draft-state=saved]")).to_be_hidden()
    other.close()
    ann.context.close()


def _open(page: Page, ticket_id: int) -> None:
    page.goto(f"/tickets/{ticket_id}", wait_until="commit")


def tell(name: str, seconds: list[float], aim: float) -> str:
    """One line: p50, p95 and the worst."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    middle = statistics.median(ordered)
    return f"{name:48} p50 {middle:5.2f} s  p95 {p95:5.2f} s  worst {ordered[-1]:5.2f} s  (aim {aim:.0f} s)"


def main() -> None:
    """So many rounds."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    expect.set_options(timeout=60_000)
    figures = Figures()
    with sync_playwright() as playwright, running() as world:
        browser = launch(playwright)
        ticket_id = ticket_of_two(world, browser, "Двое")
        one_round(world, browser, ticket_id, 0, Figures())
        for number in range(1, rounds + 1):
            one_round(world, browser, ticket_id, number, figures)
        browser.close()
    print(tell("address opened -> the other sees who views", figures.viewing, 1))
    print(tell("first key -> the other sees who types", figures.typing, 1))
    print(tell("last key -> the draft is in the database", figures.drafts, 2))


if __name__ == "__main__":
    main()
