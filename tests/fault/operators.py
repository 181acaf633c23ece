"""Operators who answer through the web, sign in for real, and try again like people when a page does not come."""

import re
import threading
import time
import uuid

import httpx

from tests.fault.intents import Intents, ReplyIntent

CSRF = re.compile(r'name="csrf-token" content="([^"]+)"|name="csrf_token"[^>]*value="([^"]+)"')
SEEN = re.compile(r'name="seen" value="(\d+)"')
PATIENCE = 150.0  # seconds of trying before an operator gives up on one act


class GaveUp(Exception):
    """The web did not do for too long what an operator wanted."""


class Operator(threading.Thread):
    """Takes tickets and writes one reply on each until `wanted` replies of this operator are confirmed."""

    def __init__(self, url: str, name: str, password: str, queue_id: int, wanted: int, seed: int, intents: Intents):
        super().__init__(name=f"operator-{name}", daemon=True)
        self.who = name
        self.password = password
        self.queue_id = queue_id
        self.wanted = wanted
        self.seed = seed
        self.intents = intents
        self.stop = threading.Event()
        self.token = ""
        self.browser = httpx.Client(base_url=url, timeout=20, follow_redirects=False, trust_env=False)

    def run(self) -> None:
        """Work until done, told to stop, or out of patience."""
        try:
            self.sign_in()
            done = 0
            while done < self.wanted and not self.stop.is_set():
                ticket_id = self.claim()
                if ticket_id is None:
                    self.stop.wait(0.4)
                    continue
                self.answer(ticket_id, f"reply-{self.seed}-{self.who}-{done}")
                done += 1
        except GaveUp as error:
            self.intents.fault(f"{self.who} gave up: {error}")
        finally:
            self.browser.close()

    def sign_in(self) -> None:
        """Open the page, send the form, and take the token of the first page that shows."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not self.stop.is_set():
            page = self.ask("GET", "/sign-in")
            if page is not None and page.status_code == 200:
                form = {"email": f"{self.who}@desk.example", "password": self.password, "csrf_token": token_of(page)}
                self.ask("POST", "/sign-in", data=form)
            page = self.ask("GET", f"/queues/{self.queue_id}")
            if page is not None and page.status_code == 200:
                self.token = token_of(page)
                return
            time.sleep(0.5)
        raise GaveUp("cannot sign in")

    def claim(self) -> int | None:
        """Take the next ticket; None when nobody waits. The key makes it one act however often it is asked."""
        form = {"key": uuid.uuid4().hex}
        page = self.insist(f"/queues/{self.queue_id}/claims", form)
        found = re.fullmatch(r"(?:https?://[^/]+)?/tickets/(\d+)", page.headers.get("location", ""))
        if found is None:
            return None
        self.intents.claim(int(found[1]), self.who)
        return int(found[1])

    def answer(self, ticket_id: int, marker: str) -> None:
        """Write one reply. Where no answer came, look at the ticket whether it is there before writing it again."""
        intent = ReplyIntent(marker, ticket_id, self.who)
        self.intents.reply(intent)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            page = self.ask("GET", f"/tickets/{ticket_id}")
            if page is None or page.status_code != 200:
                time.sleep(0.4)
                continue
            if marker in page.text:
                self.intents.confirm(intent)
                return
            seen = SEEN.search(page.text)
            intent.tries += 1
            form = {"body": f"Добрый день! Мы всё проверили.\n\n{marker}\n", "seen": seen[1] if seen else ""}
            sent = self.ask("POST", f"/tickets/{ticket_id}/replies", data={"csrf_token": self.token, **form})
            if sent is not None and sent.status_code == 303:
                self.intents.confirm(intent)
                return
            if sent is not None and sent.status_code == 422:
                self.intents.fault(f"reply refused on ticket {ticket_id}: {words_of(sent)}")
            time.sleep(0.4)
        raise GaveUp(f"reply on ticket {ticket_id} could not be written")

    def insist(self, path: str, form: dict[str, str]) -> httpx.Response:
        """Send a form until the web redirects."""
        until = time.monotonic() + PATIENCE
        last = "no answer"
        while time.monotonic() < until and not self.stop.is_set():
            page = self.ask("POST", path, data={"csrf_token": self.token, **form})
            if page is not None and page.status_code == 303:
                return page
            last = "no answer" if page is None else f"{page.status_code} {words_of(page)}"
            time.sleep(0.4)
        raise GaveUp(f"{path}: {last}")

    def ask(self, method: str, path: str, data: dict[str, str] | None = None) -> httpx.Response | None:
        """One request; None when the connection broke. A page that shows a fault of ours is written down."""
        try:
            page = self.browser.request(method, path, data=data)
        except httpx.TransportError:
            self.intents.answer(0)
            return None
        self.intents.answer(page.status_code)
        if page.status_code == 500:
            self.intents.fault(f"{method} {path} answered 500: {words_of(page)}")
        return page


def token_of(page: httpx.Response) -> str:
    """The CSRF token of a page."""
    found = CSRF.search(page.text)
    return (found[1] or found[2]) if found else ""


def words_of(page: httpx.Response) -> str:
    """What a page says, without its markup, shortened."""
    text = re.sub(r"<(script|style|svg|head)\b.*?</\1>", " ", page.text, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())[:300]
