// The conversation's scrolling. It opens where something new begins, else at its end; stays at its end when it was
// there; loads earlier messages by themselves without moving what is read; and goes to any message by its number, also
// to one far above (#message-123). New messages announce themselves in one sentence.
// <div class="pane-scroll" data-stick data-new-words="..."> holds the thread and a hidden .jump with a button.
//
// What was loaded stands in <ol id="thread-older"> above <ol id="thread">, which is fetched again when something
// happens; "from" tells the server where that one begins, so that nothing between the two is lost.
import { mounted, onMount } from "./mount.js";
import { announce, toastText } from "./toasts.js";

const NEAR_PX = 80;
const AHEAD_PX = 600;
const RESULT = "htmx:afterSettle";

let before = null;
let follows = true;
let way = "up";

const pane = () => document.querySelector("[data-stick]");
const thread = () => document.getElementById("thread");
const older = () => document.getElementById("thread-older");
const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
const messages = (box) => box.querySelectorAll("[data-message]");
const last = (box) => [...messages(box)].at(-1);
const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function toEnd(box) {
  box.scrollTop = box.scrollHeight;
  box.querySelector(".jump")?.toggleAttribute("hidden", true);
}

// What the browser shows already is asked for again as a whole.
document.addEventListener("htmx:configRequest", (event) => {
  const { from } = thread()?.dataset ?? {};
  if (from && event.detail.target === thread()) event.detail.headers["X-Thread-From"] = from;
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const box = pane();
  if (box?.contains(event.detail.target)) before = { box, atEnd: atEnd(box), last: last(box)?.id, from: thread()?.dataset.from };
});

document.addEventListener(RESULT, (event) => {
  const box = pane();
  // Bar, card and list settle in between; only the thread itself ends what began with it.
  if (!box || before?.box !== box || !box.contains(event.detail?.elt ?? box)) return;
  const was = before;
  before = null;
  if (thread().dataset.from !== was.from) older()?.remove();
  tidy();
  const newest = last(box);
  if (was.atEnd) toEnd(box);
  if (!newest || newest.id === was.last) return;
  if (!was.atEnd) box.querySelector(".jump")?.removeAttribute("hidden");
  const words = { inbound: box.dataset.newWords, note: box.dataset.noteWords }[newest.dataset.message];
  if (words) announce(words.replace("{name}", newest.dataset.author));
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-to-end]")) return toEnd(pane());
  const more = event.target.closest("#thread .earlier, #thread-older .earlier");
  if (more) {
    event.preventDefault();
    return void load(more);
  }
  const link = event.target.closest('a[href^="#message-"]');
  if (!link) return;
  event.preventDefault();
  history.replaceState(history.state, "", link.hash);
  jump(link.hash.slice(1));
});
addEventListener("hashchange", () => location.hash.startsWith("#message-") && jump(location.hash.slice(1)));

/** Go to the message with this element id; loads what is around it where it is not on the page. */
async function jump(id) {
  const box = pane();
  if (!box) return;
  follows = false;
  if (!document.getElementById(id)) await loadAround(box, Number(id.replace("message-", "")));
  const found = document.getElementById(id);
  if (!found) return toastText(box.dataset.goneWords);
  found.scrollIntoView({ block: "center", behavior: isCalm() ? "auto" : "smooth" });
  show(found);
}

function show(message) {
  const target = message.querySelector("article") ?? message;
  target.tabIndex = -1;
  target.focus({ preventScroll: true });
  document.querySelector(".is-target")?.classList.remove("is-target");
  message.classList.add("is-target");
}

async function page(url) {
  const answer = await fetch(url, { credentials: "same-origin", headers: { "HX-Request": "true" } });
  if (!answer.ok) return null;
  const came = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-page]");
  for (const item of came?.querySelectorAll("[id]") ?? []) {
    if (item.parentElement === came && document.getElementById(item.id)) item.remove();
  }
  return came && [...came.children];
}

function place() {
  if (older()) return older();
  const list = document.createElement("ol");
  list.id = "thread-older";
  list.className = "thread thread-older";
  list.setAttribute("aria-label", thread().getAttribute("aria-label"));
  thread().before(list);
  return list;
}

