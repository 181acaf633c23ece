"""A customer's mail on an operator's screen, and the operator's answer in the customer's mailbox."""

import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser import loop
from tests.browser.world import World


@pytest.mark.dovecot
def test_a_mail_comes_in_and_is_answered_and_finished_by_keyboard(world: World, ann: Page, clear_line: None) -> None:
    if world.dovecot is None:
        pytest.skip("missing: Dovecot (Debian: apt-get install dovecot-imapd dovecot-lmtpd)")
    subject, first = "Не приходит код", "<first@customer.example>"
    ann.goto(f"/queues/{world.ids['Care']}")
    loop.wait_until_watched(world, ann)
    came = loop.arrival(world, ann, subject, "Здравствуйте! Жду код уже час.", first)
    print(f"\nDovecot to the open screen: {came:.2f} s")

    loop.take_next(ann, subject)
    loop.send(ann, "Добрый день! Отправили код ещё раз.")
    loop.take_back(ann, "Добрый день! Отправили код ещё раз.")
    loop.send_what_is_written(ann, "Отправили код ещё раз.")
    may_leave = loop.undo_ends(ann)
    loop.wait_until(lambda: loop.left_with(world, "Отправили код ещё раз."), 60, "the reply reaches the customer")
    reply = loop.left_with(world, "Отправили код ещё раз.")[0]
    print(f"end of undo to the customer's server: {time.time() - may_leave:.2f} s")
    assert reply.recipients == [loop.CUSTOMER]
    assert reply.mail["In-Reply-To"] == first
    assert reply.mail["References"].split()[-1] == first
    assert "Отправили код ещё раз." in reply.mail.get_body(("plain",)).get_content()
    expect(ann.locator(".said-reply").last.locator(".delivery")).to_contain_text("Sent")

    answered = loop.answer_of(reply.mail)
    loop.drop_in(world, f"Re: {subject}", "Теперь пришёл, спасибо!", Message_ID="<second@customer.example>", **answered)
    expect(ann.locator(".said-inbound", has_text="Теперь пришёл")).to_be_visible()
    assert len(loop.left_with(world, "Отправили код ещё раз.")) == 1, "what was taken back has left all the same"

    ann.keyboard.press("Escape")
    ann.keyboard.press("e")
    expect(ann.get_by_label("Solved", exact=True)).to_be_focused()
    ann.keyboard.press("Enter")
    expect(ann.locator(".flashes")).to_contain_text("is finished")

    ann.goto(f"/tickets/{world.ticket_of(subject)}")
    expect(ann.locator(".ticket-sub")).to_contain_text("Solved")
    loop.drop_in(world, f"Re: {subject}", "Опять не пришёл код", Message_ID="<third@customer.example>", **answered)
    expect(ann.locator(".said-inbound", has_text="Опять не пришёл")).to_be_visible()
    expect(ann.locator(".ticket-sub")).to_contain_text("Open")
    assert ann.locator(".said-inbound").count() == 3
