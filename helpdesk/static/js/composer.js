// The composer: which mode it is in, sending by keyboard, and what happens to the text afterwards.
// The form posts a reply; its note button carries formaction for notes. The composer is never inside a swapped region.
// Panes are swapped, so a composer comes and goes: nothing here holds one for longer than its own listeners live.
import { ask } from "./dialogs.js";
import { placeOf, settled } from "./drafts.js";
import { token } from "./htmx_setup.js";
import { onMount } from "./mount.js";
import { announce, showToast } from "./toasts.js";
import { arrived } from "./uploads.js";
import { unfilled } from "./variables.js";
import { visit } from "./workspace.js";

const MOST_QUOTED = 10_000;

/** The composer on the page now, or null. */
export const current = () => document.getElementById("composer");
/** Where its text is written, or null. */
export const textOf = (composer = current()) => composer?.querySelector("textarea.composer-text") ?? null;

const modeOf = (composer) => composer.querySelector('input[name="mode"]:checked')?.value ?? "reply";

function applyMode(composer) {
  const text = textOf(composer);
  const mode = modeOf(composer);
  if (composer.dataset.mode !== mode) composer.dataset.mode = mode;
  const words = mode === "note" ? text.dataset.notePlaceholder : text.dataset.replyPlaceholder;
  if (text.placeholder !== words) {
    text.placeholder = words;
    text.setAttribute("aria-label", words);
  }
  showUnfilled(composer);
}

/** The button that sends in the present mode. */
const sendButton = (composer) => [...composer.querySelectorAll("button[data-sends]")].find((button) => button.dataset.sends === modeOf(composer) && !button.disabled);

/** Send what is written, as if by its button; `then` is "", "finish" or "next". */
export function sendNow(then = "") {
  const composer = current();
  const button = then && modeOf(composer) === "reply" ? composer.querySelector(`[data-sends-then="${then}"]`) : sendButton(composer);
  button?.click();
}

