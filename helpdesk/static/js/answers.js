// The list of ready answers and of variables: filtered as one types, with a preview, put in at the caret. Fetched when it
// is first wanted and kept per queue; what stands for the variables is asked for per ticket.
import { current, insert, textOf } from "./composer.js";
import { send } from "./htmx_setup.js";
import { onMount } from "./mount.js";
import { fill } from "./variables.js";

const MOST_SHOWN = 60;
const answersOf = new Map(); // URL -> promise of rows
const variablesOf = new Map(); // URL -> promise of {language, variables, closing}

let tab = "answers";
let slash = "";
let found = [];
let chosen = 0;
let put = insert;
let taken = "";
let state = { answers: [], variables: [], values: new Map(), language: "" };

const dialog = () => document.getElementById("answers");
const search = () => dialog().querySelector("[data-answers-search]");
const plain = (words) => words.toLocaleLowerCase().normalize("NFC").replaceAll("ё", "е");

function json(cache, url) {
  if (!cache.has(url)) {
    const asked = send(url, { headers: { Accept: "application/json", "X-Background": "1" } }).then((answer) => {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    });
    cache.set(url, asked);
    asked.catch(() => cache.delete(url));
  }
  return cache.get(url);
}

async function read(composer) {
  const [answers, told] = await Promise.all([json(answersOf, composer.dataset.answersUrl), json(variablesOf, composer.dataset.variablesUrl)]);
  const values = new Map(told.variables.map((one) => [one.name, one.value]));
  const near = (one) => (one.language === told.language ? 0 : one.language ? 2 : 1);
  // Those in the customer's language first, the others behind, each by name as the server sorted them.
  const rows = answers.map((one) => ({ ...one, sought: plain(`${one.name} ${one.keywords} ${one.shortcut} ${one.body}`), head: plain(`${one.name} ${one.keywords}`) }));
  rows.sort((a, b) => near(a) - near(b));
  return { answers: rows, variables: told.variables, values, language: told.language, closing: told.closing };
}

/** Fetch what the list will show; where somebody has begun to write, also what will stand below a mail. */
export async function warm(composer, begun) {
  if (!begun) return json(answersOf, composer.dataset.answersUrl);
  const told = await read(composer);
  const closing = composer.querySelector("[data-closing] .closing-text");
  if (closing) closing.textContent = told.closing || closing.dataset.none;
  return told;
}

/** Open the list; `character` is what was typed to open it, `take` gets what was chosen (the caret, by default). */
export async function open(_button, character = "", take = insert) {
  const composer = current();
  if (!composer) return;
  [slash, put, tab] = [character, take, "answers"];
  search().value = "";
  dialog().showModal();
  search().focus();
  // Somebody who opens the list may have changed an answer a moment ago: the list is asked for again behind it.
  state = { ...state, answers: [], variables: [] };
  const again = json(answersOf, composer.dataset.answersUrl).then(() => refresh(composer));
  try {
    state = await read(composer);
    show();
    await again;
  } catch {
    preview(dialog().querySelector("[data-answers-words]").dataset.failed);
  }
}

/** For the command bar: the ready answers of the open ticket; `take()` puts one in at the caret. */
export async function offers() {
  const composer = current();
  if (!composer) return [];
  const told = await read(composer);
  return told.answers.map((one) => ({
    id: one.id,
    name: one.name,
    shortcut: one.shortcut,
    sought: `${one.keywords} ${one.shortcut}`,
    take: () => insert(fill(one.body, told.values)),
  }));
}

async function refresh(composer) {
  const url = composer.dataset.answersUrl;
  const before = await answersOf.get(url);
  const answer = await send(url, { headers: { Accept: "application/json", "X-Background": "1" } });
  if (!answer.ok) return;
  const rows = await answer.json();
  answersOf.set(url, Promise.resolve(rows));
  if (JSON.stringify(rows) === JSON.stringify(before) || !dialog().open) return;
  state = await read(composer);
  show();
}

