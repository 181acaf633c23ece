"""How fast a mail reaches the screen and a reply the customer: `python -m tests.browser.measure_loop 20`."""

import statistics
import sys

from playwright.sync_api import expect, sync_playwright

from tests.browser import loop
from tests.browser.world import running
from tests.chromium import launch


def tell(name: str, seconds: list[float], aim: float) -> str:
    """One line: p50, p95 and the worst."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    median = statistics.median(ordered)
    return f"{name:39} p50 {median:5.2f} s  p95 {p95:5.2f} s  worst {ordered[-1]:5.2f} s  (aim {aim:.0f} s)"


def main() -> None:
    """Walk the loop so often, and print what it took."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright, running() as world:
        browser = launch(playwright)
        page = world.context(browser, "ann").new_page()
        page.goto("/queues")
        loop.wait_until_watched(world, page)
        loop.measured_round(world, page, 0)  # the first one warms everything up and does not count
        times = [loop.measured_round(world, page, number) for number in range(1, rounds + 1)]
        browser.close()
    print(tell("mail in Dovecot -> on the open screen", [one.arrival for one in times], 2))
    print(tell("end of undo -> at the customer's server", [one.departure for one in times], 5))


if __name__ == "__main__":
    main()
