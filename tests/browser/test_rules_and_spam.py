"""Spam by one key in any layout, and the form of a rule with and without scripts."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Window
from tests.browser.furnish import DOOR
from tests.browser.world import World
from tests.dovecot import letter


def mail(subject: str, sender: str = "Ева Иванова <eve@customer.example>", **headers: str) -> object:
    """A mail to the door itself; the letters of other tests name the mailbox."""
    found = letter(subject, "Добрый день!", Message_ID=f"<{abs(hash(subject))}@customer.example>", **headers)
    for name, value in (("To", DOOR), ("From", sender)):
        del found[name]
        found[name] = value
    return found


@pytest.mark.parametrize(("layout", "key"), [("latin", "!"), ("cyrillic", "!")])
def test_spam_is_one_key_and_comes_back(ann: Page, world: World, layout: str, key: str) -> None:
    subject = f"Выиграйте приз, {layout}"
    world.hand_over(mail(subject, sender="win@spam.example"))  # type: ignore[arg-type] - a message object
    ticket_id = world.ticket_of(subject)
    ann.goto(f"/tickets/{ticket_id}")
    ann.locator(".ticket-bar").wait_for()
    # In both layouts "!" stands over the 1; what differs is only the language of the letters.
    ann.keyboard.press("Shift+Digit1" if layout == "cyrillic" else key)
    dialog = ann.locator("#dialog[open]")
    expect(dialog.get_by_role("button", name="Mark as spam")).to_be_focused()
    expect(dialog.get_by_label("is spam, from win@spam.example")).to_be_visible()
    ann.keyboard.press("Enter")
    expect(ann.get_by_text("is marked as spam")).to_be_visible()
    ann.goto("/spam")
    ann.get_by_role("row", name=re.compile(subject)).get_by_role("checkbox").check()
    ann.get_by_role("button", name="Not spam").click()
    expect(ann.get_by_text("1 ticket is back in line.")).to_be_visible()


def test_a_rule_is_written_tried_and_switched_on(window: Window, world: World) -> None:
    world.hand_over(mail("Счёт за ноябрь"))  # type: ignore[arg-type] - a message object
    world.ticket_of("Счёт за ноябрь")
    page = window("dora").new_page()
    page.goto(f"/admin/rules/new?channel_id={world.ids['door']}")
    rows = page.locator("[data-rule-row]")
    expect(rows).to_have_count(1)
    page.get_by_label("Name").fill("Счета в бухгалтерию")
    rows.first.get_by_label("What is looked at").select_option("subject")
    rows.first.get_by_label("Value").fill("счёт, invoice")
    page.get_by_role("button", name="One more condition").click()
    rows.nth(1).get_by_label("What is looked at").select_option("blocked")
    expect(rows.nth(1).get_by_label("Value")).to_be_hidden()
    rows.nth(1).get_by_label("If, or if not").select_option("1")
    page.get_by_role("button", name="One more condition").click()
    rows.nth(2).get_by_label("Take this condition out").click()
    expect(rows).to_have_count(2)
    page.get_by_label("Queue", exact=True).select_option(label="Billing")
    page.get_by_role("button", name="Try on the last 100 mails").click()
    expect(page.get_by_text("1 would go to Billing")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved as a draft.")).to_be_visible()
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("The rule works from the next mail on.")).to_be_visible()
    world.hand_over(mail("Счёт за декабрь"))  # type: ignore[arg-type] - a message object
    page.goto(f"/tickets/{world.ticket_of('Счёт за декабрь')}/history")
    expect(page.get_by_text("Rule “Счета в бухгалтерию”: queue Billing")).to_be_visible()


def test_a_rule_can_be_written_without_scripts(window: Window, world: World) -> None:
    page = window("dora", java_script_enabled=False).new_page()
    page.goto(f"/admin/rules/new?channel_id={world.ids['strangers']}")
    rows = page.locator("[data-rule-row]")
    expect(rows).to_have_count(3)
    page.get_by_label("Name").fill("Реклама")
    rows.nth(1).get_by_label("What is looked at").select_option("text")
    rows.nth(1).get_by_label("Value").fill("скидк")
    page.get_by_label("Spam", exact=True).select_option("spam")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved as a draft.")).to_be_visible()
    page.goto("/admin/rules")
    expect(page.get_by_text("Text contains: скидк")).to_be_visible()