function matches() {
  const wanted = plain(search().value.trim()).split(/\s+/).filter(Boolean);
  if (tab === "variables") return state.variables.filter((one) => wanted.every((word) => plain(`${one.name} ${one.label}`).includes(word)));
  if (!wanted.length) return state.answers.slice(0, MOST_SHOWN);
  const short = wanted.join(" ");
  const rank = (one) => (plain(one.shortcut) === short ? 0 : one.head.startsWith(short) ? 1 : wanted.every((word) => one.head.includes(word)) ? 2 : 3);
  const fitting = state.answers.filter((one) => wanted.every((word) => one.sought.includes(word)));
  return fitting.map((one) => [rank(one), one]).sort((a, b) => a[0] - b[0]).slice(0, MOST_SHOWN).map((pair) => pair[1]);
}

function show() {
  found = matches();
  chosen = 0;
  const row = dialog().querySelector("[data-answer-row]").content.firstElementChild;
  const noValue = dialog().querySelector("[data-answers-words]").dataset.noValue;
  dialog().querySelector("#answers-list").replaceChildren(
    ...found.map((one, place) => {
      const item = row.cloneNode(true);
      const [name, small, key] = item.children;
      item.id = `answers-option-${place}`;
      item.dataset.place = place;
      name.textContent = tab === "answers" ? one.name : one.label;
      small.textContent = tab === "answers" ? one.body.slice(0, 140) : one.value || noValue;
      small.classList.toggle("is-missing", tab === "variables" && !one.value);
      key.textContent = tab === "answers" ? (one.shortcut ? `/${one.shortcut}` : "") : `{${one.name}}`;
      return item;
    }),
  );
  for (const button of dialog().querySelectorAll("[data-answers-tab]")) button.setAttribute("aria-pressed", String(button.dataset.answersTab === tab));
  dialog().querySelector("[data-answers-none]").hidden = found.length > 0;
  choose(0);
}

/** Mark one row and show what it would put in; unknown variables stand out in it. */
function choose(place) {
  chosen = Math.max(0, Math.min(found.length - 1, place));
  for (const item of dialog().querySelectorAll("[role=option]")) item.setAttribute("aria-selected", String(Number(item.dataset.place) === chosen));
  const item = dialog().querySelector(`#answers-option-${chosen}`);
  item?.scrollIntoView({ block: "nearest" });
  search().setAttribute("aria-activedescendant", item?.id ?? "");
  preview(found[chosen] ? words(found[chosen]) : "");
}

const words = (one) => (tab === "answers" ? fill(one.body, state.values) : one.value || `{${one.name}}`);

function preview(text) {
  const box = dialog().querySelector("[data-answers-preview]");
  const pieces = text.split(/(\{[\p{L}_][\p{L}\p{N}_]{0,59}\})/u);
  box.replaceChildren(...pieces.map((piece, place) => (place % 2 ? Object.assign(document.createElement("mark"), { textContent: piece }) : piece)));
}

function take(place) {
  const one = found[place];
  if (!one) return;
  taken = words(one);
  slash = "";
  dialog().close();
}

function keys(event) {
  const short = plain(search().value.trim());
  if (event.key === "ArrowDown") choose(chosen + 1);
  else if (event.key === "ArrowUp") choose(chosen - 1);
  else if (event.key === "PageDown") choose(chosen + 8);
  else if (event.key === "PageUp") choose(chosen - 8);
  else if (event.key === "Enter") take(chosen);
  else if (event.key === "Escape") dialog().close();
  else if (event.key === " " && tab === "answers" && short && plain(found[0]?.shortcut ?? "") === short) take(0);
  else if (event.key === "Tab" && !event.shiftKey) turn(tab === "answers" ? "variables" : "answers");
  else return;
  event.preventDefault();
}

function turn(to) {
  tab = to;
  show();
  search().focus();
}

onMount("#answers", (list) => {
  search().addEventListener("input", show);
  search().addEventListener("keydown", keys);
  list.addEventListener("pointermove", (event) => {
    const item = event.target.closest("[role=option]");
    if (item && Number(item.dataset.place) !== chosen) choose(Number(item.dataset.place));
  });
  list.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (item) take(Number(item.dataset.place));
    const button = event.target.closest("[data-answers-tab]");
    if (button) turn(button.dataset.answersTab);
  });
  // Only when it is closed can the text below it take anything. Without a choice the character itself was meant.
  list.addEventListener("close", () => {
    if (taken) put(taken);
    else if (slash) insert(slash);
    else if (put === insert) textOf()?.focus();
    [slash, taken] = ["", ""];
  });
});
