// Lists of tickets (templates/queues/_list.html): the next rows come near the end, live changes come in without moving
// what is being read, and what is new announces itself.
//
// A list that stands at its beginning and in which nobody is (no focus, no hand that moved there a moment ago, nothing
// chosen) is exchanged as it is. In any other, rows change in place, rows that left stay pale, and new ones wait behind
// a button. Rows are compared by their stamp; of those that are
// shown already in the same state only the place comes (data-same).
import { send } from "./htmx_setup.js";
import { mounted } from "./mount.js";
import { announce } from "./toasts.js";

const AHEAD_PX = 350;
const TOP_PX = 8;
const RESTLESS_MS = 2_500;
const MOST_ROWS = 500;
const PATIENCE = 20; // so many times as long as the last answer took, a list waits before it asks again
const LONGEST_PAUSE_MS = 10_000;
const NEW_ROWS = 20;
const MOST_NAMED = 300; // in a header, which must stay below 8 kB
const language = document.documentElement.lang || "en";
const plural = new Intl.PluralRules(language);

const waiting = new WeakMap(); // list: the fresh one that is held back
const busy = new WeakMap(); // list: what is done with it now
let movedAt = 0;
let movedIn = null;

const rowsOf = (list) => [...list.querySelectorAll(".row-item")];
const scrollerOf = (list) => list.closest(".pane-scroll") ?? document.scrollingElement;
const atTop = (list) => scrollerOf(list).scrollTop < TOP_PX;
const parse = (html) => new DOMParser().parseFromString(html, "text/html");

/** One thing after the other in each list. */
function queue(list, work) {
  const next = (busy.get(list) ?? Promise.resolve()).then(() => list.isConnected && work()).catch(() => {});
  busy.set(list, next);
  return next;
}

function isCalm(list) {
  const touched = movedIn === list && Date.now() - movedAt < RESTLESS_MS;
  return atTop(list) && !touched && !list.contains(document.activeElement) && !list.querySelector("[data-pick]:checked");
}

/** A fragment of the list; `known` says which rows need not come. */
async function fetchList(list, url, known = "") {
  const headers = { "HX-Request": "true", Accept: "text/html", "X-Background": "1", ...(known && { "X-Rows": known }) };
  const answer = await send(url, { headers });
  if (!answer.ok) return null;
  return parse(await answer.text()).getElementById(list.id);
}

/** To the other modules new rows are a swap like any other. */
function settle(list) {
  window.htmx?.process(list);
  mounted();
  for (const name of ["htmx:afterSwap", "htmx:afterSettle"]) {
    document.dispatchEvent(new CustomEvent(name, { detail: { target: list, elt: list } }));
  }
}

// --- the next rows

const observers = new WeakMap(); // by what scrolls

function observerOf(scroller) {
  if (!observers.has(scroller)) {
    const near = (entries) => entries.filter((one) => one.isIntersecting).forEach((one) => loadMore(one.target.closest("[data-rows]")));
    const root = scroller === document.scrollingElement ? null : scroller;
    observers.set(scroller, new IntersectionObserver(near, { root, rootMargin: `0px 0px ${AHEAD_PX}px 0px` }));
  }
  return observers.get(scroller);
}

function watchEnd(list) {
  const more = list.querySelector("[data-more]");
  if (more) observerOf(scrollerOf(list)).observe(more);
}

/** Append the next page; resolves with the first of its rows, if there is one. */
export function loadMore(list) {
  const link = list?.querySelector("[data-more]");
  if (!link || link.dataset.asked) return busy.get(list) ?? Promise.resolve();
  link.dataset.asked = "1";
  observerOf(scrollerOf(list)).unobserve(link);
  return queue(list, async () => {
    list.setAttribute("aria-busy", "true");
    try {
      const came = await fetchList(list, link.href);
      if (!came) return void delete link.dataset.asked;
      append(list, came);
    } finally {
      list.removeAttribute("aria-busy");
    }
  });
}

