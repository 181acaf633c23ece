// The composer: which mode it is in, sending by keyboard, and what happens to the text afterwards.
// The form posts a reply; its note button carries formaction for notes. The composer is never inside a swapped region.
// Panes are swapped, so a composer comes and goes: nothing here holds one for longer than its own listeners live.
import { settled } from "./drafts.js";
import { onMount } from "./mount.js";

const MOST_QUOTED = 10_000;

/** The composer on the page now, or null. */
export const current = () => document.getElementById("composer");
/** Where its text is written, or null. */
export const textOf = (composer = current()) => composer?.querySelector("textarea.composer-text") ?? null;

const modeOf = (composer) => composer.querySelector('input[name="mode"]:checked')?.value ?? "reply";

function applyMode(composer) {
  const text = textOf(composer);
  composer.dataset.mode = modeOf(composer);
  text.placeholder = composer.dataset.mode === "note" ? text.dataset.notePlaceholder : text.dataset.replyPlaceholder;
  text.setAttribute("aria-label", text.placeholder);
}

/** The button that sends in the present mode. */
const sendButton = (composer) => [...composer.querySelectorAll("button[data-sends]")].find((button) => button.dataset.sends === modeOf(composer) && !button.disabled);

/** Put `words` where the caret stands. */
export function insert(words) {
  const text = textOf();
  if (!text) return;
  text.focus();
  // execCommand is the only way that leaves the browser's undo alive; setRangeText stands in where it is gone.
  if (document.execCommand("insertText", false, words)) return;
  text.setRangeText(words, text.selectionStart, text.selectionEnd, "end");
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

function choose(value) {
  const composer = current();
  const radio = composer?.querySelector(`input[name="mode"][value="${value}"]`);
  if (!radio || radio.disabled) return;
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  textOf(composer).focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-compose]");
  if (!button || !current()) return;
  choose(button.dataset.compose);
  const said = button.dataset.quoteFrom && document.querySelector(button.dataset.quoteFrom)?.innerText;
  // A log of a megabyte would keep the browser busy for minutes, and nobody quotes so much.
  const quote = said && (said.length > MOST_QUOTED ? `${said.slice(0, MOST_QUOTED)}…` : said);
  if (quote) insert(quote.split("\n").map((line) => `> ${line}`).join("\n") + "\n\n");
});

// A reply that was taken back returns, above whatever was begun meanwhile. The server's draft holds the same.
document.addEventListener("htmx:afterSettle", () => {
  const composer = current();
  const restored = composer?.querySelector("template[data-restored]");
  if (!restored) return;
  restored.remove();
  choose("reply");
  const text = textOf(composer);
  text.value = [restored.content.querySelector("textarea").value, text.value.trim()].filter(Boolean).join("\n\n");
  composer.querySelector(".uploads").append(...restored.content.querySelectorAll(".upload"));
  text.dispatchEvent(new Event("input", { bubbles: true }));
});

onMount("#composer", (composer) => {
  const text = textOf(composer);
  applyMode(composer);
  composer.addEventListener("change", (event) => {
    if (event.target.name === "mode") applyMode(composer);
  });
  composer.addEventListener("click", (event) => {
    const button = event.target.closest("[data-fill]");
    const field = button && composer.elements[button.dataset.fill];
    if (!field) return;
    field.value = button.dataset.fillWith;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    event.preventDefault();
    sendButton(composer)?.click();
  });
  // An empty composer sends nothing; files alone are enough. What is sent waits for the draft that is on its way, or
  // that draft would come back after the message is gone.
  composer.addEventListener("htmx:confirm", (event) => {
    if (event.target !== composer) return;
    event.preventDefault();
    if (text.value.trim() || composer.querySelector("[data-upload-done]")) settled(composer).then(() => event.detail.issueRequest(true));
    else text.focus();
  });
  composer.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target === composer) composer.setAttribute("aria-busy", "true");
  });
  // Only a success empties it. A refusal (something arrived meanwhile, a limit) leaves every letter where it was.
  composer.addEventListener("htmx:afterRequest", (event) => {
    if (event.target !== composer) return;
    composer.removeAttribute("aria-busy");
    const { status } = event.detail.xhr;
    if (status < 200 || status >= 400) return text.focus();
    text.value = "";
    composer.querySelector(".uploads")?.replaceChildren();
    composer.querySelector("#composer-notice .notice")?.remove();
    composer.dispatchEvent(new CustomEvent("composer:sent"));
    text.focus();
  });
});
