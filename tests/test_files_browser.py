"""Files into the composer in Chromium: pasted and dropped, with their progress to be seen, and sent."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.test_composer_browser import browser as browser
from tests.test_composer_browser import chromium as chromium
from tests.test_composer_browser import desk as desk
from tests.test_composer_browser import machine, replies, text

pytestmark = pytest.mark.browser

# Each value that a progress bar is given is written down.
RECORDER = """
window.steps = [];
const known = Object.getOwnPropertyDescriptor(HTMLProgressElement.prototype, "value");
Object.defineProperty(HTMLProgressElement.prototype, "value", {
  get: known.get,
  set(value) { window.steps.push(value); known.set.call(this, value); },
});
"""
CARRY = """
(place, [how, files]) => {
  const carried = new DataTransfer();
  for (const { name, type, size, bytes } of files) {
    const content = bytes ? Uint8Array.from(atob(bytes), (one) => one.charCodeAt(0)) : new Uint8Array(size);
    carried.items.add(new File([content], name, { type }));
  }
  const common = { bubbles: true, cancelable: true };
  if (how === "paste") return !place.dispatchEvent(new ClipboardEvent("paste", { ...common, clipboardData: carried }));
  const over = new DragEvent("dragover", { ...common, dataTransfer: carried });
  place.dispatchEvent(over);
  const isOver = document.getElementById("composer").classList.contains("is-over");
  const taken = !place.dispatchEvent(new DragEvent("drop", { ...common, dataTransfer: carried }));
  return over.defaultPrevented && isOver && taken;
}
"""
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def slow(page: Page, bytes_a_second: int) -> None:
    """Let what goes up from this page take its time."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
    network.send("Network.emulateNetworkConditions", limits)


def test_what_is_dropped_anywhere_on_the_conversation_goes_up_with_its_progress(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    page.evaluate(RECORDER)
    slow(page, 1_500_000)
    files = [{"name": "журнал.bin", "type": "application/octet-stream", "size": 3_000_000}]
    assert page.locator("#thread").evaluate(CARRY, ["drop", files]), "the browser would have opened the file"
    chip = page.locator("#composer .upload")
    expect(chip.locator("progress")).to_be_visible()
    expect(chip).to_contain_text("журнал.bin")
    expect(page.locator("#composer .upload[data-upload-done]")).to_have_count(1)
    steps = page.evaluate("window.steps")
    assert steps == sorted(steps) and any(0 < step < 1 for step in steps), steps
    expect(chip.locator("progress")).to_have_count(0)
    expect(page.locator("#composer")).not_to_have_class("is-over")
    text(page).fill("Во вложении журнал")
    page.keyboard.press("Control+Enter")
    expect(text(page)).to_have_value("")
    [file] = replies(desk)[0].attachments
    assert (file.name, file.size) == ("журнал.bin", 3_000_000)


def test_a_pasted_picture_stands_in_the_text_and_another_file_beside_it(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    text(page).fill("Нажмите сюда: ")
    text(page).press("End")
    picture = {"name": "экран.png", "type": "image/png", "bytes": DOT}
    note = {"name": "счёт.txt", "type": "text/plain", "bytes": "0YHRh9GR0YI="}
    assert text(page).evaluate(CARRY, ["paste", [picture, note]])
    expect(page.locator("#composer .upload[data-upload-done]")).to_have_count(2)
    mark = page.locator("#composer .upload[data-mark]").get_attribute("data-mark")
    assert mark
    expect(text(page)).to_have_value(f"Нажмите сюда: {mark}")
    page.keyboard.press("Control+Enter")
    expect(text(page)).to_have_value("")
    sent = {file.name: file.inline for file in replies(desk)[0].attachments}
    assert sent == {"экран.png": True, "счёт.txt": False}


def test_words_that_are_pasted_or_dragged_are_left_to_the_browser(desk: Any, browser: Browser) -> None:
    page = machine(desk, browser)
    assert not text(page).evaluate(CARRY, ["paste", []])
    assert not page.locator("#thread").evaluate(CARRY, ["drop", []])
    expect(page.locator("#composer .upload")).to_have_count(0)
