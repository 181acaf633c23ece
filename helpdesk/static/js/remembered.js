// What a person folded or hid stays so in this browser: sections of the card, the quiet lines of the conversation.
//   <details data-fold="facts">           folded or open, the same on every ticket
//   <button data-lines aria-pressed>      shows or hides what happened between the messages
import { onMount } from "./mount.js";

const root = document.documentElement;

function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // a browser may forbid storage; a choice then lasts as long as the page
  }
}

function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // as above
  }
}

onMount("details[data-fold]", (fold) => {
  const key = `fold:${fold.dataset.fold}`;
  const chosen = recall(key);
  if (chosen) fold.open = chosen === "open";
  // By hand only: a section that opens because something in it was looked for keeps its place.
  fold.querySelector("summary")?.addEventListener("click", () => keep(key, fold.open ? "folded" : "open"));
});

// A section that fetched its content is fetched again with the pane it is in.
document.addEventListener("htmx:afterSettle", (event) => {
  for (const fold of event.detail.target.querySelectorAll?.("details[open][hx-get]") ?? []) window.htmx.trigger(fold, "again");
});

function showLines(shown) {
  root.dataset.lines = shown ? "on" : "off";
  document.querySelector("button[data-lines]")?.setAttribute("aria-pressed", String(shown));
}

onMount("button[data-lines]", () => showLines(recall("lines") !== "off"));
document.addEventListener("click", (event) => {
  if (!event.target.closest("button[data-lines]")) return;
  const shown = root.dataset.lines === "off";
  keep("lines", shown ? "on" : "off");
  showLines(shown);
});
