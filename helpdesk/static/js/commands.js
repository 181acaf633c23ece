// The command bar (Ctrl K): go anywhere, do with the ticket whatever its buttons do, put in a ready answer, find a
// colleague, a customer or a ticket. Every line presses a real link or button, so rights and questions are theirs.
//
// Lists that do not depend on what is typed are fetched once and narrowed here; tickets and customers are asked for
// while one types. What was typed in the wrong keyboard layout is understood too.
import { offers } from "./answers.js";
import { send } from "./htmx_setup.js";
import { hint, isUsable } from "./keys.js";
import { otherLayouts, plain } from "./layouts.js";

const MOST_SHOWN = 40;
const MOST_RECENT = 5;
const PAUSE_MS = 120;
const KEPT_MS = 5 * 60_000;
const ACTS = ".ticket-actions a, .ticket-actions button, .composer-send button, #composer .modes input, .rail-take button, .rail-foot .dropdown-item, button[data-lines], #card [data-key], #card a[role=button][href]";

const lists = new Map(); // URL -> {until, promise of elements}
let commands = [];
let shown = [];
let chosen = 0;
let asked = null;
let timer = 0;

const dialog = () => document.getElementById("command-bar");
const field = () => dialog().querySelector("[role=combobox]");
const words = (name) => dialog().dataset[name];

/** Lines as the server gives them, kept for a while. */
function fetched(url, kept = KEPT_MS) {
  const known = lists.get(url);
  if (known && known.until > Date.now()) return known.lines;
  const lines = send(url, { headers: { "HX-Request": "true" } })
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(String(answer.status)))))
    .then((html) => [...new DOMParser().parseFromString(html, "text/html").querySelectorAll("[data-command]")].map(fromServer));
  lists.set(url, { lines, until: Date.now() + kept });
  lines.catch(() => lists.delete(url));
  return lines;
}

function fromServer(link) {
  const group = link.closest("[data-command-group]");
  return {
    group: group.dataset.commandGroup,
    found: "found" in group.dataset,
    onDemand: "onDemand" in group.dataset,
    icon: link.querySelector("svg"),
    label: link.textContent.trim(),
    hint: link.dataset.hint ?? "",
    sought: plain(`${link.textContent} ${link.dataset.hint ?? ""} ${link.dataset.sought ?? ""} ${group.dataset.commandGroup}`),
    id: link.getAttribute("href"),
    press: () => pressLink(link),
  };
}

/** A link from the list is not on the page: one like it is put there, pressed, and taken away. */
function pressLink(link) {
  const own = document.importNode(link, true);
  own.hidden = true;
  document.body.append(own);
  window.htmx.process(own);
  own.click();
  setTimeout(() => own.remove());
}

const label = (element) => element.dataset.keyText || element.getAttribute("aria-label") || clean(element.matches("input") ? element.closest("label") : element);
function clean(element) {
  const copy = element.cloneNode(true);
  copy.querySelectorAll("kbd, .visually-hidden").forEach((part) => part.remove());
  return copy.textContent.trim();
}

/** What the buttons on the page offer now. */
function fromPage() {
  const here = [...document.querySelectorAll(ACTS)].filter((element) => isUsable(element) && !("menu" in element.dataset) && !element.closest("dialog"));
  const lines = here.map((element) => ({
    group: element.closest("#main, #card") ? words("thisTicket") : words("general"),
    found: false,
    icon: element.closest("label")?.querySelector("svg") ?? element.querySelector("svg"),
    label: label(element),
    hint: "",
    key: element.dataset.key ?? "",
    sought: plain(label(element)),
    id: `act:${label(element)}`,
    press: () => element.click(),
  }));
  const once = lines.filter((line, place) => line.label && lines.findIndex((other) => other.id === line.id) === place);
  return once.sort((a, b) => (a.group === b.group ? 0 : a.group === words("thisTicket") ? -1 : 1));
}

async function answers() {
  if (!document.getElementById("composer")) return [];
  return (await offers()).map((one) => ({
    group: words("answers"),
    onDemand: true,
    icon: null,
    label: one.name,
    hint: one.shortcut ? `/${one.shortcut}` : "",
    sought: plain(`${one.name} ${one.sought} ${words("answers")}`),
    id: `answer:${one.id}`,
    press: one.take,
  }));
}

function recent() {
  try {
    return JSON.parse(localStorage.getItem("commands") ?? "[]");
  } catch {
    return []; // nothing kept, or a browser that forbids it
  }
}

function remember(id) {
  try {
    localStorage.setItem("commands", JSON.stringify([id, ...recent().filter((other) => other !== id)].slice(0, MOST_RECENT)));
  } catch {
    // The order then stays as it is.
  }
}

/** How well a line answers: 0 begins with it, 1 a word does, 2 it is somewhere, -1 it does not. */
function rank(line, wanted) {
  const whole = plain(line.label);
  if (!wanted.every((word) => line.sought.includes(word))) return -1;
  if (whole.startsWith(wanted.join(" "))) return 0;
  return wanted.every((word) => ` ${whole}`.includes(` ${word}`)) ? 1 : 2;
}

