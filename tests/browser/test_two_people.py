"""A killed browser loses no word, and two who answer at once do not both reach the customer unawares."""

from playwright.sync_api import Browser, expect

from tests.browser.conftest import PATIENCE_MS, Window
from tests.browser.two import TEXT, at_ticket, machine, ticket_of_two
from tests.browser.world import World
from tests.dovecot import wait_until

HALF = "Здравствуйте! Ваш заказ уже в пути, он"


def test_half_a_reply_survives_a_killed_browser(
    world: World, browser: Browser, window: Window, clear_line: None
) -> None:
    ticket_id = ticket_of_two(world, browser, "Выдернули вилку")
    with machine(browser) as doomed:
        context = world.context(doomed.browser, "ann")
        context.set_default_timeout(PATIENCE_MS)
        at_ticket(context.new_page(), ticket_id).write(HALF)
        query = "SELECT body FROM drafts WHERE ticket_id = %s AND user_id = %s"
        wait_until(lambda: world.stack.query(query, ticket_id, world.ids["ann"]) == [(HALF,)])
        doomed.kill()

    page = window("ann").new_page()  # another machine: it shares nothing with the first but the person
    page.goto("/queues")
    row = page.locator(".row-item", has_text="Выдернули вилку")
    expect(row).to_contain_text("Draft")
    row.locator(".row-link").press("Enter")
    expect(page.locator(TEXT)).to_have_value(HALF)
    page.locator(TEXT).press("Control+End")
    page.keyboard.type(" будет у вас завтра.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".said-reply")).to_contain_text(f"{HALF} будет у вас завтра.")


def test_the_second_answer_is_held_back_with_the_difference(
    world: World, browser: Browser, window: Window, clear_line: None
) -> None:
    ticket_id = ticket_of_two(world, browser, "Двое за одним столом")
    ann, bob = window("ann").new_page(), window("bob").new_page()
    hands, others = at_ticket(ann, ticket_id), at_ticket(bob, ticket_id)
    hands.write("Добрый день! Заказ приедет завтра утром.")
    others.write("Добрый день! Заказ приедет в пятницу вечером.")
    expect(ann.locator("#viewers")).to_contain_text("Bob")
    expect(bob.locator("#viewers")).to_contain_text("Ann")

    hands.press("Ctrl+Enter")
    expect(ann.locator(".said-reply")).to_have_count(1)
    others.press("Ctrl+Enter")
    guard = bob.locator("[data-guard]")
    expect(guard).to_be_visible()
    expect(guard.locator("del").filter(has_text="завтра")).to_be_visible()
    expect(guard.locator("ins").filter(has_text="пятницу")).to_be_visible()
    expect(bob.locator(TEXT)).to_have_value("Добрый день! Заказ приедет в пятницу вечером.")
    said = "SELECT count(*) FROM messages WHERE ticket_id = %s AND kind = 'reply'"
    assert world.stack.query(said, ticket_id) == [(1,)]

    others.press("Ctrl+Enter")  # now he has seen it, and means it
    expect(bob.locator(".said-reply")).to_have_count(2)
    expect(bob.locator(TEXT)).to_have_value("")
    wait_until(lambda: world.stack.query(said, ticket_id) == [(2,)])
