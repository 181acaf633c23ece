// Shortcuts. Any button or link with data-key is clicked by that key; some acts are this module's own. What each key
// means stands in helpdesk/keymap.py, which the sheet of keys is made from. Letters match the physical key, so they work
// in a Cyrillic layout as in a Latin one; "?" and "!" match the character wherever a layout keeps it.
// data-key="n", "Shift+e", "$mod+k", "/".
//
// With the focus in a text only keys with Ctrl or Command work, F6, and Shift+Enter while the composer is empty. Whoever
// dictates or types with aids may switch single characters off: <html data-shortcuts="off">.
import { matchKeybindingPress, parseKeybinding } from "tinykeys";
import { nextPane } from "./pane_focus.js";
import { toast } from "./toasts.js";
import { visit } from "./workspace.js";

const TYPING = "input:not([type=checkbox]):not([type=radio]):not([type=button]):not([type=submit]), textarea, select, [contenteditable], .ts-control";
const IS_MAC = /Mac|iP(hone|ad|od)/.test(navigator.platform);
const NAMES = { $mod: IS_MAC ? "⌘" : "Ctrl", Escape: "Esc", ArrowDown: "↓", ArrowUp: "↑", Shift: IS_MAC ? "⇧" : "Shift" };
const presses = new Map();

/** "Shift+e" as presses on physical keys: "Shift+KeyE". */
function pressesOf(binding) {
  if (!presses.has(binding)) {
    const physical = binding
      .replace(/(^|\+)([a-z])$/i, (_all, plus, letter) => `${plus}Key${letter.toUpperCase()}`)
      .replace(/(^|\+)\/$/, "$1Slash")
      .replace(/^([?!])$/, "[Shift]+$1");
    const found = [parseKeybinding(physical)[0]];
    // Where "?" sits on another key, the place that keyboards have it printed on means it too.
    if (binding === "?") found.push(parseKeybinding("Shift+Slash")[0]);
    presses.set(binding, found);
  }
  return presses.get(binding);
}

const isPress = (event, binding) => pressesOf(binding).some((press) => matchKeybindingPress(event, press));

/** How people read it: "Shift E", "Ctrl K". */
export function hint(binding) {
  return binding.split("+").map((part) => NAMES[part] ?? (part.length === 1 ? part.toUpperCase() : part)).join(" ");
}

function aria(binding) {
  return binding.replace("$mod", IS_MAC ? "Meta" : "Control").replace(/(^|\+)([a-z])$/, (_all, plus, letter) => plus + letter.toUpperCase());
}

function mark(root = document) {
  for (const element of root.querySelectorAll("[data-key]:not([aria-keyshortcuts])")) {
    element.setAttribute("aria-keyshortcuts", aria(element.dataset.key));
    if (!element.classList.contains("btn") || element.classList.contains("btn-icon")) continue;
    const kbd = document.createElement("kbd");
    kbd.textContent = hint(element.dataset.key);
    kbd.setAttribute("aria-hidden", "true");
    element.append(kbd);
  }
}

const isEnabled = (element) => !element.disabled && element.getAttribute("aria-disabled") !== "true";
/** Whether a person could press it now. What lies in a closed menu or in the folded rail counts: it is one click away. */
export const isUsable = (element) =>
  isEnabled(element) && (element.checkVisibility?.() !== false || Boolean(element.closest(".dropdown-menu, .rail")));

/** The button or link that a key means now; in an open dialog only what is in it. */
function bound(event) {
  const scope = document.querySelector("dialog[open]") ?? document;
  return [...scope.querySelectorAll("[data-key]")].find((element) => isPress(event, element.dataset.key) && isUsable(element));
}

const isOff = (event) => document.documentElement.dataset.shortcuts === "off" && event.key.length === 1 && !event.ctrlKey && !event.metaKey;

function rows() {
  const beside = [...document.querySelectorAll("#list-pane .row-link")].filter(isUsable);
  return beside.length ? beside : [...document.querySelectorAll(".row-link")].filter(isUsable);
}

/** The row `step` further than the focused one, else than the open one. */
function rowAt(step) {
  const all = rows();
  const here = all.indexOf(document.activeElement?.closest(".row-item")?.querySelector(".row-link"));
  const open = all.findIndex((row) => row.closest("[aria-current]"));
  return all[Math.min(all.length - 1, Math.max(0, (here < 0 ? open : here) + step))];
}

function move(step) {
  const next = rowAt(step);
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

/** Open the next or previous of the list; whoever was writing goes on writing there. */
function open(step) {
  const all = rows();
  const here = all.findIndex((row) => row.closest("[aria-current]"));
  const next = all[here + step] ?? (here < 0 ? all[0] : null);
  if (!next) return;
  next.scrollIntoView({ block: "nearest" });
  const writes = document.activeElement?.closest("#composer");
  if (next.closest("#list-pane")) visit(next.href, writes ? { focus: "composer" } : {});
  else next.click();
}

/** Leave a text: to its pane, so that reading goes on by keyboard where one was. */
function leave(field) {
  const scroll = field.closest(".pane")?.querySelector(".pane-scroll");
  field.blur();
  scroll?.focus({ preventScroll: true });
}

// What keys do by themselves: [key, whether it also works in the composer, act]. True from an act: it did nothing.
const ACTS = [
  ["j", false, () => move(1)],
  ["k", false, () => move(-1)],
  ["$mod+Shift+ArrowDown", true, () => open(1)],
  ["$mod+Shift+ArrowUp", true, () => open(-1)],
  ["F6", true, () => nextPane(1)],
  ["Shift+F6", true, () => nextPane(-1)],
];
const HELD = new Set(["KeyJ", "KeyK"]);

/** Whether a key may do something with the focus in this field. */
function mayAct(event, field) {
  if (!field || event.key === "F6") return true;
  const composes = field.closest("#composer") && field.matches("textarea");
  if (event.key.startsWith("Arrow")) return Boolean(composes);
  if (event.ctrlKey || event.metaKey) return true;
  return Boolean(composes && event.key === "Enter" && event.shiftKey && field.value === "");
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || !event.code || (event.repeat && !HELD.has(event.code))) return;
  const field = event.target.closest?.(TYPING);
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches?.("textarea[data-sends]")) {
    event.preventDefault();
    return event.target.form.requestSubmit();
  }
  if (field && event.key === "Escape" && !event.target.closest("dialog")) return leave(field);
  if (!mayAct(event, field) || isOff(event)) return;
  const element = bound(event);
  if (element) {
    event.preventDefault();
    element.click();
    if (element.matches(TYPING)) element.focus();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const act = ACTS.find(([key, composes]) => isPress(event, key) && (!field || composes));
  if (!act) return;
  event.preventDefault();
  act[2]();
});

mark();
for (const name of ["htmx:afterSwap", "thread:added"]) document.addEventListener(name, () => mark());
document.addEventListener("desk:coming", (event) => mark(event.detail.panes));

// The sheet: fetched when it is first asked for; what does not work here and now is put behind a switch.
document.addEventListener("click", (event) => {
  if (!event.target.closest('[data-dialog="keys-dialog"]')) return;
  event.preventDefault();
  import("./keys_sheet.js").then(({ fill }) => fill(document.getElementById("keys-dialog")));
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-commands]")) import("./commands.js").then(({ open }) => open(), () => toast("offline"));
});
