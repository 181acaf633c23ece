// The emoji menu: groups, a search in three languages, those used lately, arrow keys. Its list is emoji_data.js.
import { current, insert, textOf } from "./composer.js";
import { GROUPS } from "./emoji_data.js";
import { onMount } from "./mount.js";

const RECENT = "emoji:recent";
const MOST_RECENT = 18;
const COLUMNS = 9;
let opener = null;

const panel = () => document.getElementById("emoji");
const all = GROUPS.flatMap(([, rows]) => rows.map(([sign, ...names]) => ({ sign, names, sought: names.join(" ").toLowerCase().replaceAll("ё", "е") })));
const LANGUAGES = ["en", "ru", "uk"];
const nameOf = (one) => one.names[Math.max(0, LANGUAGES.indexOf(document.documentElement.lang))] ?? one.names[0];

function recent() {
  try {
    const signs = JSON.parse(localStorage.getItem(RECENT) ?? "[]");
    return signs.map((sign) => all.find((one) => one.sign === sign)).filter(Boolean);
  } catch {
    return [];
  }
}

function used(sign) {
  const signs = [sign, ...recent().map((one) => one.sign).filter((one) => one !== sign)].slice(0, MOST_RECENT);
  try {
    localStorage.setItem(RECENT, JSON.stringify(signs));
  } catch {
    // A private window remembers nothing.
  }
}

/** Open or close the menu at its button. */
export function open(button) {
  if (!panel().hidden) return close();
  opener = button;
  current().querySelector(".composer-box").append(panel());
  panel().hidden = false;
  const search = panel().querySelector("[data-emoji-search]");
  search.value = "";
  show();
  search.focus();
  return undefined;
}

function close() {
  panel().hidden = true;
  document.body.append(panel());
  opener?.focus();
}

function show() {
  const words = panel().querySelector("[data-emoji-words]").dataset;
  const wanted = panel().querySelector("[data-emoji-search]").value.trim().toLowerCase().replaceAll("ё", "е");
  const groups = wanted
    ? [["", all.filter((one) => wanted.split(/\s+/).every((word) => one.sought.includes(word)))]]
    : [[words.recent, recent()], ...GROUPS.map(([name, rows]) => [words[name], rows.map(([sign]) => all.find((one) => one.sign === sign))])];
  const nodes = groups.filter(([, list]) => list.length).flatMap(([title, list]) => section(title, list));
  panel().querySelector("#emoji-grid").replaceChildren(...(nodes.length ? nodes : [words.none]));
  name(panel().querySelector("[data-sign]"));
}

function section(title, list) {
  const box = document.createElement("div");
  box.className = "emoji-group";
  box.append(...list.map((one) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: one.sign, title: nameOf(one), tabIndex: -1 });
    button.dataset.sign = one.sign;
    button.setAttribute("aria-label", nameOf(one));
    return button;
  }));
  const head = Object.assign(document.createElement("p"), { className: "emoji-title", textContent: title });
  return title ? [head, box] : [box];
}

const name = (button) => (panel().querySelector("[data-emoji-name]").textContent = button ? `${button.dataset.sign} ${button.title}` : "");

function choose(sign) {
  used(sign);
  opener = null;
  close();
  insert(sign);
  textOf()?.focus();
}

function keys(event) {
  const buttons = [...panel().querySelectorAll("[data-sign]")];
  const here = buttons.indexOf(document.activeElement);
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: here < 0 ? 1 : COLUMNS, ArrowUp: -COLUMNS };
  if (event.key === "Escape") close();
  else if (event.key === "Enter" && here < 0) buttons[0] && choose(buttons[0].dataset.sign);
  else if (event.key in steps && (here >= 0 || event.key === "ArrowDown")) {
    const to = here + steps[event.key];
    if (to < 0) panel().querySelector("[data-emoji-search]").focus();
    else buttons[Math.min(to, buttons.length - 1)]?.focus();
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

onMount("#emoji", (menu) => {
  menu.addEventListener("input", show);
  menu.addEventListener("keydown", keys);
  menu.addEventListener("focusin", (event) => event.target.dataset.sign && name(event.target));
  menu.addEventListener("pointerover", (event) => event.target.dataset.sign && name(event.target));
  menu.addEventListener("click", (event) => event.target.dataset.sign && choose(event.target.dataset.sign));
});
document.addEventListener("pointerdown", (event) => {
  if (panel() && !panel().hidden && !panel().contains(event.target) && !event.target.closest("[data-open-emoji]")) close();
});
// A composer that goes takes nothing with it.
document.addEventListener("desk:leave", () => panel()?.hidden === false && close());
