// The head of a list: people who are found while one types, and the panel of conditions, fetched when it is opened.
import { send } from "./htmx_setup.js";

const PAUSE_MS = 140;
let timer = null;
let asked = 0;

// --- people

const boxOf = (field) => document.getElementById(field.getAttribute("aria-controls"));
const found = (field) => [...boxOf(field).querySelectorAll("[role=option]")];

async function find(field) {
  const mine = ++asked;
  const question = field.value.trim();
  if (!question) return close(field);
  const url = new URL(field.dataset.findPeople, location.href);
  url.searchParams.set("q", question);
  const answer = await send(url, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!answer?.ok || mine !== asked || !field.isConnected) return;
  const box = boxOf(field);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (mine !== asked) return;
  box.replaceChildren(...fresh.body.childNodes);
  box.hidden = false;
  field.setAttribute("aria-expanded", "true");
  choose(field, 0);
}

function close(field) {
  asked += 1;
  const box = boxOf(field);
  if (box) box.hidden = true;
  field.setAttribute("aria-expanded", "false");
  field.removeAttribute("aria-activedescendant");
}

function choose(field, place) {
  const people = found(field);
  people.forEach((person, at) => person.setAttribute("aria-selected", String(at === place)));
  if (!people[place]) return field.removeAttribute("aria-activedescendant");
  field.setAttribute("aria-activedescendant", people[place].id);
  people[place].scrollIntoView({ block: "nearest" });
}

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-find-people]")) return;
  clearTimeout(timer);
  timer = setTimeout(find, PAUSE_MS, event.target);
});

document.addEventListener("keydown", (event) => {
  const field = event.target.closest?.("[data-find-people]");
  if (!field || event.isComposing) return;
  const people = found(field);
  const here = people.findIndex((person) => person.getAttribute("aria-selected") === "true");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && people.length) {
    event.preventDefault();
    choose(field, (here + step + people.length) % people.length);
  } else if (event.key === "Enter" && !boxOf(field).hidden && people[here]) {
    event.preventDefault();
    close(field);
    people[here].click();
  } else if (event.key === "Escape" && !boxOf(field).hidden) {
    event.stopImmediatePropagation();
    close(field);
  }
}, true);

document.addEventListener("focusout", (event) => {
  const field = event.target.closest?.("[data-find-people]");
  if (field && !boxOf(field)?.contains(event.relatedTarget)) setTimeout(() => field.isConnected && document.activeElement !== field && close(field), 150);
});

// --- the panel of conditions

async function toggle(link) {
  const panel = document.getElementById(link.getAttribute("aria-controls"));
  const opens = panel.hidden;
  if (opens) {
    const answer = await send(link.href, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok || !link.isConnected) return;
    panel.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
  }
  panel.hidden = !opens;
  link.setAttribute("aria-expanded", String(opens));
  if (opens) panel.querySelector("input:not([type=hidden]), select")?.focus();
  else link.focus();
}

// Before the desk takes the click for a visit.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-filter-toggle]") ?? (event.target.closest("[data-filter-close]") && document.querySelector("[data-filter-toggle]"));
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  toggle(link);
}, true);

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !event.target.closest?.("#filter-panel")) return;
  event.stopImmediatePropagation();
  toggle(document.querySelector("[data-filter-toggle]"));
}, true);

// What is open beside the list stays open, and fields without a value stay out of the address.
document.addEventListener("submit", (event) => {
  const form = event.target.closest?.("[data-filter-form]");
  if (!form) return;
  form.elements.at.value = location.pathname;
}, true);
