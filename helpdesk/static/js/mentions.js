// Naming colleagues: an @ in a note, or in a textarea with data-mentions, opens a list that narrows as one types. Arrows,
// Enter or Tab choose, Esc closes. What was chosen goes with the form as hidden fields `mention` ("user:5"); the server
// believes them only while the name still stands in the text.
import { send } from "./htmx_setup.js";

// A name begins after an @ that no letter or digit precedes, as it would in a mail address, and may have spaces.
const OPENING = /(?:^|[^\p{L}\p{N}])@((?:[\p{L}\p{N}][^\n@]{0,40})?)$/u;
const KEPT_MS = 60_000;

const lists = new Map();
let box = null;
let text = null;

const options = () => [...box.querySelectorAll("[role=option]")].filter((option) => !option.hidden);
const chosen = () => box?.querySelector('[aria-selected="true"]:not([hidden])');

/** Where the list for this textarea comes from; nothing where nobody can be named, as in a reply. */
function source(area) {
  if (area.dataset.mentions) return area.dataset.mentions;
  if (!area.matches("#composer textarea.composer-text")) return "";
  if (area.form.querySelector('input[name="mode"]:checked')?.value !== "note") return "";
  return document.querySelector("[data-colleagues-url]")?.dataset.colleaguesUrl ?? "";
}

async function list(url) {
  const known = lists.get(url);
  if (known && known.until > Date.now()) return known.html;
  const html = send(url, { headers: { "X-Background": "1", "HX-Request": "true" } }).then((answer) => (answer.ok ? answer.text() : ""), () => "");
  lists.set(url, { html, until: Date.now() + KEPT_MS });
  return html;
}

function close() {
  box?.remove();
  box = null;
  text?.removeAttribute("aria-activedescendant");
  text?.removeAttribute("aria-controls");
  text = null;
}

function choose(option) {
  box.querySelectorAll('[aria-selected="true"]').forEach((other) => other.setAttribute("aria-selected", "false"));
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  if (option) text.setAttribute("aria-activedescendant", option.id);
}

const fits = (name, wanted) => {
  const lower = name.toLocaleLowerCase();
  return lower.startsWith(wanted) || lower.split(/\s+/).some((word) => word.startsWith(wanted));
};

function narrow(wanted) {
  for (const option of box.querySelectorAll("[role=option]")) option.hidden = !fits(option.dataset.name, wanted.toLocaleLowerCase());
  const left = options();
  if (!left.length) return close();
  choose(left[0]);
}

/** Above the text, where the words stay readable; inside the dialog that may lie over the page. */
function place(area) {
  const rect = area.getBoundingClientRect();
  const below = innerHeight - rect.bottom;
  box.style.left = `${Math.max(8, Math.min(rect.left, innerWidth - box.offsetWidth - 8))}px`;
  box.style.top = rect.top > below ? `${Math.max(8, rect.top - box.offsetHeight - 4)}px` : `${rect.bottom + 4}px`;
}

async function look(area) {
  const found = OPENING.exec(area.value.slice(0, area.selectionStart));
  const url = found && source(area);
  if (!url) return close();
  if (!box || text !== area) {
    const html = await list(url);
    const still = OPENING.exec(area.value.slice(0, area.selectionStart));
    if (!html || !still || document.activeElement !== area) return;
    close();
    text = area;
    box = document.createElement("div");
    box.className = "mention-box";
    box.innerHTML = html;
    (area.closest("dialog") ?? document.body).append(box);
    area.setAttribute("aria-controls", "mention-list");
    narrow(still[1]);
  } else narrow(found[1]);
  if (box) place(area);
}

function pick(option) {
  const area = text;
  const start = area.selectionStart - OPENING.exec(area.value.slice(0, area.selectionStart))[1].length;
  const { mention, name } = option.dataset;
  close();
  area.focus();
  area.setSelectionRange(start, area.selectionStart);
  // execCommand is the only way that leaves the browser's undo alive.
  if (!document.execCommand("insertText", false, `${name} `)) {
    area.setRangeText(`${name} `, start, area.selectionStart, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
  if (area.form.querySelector(`input[name="mention"][value="${mention}"]`)) return;
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name: "mention", value: mention });
  area.form.append(field);
}

document.addEventListener("input", (event) => {
  if (event.target instanceof HTMLTextAreaElement) look(event.target);
});

// Before all other keys: Esc must not leave the text, Enter must not send.
document.addEventListener("keydown", (event) => {
  if (!box || event.target !== text || event.isComposing) return;
  const left = options();
  const here = left.indexOf(chosen());
  if (event.key === "ArrowDown") choose(left[(here + 1) % left.length]);
  else if (event.key === "ArrowUp") choose(left[(here - 1 + left.length) % left.length]);
  else if ((event.key === "Enter" || event.key === "Tab") && !event.ctrlKey && !event.metaKey && chosen()) pick(chosen());
  else if (event.key === "Escape") close();
  else return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

document.addEventListener("mousedown", (event) => {
  const option = box && event.target.closest?.("[data-mention]");
  if (option) {
    event.preventDefault();
    pick(option);
  } else if (box && !box.contains(event.target)) close();
});
document.addEventListener("focusout", (event) => event.target === text && close());
document.addEventListener("composer:sent", () => document.querySelectorAll('#composer input[name="mention"]').forEach((field) => field.remove()), true);

// A list to tick, with a field above it that narrows it: <input data-filter="#list">, <li data-words="...">.
document.addEventListener("input", (event) => {
  const filter = event.target.closest?.("[data-filter]");
  if (!filter) return;
  const wanted = filter.value.trim().toLocaleLowerCase();
  for (const row of document.querySelectorAll(`${filter.dataset.filter} [data-words]`)) {
    row.hidden = Boolean(wanted) && !fits(row.dataset.words, wanted) && !row.querySelector("input:checked");
  }
});
// Enter in that field takes the first that is left, instead of sending the form.
document.addEventListener("keydown", (event) => {
  const filter = event.key === "Enter" && !event.ctrlKey && !event.metaKey && event.target.closest?.("[data-filter]");
  if (!filter) return;
  event.preventDefault();
  const first = [...document.querySelectorAll(`${filter.dataset.filter} li:not([hidden]) input`)].find((tick) => !tick.checked);
  if (!first) return;
  first.checked = true;
  filter.value = "";
  filter.dispatchEvent(new Event("input", { bubbles: true }));
});