function append(list, came) {
  const place = list.querySelector(".rows") ?? list.insertBefore(document.createElement("ol"), list.querySelector(".rows-more"));
  place.classList.add("rows");
  const known = new Set(rowsOf(list).map((row) => row.id));
  const fresh = rowsOf(came).filter((row) => !known.has(row.id));
  for (const row of fresh) row.classList.add("is-further"); // out of sight, and not laid out before it comes into it
  place.append(...fresh);
  const said = list.querySelector("[data-loaded-text]")?.textContent;
  const end = came.querySelector(".rows-more");
  if (end) list.querySelector(".rows-more").replaceWith(end);
  else list.querySelector(".rows-more").remove();
  if (fresh.length && said && list.contains(document.activeElement)) announce(said);
  settle(list);
  watchEnd(list);
}

// --- what changed

const pauses = new WeakMap(); // list: until when it does not ask again
const asking = new WeakSet(); // lists that are going to ask

/** Read the list again: at once, or when its pause is over. A busy server makes the pauses longer. */
function refresh(list) {
  if (asking.has(list)) return;
  asking.add(list);
  setTimeout(() => {
    asking.delete(list);
    readAgain(list);
  }, Math.max(0, (pauses.get(list) ?? 0) - Date.now()));
}

function readAgain(list) {
  return queue(list, async () => {
    const url = new URL(list.dataset.refresh, location.href);
    const shown = rowsOf(list).filter((row) => row.dataset.id);
    // Behind the last row of a list that is loaded to its end stands only what is new; who is in it shall hear of that.
    // A list in which nobody is does not grow by what comes: the rest of it follows when somebody goes there.
    const behind = isCalm(list) || list.querySelector("[data-more]") ? 0 : NEW_ROWS;
    url.searchParams.set("span", String(Math.min(MOST_ROWS, shown.length + behind)));
    const began = Date.now();
    const known = shown.slice(0, MOST_NAMED).map((row) => `${row.dataset.id}.${row.dataset.stamp}`);
    const came = await fetchList(list, url, known.join(","));
    pauses.set(list, Date.now() + Math.min(LONGEST_PAUSE_MS, PATIENCE * (Date.now() - began)));
    if (came) take(list, came);
  });
}

function take(list, came) {
  if (came.dataset.version) list.dataset.version = came.dataset.version;
  if (isCalm(list)) return exchange(list, came);
  const fresh = new Map(rowsOf(came).map((row) => [row.id, row]));
  for (const row of rowsOf(list)) {
    const after = fresh.get(row.id);
    const isGone = !after && !isBeyond(list, came, row);
    row.classList.toggle("is-gone", isGone);
    if (isGone) row.querySelector(".row-link")?.setAttribute("aria-description", list.dataset.goneText ?? "");
    if (after) update(row, after);
  }
  hold(list, came);
}

/** Whether a row only stands behind what was asked for again. */
function isBeyond(list, came, row) {
  if (!came.querySelector(".rows-more")) return false;
  const ids = new Set(rowsOf(came).map((one) => one.id));
  const mine = rowsOf(list);
  const last = mine.findLastIndex((one) => ids.has(one.id));
  return mine.indexOf(row) > last;
}

function update(row, after) {
  if (row.dataset.stamp === after.dataset.stamp) return;
  row.dataset.stamp = after.dataset.stamp;
  row.classList.toggle("is-unread", after.classList.contains("is-unread"));
  row.classList.toggle("has-actions", after.classList.contains("has-actions"));
  // The link itself stays, so that focus and pointer keep what they are on.
  const [link, news] = [row.querySelector(".row-link"), after.querySelector(".row-link")];
  link.href = news.href;
  link.replaceChildren(...news.childNodes);
  const actions = row.querySelector(".row-actions");
  const others = after.querySelector(".row-actions");
  if (actions && others && !actions.contains(document.activeElement)) actions.replaceWith(others);
  else if (actions && !others && !actions.contains(document.activeElement)) actions.remove();
  else if (!actions && others) row.append(others);
  after.dataset.same = ""; // its content is here now
  settle(row);
}