/** Put `words` where the caret stands. */
export function insert(words) {
  const text = textOf();
  if (!text) return;
  const [from, to] = [text.selectionStart, text.selectionEnd];
  // Coming from a dialog, the caret may still be in it although the focus is here.
  text.blur();
  text.focus();
  text.setSelectionRange(from, to);
  // execCommand is the only way that leaves the browser's undo alive; setRangeText stands in where it is gone.
  if (document.activeElement === text && document.execCommand("insertText", false, words)) return;
  text.setRangeText(words, text.selectionStart, text.selectionEnd, "end");
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

export function choose(value) {
  const composer = current();
  const radio = composer?.querySelector(`input[name="mode"][value="${value}"]`);
  if (!radio || radio.disabled) return;
  if (!radio.checked) {
    radio.checked = true;
    radio.dispatchEvent(new Event("change", { bubbles: true }));
  }
  textOf(composer).focus();
}

/** Names in braces that nothing was put in for are named below the text; a click goes there. */
function showUnfilled(composer) {
  const line = composer.querySelector("#composer-unfilled");
  const names = composer.dataset.mode === "note" ? [] : unfilled(textOf(composer).value);
  if ((line.dataset.names ?? "") === names.join()) return;
  line.hidden = names.length === 0;
  line.dataset.names = names.join();
  const buttons = names.map((name) => Object.assign(document.createElement("button"), { type: "button", className: "chip chip-amber", textContent: name }));
  line.replaceChildren(line.dataset.words, ...buttons.flatMap((button) => [" ", button]));
}

function goTo(composer, words) {
  const text = textOf(composer);
  const at = text.value.indexOf(words);
  text.focus();
  if (at >= 0) text.setSelectionRange(at, at + words.length);
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

document.addEventListener("htmx:afterSettle", () => {
  const composer = current();
  if (!composer) return;
  const restored = composer.querySelector("template[data-restored]");
  if (restored) putBack(composer, restored);
  const sent = document.querySelector("template[data-sent-toast]");
  if (!sent) return;
  sent.remove();
  showToast([...sent.content.children], new Date(sent.dataset.until) - Date.now());
});

/** A reply that was taken back returns, above the answer that was begun meanwhile. The server's draft holds the same. */
function putBack(composer, restored) {
  restored.remove();
  const text = textOf(composer);
  const begun = text.value.trim();
  const isNote = modeOf(composer) === "note";
  choose("reply");
  placeOf(composer)?.sent(restored.dataset.version);
  text.value = [restored.content.querySelector("textarea").value, isNote ? "" : begun].filter(Boolean).join("\n\n");
  // A note has no place in an answer, which the customer reads: it waits above it.
  if (isNote) placeOf(composer)?.offer({ mode: "note", body: begun });
  composer.querySelector(".uploads").replaceChildren(...restored.content.querySelectorAll(".upload"));
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

// Taken back from the corner: on the ticket itself the thread is shown anew, from elsewhere one goes there.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-undo-send]")) return;
  event.preventDefault();
  form.closest(".notice").remove();
  if (current()?.dataset.ticket === form.dataset.ticket) window.htmx.ajax("POST", form.getAttribute("action"), { target: "#thread", swap: "morph", source: document.getElementById("thread") });
  else visit(form.getAttribute("action"), { method: "POST", body: new FormData(form), focus: "composer" });
}, true);

function takeNext(url) {
  const body = new FormData();
  body.set("csrf_token", token());
  body.set("key", crypto.randomUUID?.() ?? String(Math.random()));
  visit(url, { method: "POST", body, focus: "composer" });
}

function keys(event, composer) {
  const undo = event.code === "KeyZ" && (event.ctrlKey || event.metaKey) && !event.shiftKey && document.querySelector("[data-undo-send]");
  if (undo && !textOf(composer).value) {
    event.preventDefault();
    return undo.requestSubmit();
  }
  if (event.key !== "Enter" || event.isComposing) return;
  const sends = event.ctrlKey || event.metaKey;
  if (sends) {
    event.preventDefault();
    event.stopPropagation();
    return sendNow(event.shiftKey ? "next" : event.altKey ? "finish" : "");
  }
  // In a field of the recipients Enter means no more than that the field is done.
  if (event.target.matches("input:not([type=radio], [type=file])")) {
    event.preventDefault();
    textOf(composer).focus();
  }
}

/** Waits for files on their way, and asks about what is missing; the promise holds whether to send. */
async function mayLeave(composer) {
  const missing = await arrived(composer);
  const words = document.getElementById("upload-chip").dataset;
  if (missing.length && !(await ask(words.without.replace("%NAMES%", missing.join(", "))))) return false;
  return isFilled(composer);
}

function isFilled(composer) {
  const line = composer.querySelector("#composer-unfilled");
  const names = modeOf(composer) === "reply" ? unfilled(textOf(composer).value) : [];
  if (!names.length) return Promise.resolve(true);
  return ask(line.dataset.ask.replace("%NAMES%", names.join(", "))).then((agreed) => agreed || (goTo(composer, names[0]), false));
}

onMount("#composer", (composer) => {
  const text = textOf(composer);
  applyMode(composer);
  composer.addEventListener("change", (event) => {
    if (event.target.name !== "mode") return;
    applyMode(composer);
    announce(event.target.dataset.announce);
  });
  composer.addEventListener("draft:put", () => applyMode(composer));
  text.addEventListener("input", () => showUnfilled(composer));
  composer.addEventListener("keydown", (event) => keys(event, composer));
  composer.addEventListener("click", (event) => {
    if (event.target.closest("[data-back-to-writing]")) text.focus();
    if (event.target.closest("#composer-unfilled button")) goTo(composer, event.target.textContent);
    const button = event.target.closest("[data-fill]");
    const field = button && composer.elements[button.dataset.fill];
    if (!field) return;
    field.value = button.dataset.fillWith;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  // An empty composer sends nothing; files alone are enough. What is sent waits for the draft that is on its way, or
  // that draft would come back after the message is gone.
  composer.addEventListener("htmx:confirm", (event) => {
    if (event.target !== composer) return;
    event.preventDefault();
    if (composer.getAttribute("aria-busy")) return;
    if (!text.value.trim() && !composer.querySelector(".upload")) return text.focus();
    const button = event.detail.triggeringEvent?.submitter;
    mayLeave(composer).then(async (agreed) => {
      if (!agreed) return;
      await settled(composer);
      // htmx knows the pressed button by its focus, which a question takes away.
      if (button && document.activeElement !== button && document.activeElement !== text) button.focus();
      event.detail.issueRequest(true);
    });
  });
  composer.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target === composer) composer.setAttribute("aria-busy", "true");
  });
  composer.addEventListener("htmx:afterRequest", (event) => {
    if (event.target === composer) answered(composer, event.detail.xhr);
  });
});

/** Only a success empties it. A refusal (something arrived meanwhile, a limit) leaves every letter where it was. */
function answered(composer, xhr) {
  const text = textOf(composer);
  composer.removeAttribute("aria-busy");
  if (xhr.status < 200 || xhr.status >= 400) {
    const guard = composer.querySelector("[data-guard]");
    guard?.querySelector("[data-back-to-writing]").focus();
    return guard || text.focus();
  }
  text.value = "";
  composer.querySelector(".uploads")?.replaceChildren();
  composer.dispatchEvent(new CustomEvent("composer:sent"));
  placeOf(composer)?.sent(composer.querySelector("#composer-notice")?.dataset.draftVersion);
  showUnfilled(composer);
  text.focus();
  const next = xhr.getResponseHeader("X-Next");
  if (next) return takeNext(next);
  // Done with: its list again, with who is next. Taking the reply back stays possible from the corner.
  const done = xhr.getResponseHeader("X-Done");
  if (done) visit(document.querySelector("#list-pane .list-bar h2 a")?.href ?? done);
}
