// One registry of shortcuts: any button or link with data-key is clicked by that key. Letters match the physical key,
// so they work in a Cyrillic layout as in a Latin one; "?" and "!" match the character wherever a layout keeps it.
// data-key="n", "Shift+e", "$mod+k", "/"; data-key-text names the act in the sheet of keys. Ctrl Enter in a text with
// data-sends sends its form.
import { matchKeybindingPress, parseKeybinding } from "tinykeys";

const TYPING = "input:not([type=checkbox]):not([type=radio]):not([type=button]):not([type=submit]), textarea, select, [contenteditable], .ts-control";
const IS_MAC = /Mac|iP(hone|ad|od)/.test(navigator.platform);
const presses = new Map();

/** "Shift+e" as a press on physical keys: "Shift+KeyE". */
function press(binding) {
  if (!presses.has(binding)) {
    const physical = binding
      .replace(/(^|\+)([a-z])$/i, (_all, plus, letter) => `${plus}Key${letter.toUpperCase()}`)
      .replace(/(^|\+)\/$/, "$1Slash")
      .replace(/^([?!])$/, "[Shift]+$1");
    presses.set(binding, parseKeybinding(physical)[0]);
  }
  return presses.get(binding);
}

/** How people read it: "Shift E", "Ctrl K". */
function hint(binding) {
  return binding.split("+").map((part) => (part === "$mod" ? (IS_MAC ? "⌘" : "Ctrl") : part.length === 1 ? part.toUpperCase() : part)).join(" ");
}

function aria(binding) {
  return binding.replace("$mod", IS_MAC ? "Meta" : "Control").replace(/(^|\+)([a-z])$/, (_all, plus, letter) => plus + letter.toUpperCase());
}

function mark() {
  for (const element of document.querySelectorAll("[data-key]:not([aria-keyshortcuts])")) {
    element.setAttribute("aria-keyshortcuts", aria(element.dataset.key));
    if (!element.classList.contains("btn") || element.classList.contains("btn-icon")) continue;
    const kbd = document.createElement("kbd");
    kbd.textContent = hint(element.dataset.key);
    kbd.setAttribute("aria-hidden", "true");
    element.append(kbd);
  }
}

const usable = (element) => !element.disabled && element.getAttribute("aria-disabled") !== "true" && element.checkVisibility?.() !== false;

function bound(event) {
  const scope = document.querySelector("dialog[open]") ?? document;
  for (const element of scope.querySelectorAll("[data-key]")) {
    if (matchKeybindingPress(event, press(element.dataset.key)) && (usable(element) || element.closest(".dropdown-menu, .rail"))) return element;
  }
  return null;
}

function move(step) {
  const rows = [...document.querySelectorAll(".row-link")].filter(usable);
  const here = rows.indexOf(document.activeElement?.closest(".row-item")?.querySelector(".row-link"));
  const open = rows.findIndex((row) => row.closest("[aria-current]"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, (here < 0 ? open : here) + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.repeat || !event.code) return;
  const typing = event.target.closest?.(TYPING);
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches?.("textarea[data-sends]")) {
    event.preventDefault();
    return event.target.form.requestSubmit();
  }
  if (typing && event.key === "Escape" && !event.target.closest("dialog")) return typing.blur();
  if (typing && !event.ctrlKey && !event.metaKey) return;
  const element = bound(event);
  if (element) {
    event.preventDefault();
    element.click();
    if (element.matches(TYPING)) element.focus();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || document.querySelector("dialog[open]")) return;
  if (event.code === "KeyJ") move(1);
  if (event.code === "KeyK") move(-1);
});

// The sheet lists what this page offers, each time it is opened.
document.addEventListener("click", (event) => {
  const list = document.getElementById("keys-list");
  if (!list || !event.target.closest('[data-dialog="keys-dialog"]')) return;
  list.querySelectorAll("[data-from-page]").forEach((item) => item.remove());
  const lines = new Map([...document.querySelectorAll("[data-key]")].map((element) => [element.dataset.key, element.dataset.keyText || element.textContent.trim()]));
  for (const [key, text] of lines) {
    const item = document.createElement("li");
    item.dataset.fromPage = "";
    const words = document.createElement("span");
    words.textContent = text;
    const kbd = document.createElement("kbd");
    kbd.textContent = hint(key);
    item.append(words, kbd);
    list.append(item);
  }
}, true);

mark();
document.addEventListener("htmx:afterSwap", () => mark());
