"""Chromium for measuring: a signed-in person at a keyboard, a stopwatch inside the page, and what travelled.

The stopwatch runs in the page, from the moment at which the browser took the key (`timeStamp` of its keydown event) to
the first task after the frame in which the expected thing stood on the page: script, style, layout and paint of the
main thread are in it, the compositor's own work (a few milliseconds) is not.
"""

import base64
import contextlib
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from bench.stage import PASSWORD

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
RUSSIAN = dict(zip("qwertyuiopasdfghjklzxcvbnm", "йцукенгшщзфывапролдячсмить", strict=True))
NAMED_KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowUp": 38, "ArrowDown": 40}
PATIENCE = 20_000  # ms
WORK = {"ScriptDuration": "script", "RecalcStyleDuration": "style", "LayoutDuration": "layout"}

STOPWATCH = (Path(__file__).parent / "stopwatch.js").read_text(encoding="utf-8")


@dataclass
class Act:
    """One act that was measured, in milliseconds, and of what it consists.

    `parts` are stretches of time one after another; `work` is what the page's main thread did meanwhile.
    """

    ms: float
    paint: float
    focused: bool
    parts: dict[str, Any] = field(default_factory=dict)
    work: dict[str, float] = field(default_factory=dict)


class Typist:
    """A person at a page. `layout` is latin or russian: the key of a Latin letter gives what that layout has there."""

    def __init__(self, page: Page, layout: str = "latin") -> None:
        self.page, self.layout = page, layout
        self.devtools = page.context.new_cdp_session(page)
        self.devtools.send("Performance.enable")

    def press(self, key: str, shift: bool = False) -> None:
        """Press and release a physical key: a Latin letter, or a name such as Enter."""
        pressed: dict[str, Any] = {"modifiers": 8 if shift else 0}
        if key in NAMED_KEYS:
            text = "\r" if key == "Enter" else ""
            pressed |= {"code": key, "key": key, "windowsVirtualKeyCode": NAMED_KEYS[key]}
        else:
            shown = RUSSIAN[key] if self.layout == "russian" else key
            text = shown.upper() if shift else shown
            pressed |= {"code": f"Key{key.upper()}", "key": text, "windowsVirtualKeyCode": ord(key.upper())}
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        self.devtools.send("Input.dispatchKeyEvent", {**down, **pressed})
        self.devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", **pressed})

    def measure(self, key: str, kind: str, value: str, shift: bool = False) -> Act:
        """Press a key and wait until the page shows what is expected: see `there` in the stopwatch."""
        self.page.evaluate("([kind, value]) => window.__expect(kind, value)", [kind, value])
        before = self._work()
        self.press(key, shift)
        self.page.wait_for_function("() => window.__measured", timeout=PATIENCE)
        told = self.page.evaluate("() => window.__measured")
        work = {name: spent - before[name] for name, spent in self._work().items()}
        return Act(told["ms"], told["paint"], told["focused"], told["parts"] or {}, work)

    def _work(self) -> dict[str, float]:
        """Milliseconds that the main thread has spent so far, by kind of work."""
        told = self.devtools.send("Performance.getMetrics")["metrics"]
        return {WORK[one["name"]]: one["value"] * 1000 for one in told if one["name"] in WORK}


@contextlib.contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium, started quietly."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    try:
        yield browser
    finally:
        browser.close()


def signed_in(browser: Browser, port: int, place: int, **options: Any) -> BrowserContext:
    """A browser window of one operator of the stage, with the stopwatch on each of its pages."""
    given = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", "reduced_motion": "reduce"} | options
    context = browser.new_context(base_url=f"http://127.0.0.1:{port}", **given)
    context.set_default_timeout(PATIENCE)
    context.add_init_script(STOPWATCH)
    page = context.new_page()
    page.goto("/sign-in")
    page.locator("[name=email]").fill(f"operator{place}@desk.example")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("form button[type=submit]").first.click()
    page.locator("body.desk").wait_for()
    page.close()
    return context


@dataclass
class Travelled:
    """What a first visit moved, in kilobytes: bodies packed with gzip by kind and by name, and the heads of answers."""

    packed: dict[str, float]
    files: dict[str, float]
    heads: float

    @property
    def kilobytes(self) -> float:
        """All of it, with the heads: HTTP/1.1 sends them as they are."""
        return sum(self.packed.values()) + self.heads


def first_load(context: BrowserContext, path: str) -> Travelled:
    """Open a page with an empty cache, wait until nothing more comes, and weigh everything but the event stream."""
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
    answers: dict[str, tuple[str, str, bool, float]] = {}
    sizes: dict[str, float] = {}

    def answered(event: dict[str, Any]) -> None:
        answer = event["response"]
        packed = "content-encoding" in {name.lower() for name in answer["headers"]}
        name = answer["url"].partition("?")[0].rpartition("/static/")[2]
        answers[event["requestId"]] = (event["type"], name, packed, answer["encodedDataLength"])

    devtools.on("Network.responseReceived", answered)
    devtools.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    page.goto(path, wait_until="load")
    page.wait_for_timeout(1500)
    found = Travelled({}, {}, 0.0)
    for key in sizes.keys() & answers.keys():
        kind, name, packed, head = answers[key]
        size = (sizes[key] - head if packed else _packed(devtools, key)) / 1000
        found.packed[kind] = found.packed.get(kind, 0) + size
        found.files[name] = size
        found.heads += head / 1000
    page.close()
    return found


def _packed(devtools: Any, request_id: str) -> int:
    told = devtools.send("Network.getResponseBody", {"requestId": request_id})
    body = base64.b64decode(told["body"]) if told["base64Encoded"] else told["body"].encode()
    return len(gzip.compress(body, 6))
