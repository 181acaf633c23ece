"""The whole loop of a mail, walked by keyboard: it comes in, is taken, answered, answered again, and finished."""

import time
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from playwright.sync_api import Page, expect

from tests.browser.furnish import MAILBOX
from tests.browser.world import World
from tests.dovecot import letter, wait_until
from tests.smtp_server import Received

CUSTOMER = "eve@customer.example"


@dataclass
class Times:
    """Seconds from Dovecot to the open screen, and from the end of the undo time to the customer's server."""

    arrival: float
    departure: float


def drop_in(world: World, subject: str, body: str, **headers: str) -> float:
    """Put a mail into the mailbox; gives the moment at which Dovecot had it."""
    assert world.dovecot is not None
    mail = letter(subject, body, To=MAILBOX, **headers)
    world.dovecot.deliver(MAILBOX, mail)
    return time.time()


def wait_until_watched(world: World, page: Page) -> None:
    """Until the mailbox is held, and the page hears what changes."""
    assert world.dovecot is not None

    def in_idle() -> bool:
        rows = world.stack.query("SELECT last_contact_at FROM channels WHERE id = %s", world.ids["mailbox"])
        return rows[0][0] is not None

    wait_until(in_idle, 60, "the mailbox is held")
    with page.expect_response(lambda response: "/live?" in response.url):
        page.reload()


def arrival(world: World, page: Page, subject: str, body: str, header_id: str) -> float:
    """A new mail appears in the list that is open on the page. Gives the seconds that this took."""
    landed = drop_in(world, subject, body, Message_ID=header_id)
    expect(page.locator(".row-item", has_text=subject)).to_be_visible()
    return time.time() - landed


def take_next(page: Page, subject: str) -> None:
    """Take the oldest ticket by keyboard."""
    page.keyboard.press("n")
    expect(page.locator(".ticket-bar h1")).to_have_text(subject)
    expect(page.locator("#composer textarea")).to_be_focused()
    page.keyboard.press("Escape")
    keys_work(page)


def keys_work(page: Page) -> None:
    """Until the page that is shown listens to keys."""
    expect(page.locator("[data-key][aria-keyshortcuts]").first).to_be_attached()


def send(page: Page, text: str) -> None:
    """Write a reply and send it, by keyboard."""
    page.keyboard.press("r")
    expect(page.locator("#composer textarea")).to_be_focused()
    page.keyboard.type(text)
    send_what_is_written(page, text)


def send_what_is_written(page: Page, text: str) -> None:
    """Send by keyboard, and see it in the conversation, waiting to leave."""
    page.keyboard.press("Control+Enter")
    reply = page.locator(".said-reply", has_text=text).last
    expect(reply.locator(".delivery")).to_contain_text("Waiting to be sent")
    expect(page.locator("#composer textarea")).to_have_value("")


def take_back(page: Page, text: str) -> None:
    """Take the last reply back by keyboard; its text stands in the composer again."""
    page.locator(".said-reply").last.get_by_role("button", name="Take back").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#composer textarea")).to_have_value(text)
    expect(page.locator("#composer textarea")).to_be_focused()
    expect(page.locator(".said-reply").last.locator(".delivery")).to_contain_text("Taken back")


def undo_ends(page: Page) -> float:
    """When the last reply may leave, as its countdown says."""
    told = page.locator(".said-reply").last.locator("[data-countdown]").get_attribute("data-countdown")
    assert told is not None
    return datetime.fromisoformat(told).timestamp()


def delivered(world: World, count: int) -> Received:
    """The reply at the customer's server, once there are so many."""
    wait_until(lambda: len(world.smtp.received) >= count, 60, "the reply reaches the customer")
    return world.smtp.received[count - 1]


def left_with(world: World, words: str) -> list[Received]:
    """The mails that reached the outgoing server with these words; other tests' mails leave at the same time."""
    return [mail for mail in world.smtp.received if words in mail.mail.get_body(("plain",)).get_content()]


def answer_of(mail: EmailMessage) -> dict[str, str]:
    """The headers of an answer to this mail, as mail programs write them."""
    header_id = str(mail["Message-ID"])
    references = f"{mail['References'] or ''} {header_id}".strip()
    return {"In_Reply_To": header_id, "References": " ".join(references.split())}


def measured_round(world: World, page: Page, number: int) -> Times:
    """A mail comes, is taken and answered; how long it took both ways. Begins and ends on the queue's page."""
    queue = f"/queues/{world.ids['Care']}"
    with page.expect_response(lambda response: "/live?" in response.url):
        page.goto(queue)
    came = arrival(world, page, f"Вопрос {number}", "Где мой заказ?", f"<round-{number}@customer.example>")
    take_next(page, f"Вопрос {number}")
    before = len(world.smtp.received)
    send(page, f"Ответ {number}")
    may_leave = undo_ends(page)
    delivered(world, before + 1)
    return Times(came, time.time() - may_leave)