/** Run `change`, which puts something on the page, and keep `still` where it is on the screen. */
function keeping(box, still, change) {
  const top = still?.getBoundingClientRect().top;
  change();
  if (still?.isConnected) box.scrollTop += still.getBoundingClientRect().top - top;
}

/** The first message that can be seen: whatever comes above it must not move it. */
function seen(box) {
  const { top } = box.getBoundingClientRect();
  return [...messages(box)].find((message) => message.getBoundingClientRect().bottom > top) ?? null;
}

async function load(more) {
  if (more.getAttribute("aria-busy")) return;
  more.setAttribute("aria-busy", "true");
  const isGap = "gap" in more.dataset;
  const down = isGap && way === "down";
  const url = isGap ? (down ? more.dataset.downUrl : more.dataset.upUrl) : more.dataset.moreUrl;
  const items = await page(url).catch(() => null);
  more.removeAttribute("aria-busy");
  const box = pane();
  if (!items || !more.isConnected || !box) return;
  keeping(box, seen(box), () => {
    if (more.parentElement === thread()) place().prepend(...items);
    else more.replaceWith(...items);
    tidy();
    added();
  });
  look(box);
}

async function loadAround(box, id) {
  const first = thread()?.dataset.from;
  if (!first || !(id < Number(first))) return;
  const url = new URL(thread().dataset.pageUrl, location.href);
  url.searchParams.set("around", id);
  url.searchParams.set("before", first);
  const items = await page(url).catch(() => null);
  if (!items) return;
  place().replaceChildren(...items);
  tidy();
  added();
}

function added() {
  window.htmx?.process(older());
  mounted();
  document.dispatchEvent(new CustomEvent("thread:added"));
}

/** A day that goes on from one part of the thread into the next is named once. */
function tidy() {
  let day = "";
  for (const line of document.querySelectorAll("#thread-older > .day, #thread > .day")) {
    line.hidden = line.dataset.day === day;
    day = line.dataset.day;
  }
}

/** Load what somebody is about to scroll to. */
function look(box) {
  for (const more of box.querySelectorAll(".earlier")) {
    if (!more.checkVisibility() || (follows && !isShort(box))) continue;
    const { top, bottom } = more.getBoundingClientRect();
    const frame = box.getBoundingClientRect();
    // A gap that a fast hand has just passed is filled all the same; one that is still ahead waits to be seen.
    const [behind, ahead] = "gap" in more.dataset ? [3 * frame.height, 0] : [AHEAD_PX, AHEAD_PX];
    if (bottom > frame.top - behind && top < frame.bottom + ahead) load(more);
  }
}

const isShort = (box) => box.scrollHeight <= box.clientHeight + 1;

/** Open the conversation: at the message that the address names, else where something new begins, else at its end. */
function open(box) {
  follows = true;
  if (location.hash.startsWith("#message-")) return jump(location.hash.slice(1));
  toEnd(box);
  const firstNew = thread()?.dataset.firstNew;
  if (!firstNew) return;
  const found = document.getElementById(`message-${firstNew}`);
  const line = document.getElementById("new-line") ?? found;
  if (!found) return void jumpNew(box, Number(firstNew));
  const distance = line.getBoundingClientRect().top - box.getBoundingClientRect().top;
  if (distance >= 0) return;
  box.scrollTop += distance - 12;
  follows = false;
}

async function jumpNew(box, id) {
  await loadAround(box, id);
  const found = document.getElementById(`message-${id}`);
  if (!found) return;
  follows = false;
  found.scrollIntoView({ block: "start" });
  if (!atEnd(box)) box.querySelector(".jump")?.removeAttribute("hidden");
}

onMount("[data-stick]", (box) => {
  let from = 0;
  open(box);
  from = box.scrollTop;
  box.addEventListener("scroll", () => {
    way = box.scrollTop > from ? "down" : "up";
    from = box.scrollTop;
    follows = atEnd(box);
    if (follows) box.querySelector(".jump")?.toggleAttribute("hidden", true);
    look(box);
  }, { passive: true });
  // Pictures come after the page and push its end away from whoever was there.
  box.addEventListener("load", (event) => follows && event.target.matches("img") && toEnd(box), true);
});