/** What is new in a fresh list; behind the end of what is loaded stands nothing new, only more. */
function arrivals(list, came) {
  const known = new Set(rowsOf(list).map((row) => row.id));
  const all = rowsOf(came);
  const end = list.querySelector("[data-more]") ? all.findLastIndex((row) => known.has(row.id)) : all.length;
  return all.slice(0, end).filter((row) => !known.has(row.id));
}

function hold(list, came) {
  const arrived = arrivals(list, came);
  waiting.set(list, came);
  const button = list.querySelector("[data-show-new]");
  if (!button) return;
  const before = button.hidden ? 0 : Number(button.dataset.count);
  button.hidden = !arrived.length;
  button.dataset.count = String(arrived.length);
  const rule = plural.select(arrived.length);
  const sentence = (button.dataset[rule] ?? button.dataset.many).replace(/\d+/, String(arrived.length));
  if (button.textContent !== sentence) button.textContent = sentence;
  if (arrived.length > before) announce(sentence);
}

/** Fill the places of rows that did not change with the rows as they stand here. */
function fill(list, came) {
  const mine = new Map(rowsOf(list).map((row) => [row.id, row]));
  for (const place of came.querySelectorAll("[data-same]")) {
    const row = mine.get(place.id);
    row?.classList.remove("is-gone", "is-fresh");
    row?.querySelector(".row-link")?.removeAttribute("aria-description");
    if (row) place.replaceWith(row);
    else place.remove();
  }
}

/** Put a fresh list in place of what is shown. Rows come anew, or are put back into the page: nothing slides. */
function exchange(list, came, mark = false) {
  waiting.delete(list);
  const known = new Set(rowsOf(list).map((row) => row.id));
  const open = list.querySelector(".row-item[aria-current]")?.id;
  const focused = document.activeElement?.closest(".row-item")?.id;
  const top = scrollerOf(list).scrollTop;
  fill(list, came);
  list.replaceChildren(...came.childNodes);
  for (const row of rowsOf(list)) {
    if (row.id === open) row.setAttribute("aria-current", "true");
    if (mark && !known.has(row.id)) row.classList.add("is-fresh");
  }
  settle(list);
  watchEnd(list);
  scrollerOf(list).scrollTop = top;
  if (focused) document.getElementById(focused)?.querySelector(".row-link").focus({ preventScroll: true });
}

function showNew(list) {
  const came = waiting.get(list);
  if (!came) return;
  exchange(list, came, true);
  const first = list.querySelector(".row-item.is-fresh");
  first?.scrollIntoView({ block: "nearest" });
  first?.querySelector(".row-link").focus({ preventScroll: true });
}

/** What was held back comes in when the list is left alone at its beginning. */
function calmDown() {
  for (const list of document.querySelectorAll("[data-rows]")) {
    if (waiting.has(list) && isCalm(list)) exchange(list, waiting.get(list));
  }
}

document.addEventListener("live:changed", (event) => {
  const list = event.target.closest?.("[data-rows]");
  if (list?.dataset.refresh) refresh(list);
}, true);

document.addEventListener("click", (event) => {
  const list = event.target.closest("[data-rows]");
  if (!list) return;
  if (event.target.closest("[data-show-new]")) showNew(list);
  if (event.target.closest("[data-more]")) {
    event.preventDefault();
    loadMore(list);
  }
}, true);

document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.("[data-rows] .row-item");
  // By keys one comes to the end before the eye does.
  if (row && rowsOf(row.closest("[data-rows]")).slice(-6).includes(row)) loadMore(row.closest("[data-rows]"));
});

for (const name of ["pointermove", "wheel", "touchmove"]) {
  document.addEventListener(name, (event) => {
    movedAt = Date.now();
    movedIn = event.target.closest?.("[data-rows]") ?? null;
  }, { passive: true });
}
setInterval(calmDown, 1_000);

const begin = () => document.querySelectorAll("[data-rows]").forEach(watchEnd);
begin();
document.addEventListener("desk:shown", begin);