function matching(typed) {
  const spellings = [typed, ...otherLayouts(typed)].map((one) => plain(one).split(" ").filter(Boolean));
  if (!typed) {
    const before = recent();
    const again = before.map((id) => commands.find((line) => line.id === id && !line.found)).filter(Boolean);
    const rest = commands.filter((line) => !line.onDemand && !again.includes(line));
    return [...again.map((line) => ({ ...line, group: words("recent") })), ...rest];
  }
  const ranked = [];
  for (const line of commands) {
    const ranks = line.found ? [1] : spellings.map((wanted, place) => rank(line, wanted) + (place ? 0.5 : 0)).filter((value) => value >= 0);
    if (ranks.length) ranked.push([Math.min(...ranks), line]);
  }
  return ranked.sort((a, b) => a[0] - b[0]).map((pair) => pair[1]);
}

/** Lines of one group stand together, the groups in the order of their best line. */
function grouped(lines) {
  const groups = new Map();
  for (const line of lines) groups.set(line.group, [...(groups.get(line.group) ?? []), line]);
  return [...groups.values()].flat();
}

function show() {
  const typed = field().value.trim();
  shown = grouped(matching(typed).slice(0, MOST_SHOWN));
  const list = dialog().querySelector("[role=listbox]");
  const nodes = [];
  let group = "";
  shown.forEach((line, place) => {
    if (line.group !== group) nodes.push(heading((group = line.group)));
    nodes.push(option(line, place));
  });
  list.replaceChildren(...nodes);
  dialog().querySelector("[data-none]").hidden = shown.length > 0;
  choose(0);
}

function heading(text) {
  const line = document.createElement("li");
  line.className = "command-group";
  line.setAttribute("role", "presentation");
  line.textContent = text;
  return line;
}

function option(line, place) {
  const item = document.createElement("li");
  item.className = "command";
  item.id = `command-${place}`;
  item.setAttribute("role", "option");
  item.dataset.place = place;
  const name = document.createElement("span");
  name.className = "clip grow";
  name.textContent = line.label;
  if (line.icon) item.append(line.icon.cloneNode(true));
  item.append(name);
  if (line.hint) item.append(Object.assign(document.createElement("small"), { textContent: line.hint, className: "clip" }));
  if (line.key) item.append(Object.assign(document.createElement("kbd"), { textContent: hint(line.key) }));
  return item;
}

function choose(place) {
  chosen = shown.length ? (place + shown.length) % shown.length : 0;
  for (const item of dialog().querySelectorAll("[role=option]")) item.setAttribute("aria-selected", String(Number(item.dataset.place) === chosen));
  const item = document.getElementById(`command-${chosen}`);
  item?.scrollIntoView({ block: "nearest" });
  if (item) field().setAttribute("aria-activedescendant", item.id);
  else field().removeAttribute("aria-activedescendant");
}

function take(place) {
  const line = shown[place];
  if (!line) return;
  remember(line.id);
  dialog().close(); // the focus is back where it was before anything happens
  line.press();
}

/** Tickets and customers for what is typed; an answer that came too late is dropped. */
async function look() {
  const typed = field().value.trim();
  asked?.abort();
  commands = commands.filter((line) => !line.found);
  show();
  if (typed.length < 2) return;
  const mine = (asked = new AbortController());
  const other = otherLayouts(typed)[0] ?? "";
  const answer = await send(`/commands/found?${new URLSearchParams({ q: typed, other })}`, { headers: { "HX-Request": "true" }, signal: mine.signal }).catch(() => null);
  if (!answer?.ok || mine.signal.aborted) return;
  const html = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (mine.signal.aborted || !dialog().open) return;
  commands = [...commands.filter((line) => !line.found), ...[...html.querySelectorAll("[data-command]")].map(fromServer)];
  const kept = shown[chosen]?.id;
  show();
  const place = shown.findIndex((line) => line.id === kept);
  if (place > 0) choose(place);
}

function typed() {
  show();
  clearTimeout(timer);
  timer = setTimeout(look, PAUSE_MS);
}

function keys(event) {
  if (event.key === "ArrowDown") choose(chosen + 1);
  else if (event.key === "ArrowUp") choose(chosen - 1);
  else if (event.key === "Enter" && !event.isComposing) take(chosen);
  else return;
  event.preventDefault();
}

function begin(bar) {
  if (bar.dataset.begun) return;
  bar.dataset.begun = "yes";
  field().addEventListener("input", typed);
  field().addEventListener("keydown", keys);
  bar.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (item) take(Number(item.dataset.place));
  });
  bar.addEventListener("close", () => {
    asked?.abort();
    clearTimeout(timer);
  });
}

/** Open the bar: what the page offers at once, the rest as it comes. */
export async function open() {
  const bar = dialog();
  if (!bar || bar.open) return;
  begin(bar);
  field().value = "";
  commands = fromPage();
  const ticket = document.querySelector("#main [data-ticket]")?.dataset.ticket;
  bar.showModal();
  field().focus();
  show();
  const parts = [fetched("/commands")];
  if (ticket && document.querySelector(".ticket-actions .btn")) parts.push(answers(), fetched(`/commands/tickets/${ticket}`));
  for (const part of parts) {
    part.then((lines) => {
      if (!bar.open) return;
      const place = chosen;
      commands = [...commands.filter((line) => !line.found), ...lines, ...commands.filter((line) => line.found)];
      show();
      choose(Math.min(place, shown.length - 1));
    }, () => {}); // what cannot be had now is not offered
  }
}
