// The desk without page loads. Links and forms of the desk are fetched with the header X-Panes; the same address then
// answers with its panes alone, and only these are exchanged. Addresses, back, reload and pages without scripts work as
// ever, because nothing but the way of the answer differs. Whatever does not answer with panes is opened as a page.
//
// Before panes go, `desk:leave` is sent to the document; whoever has something unsaved may cancel it and call
// `event.detail.proceed()` later. `desk:coming` ({ panes }) is the moment to change what has come before it is on the
// page, where that costs neither style nor layout. Then the panes are shown and painted; what nobody sees follows at
// once, or with the next key or click: htmx, `desk:shown` ({ url }), the address.
import { send } from "./htmx_setup.js";
import { mountedUnpainted } from "./mount.js";
import { clear, take } from "./prefetch.js";
import { toast, toastFragment } from "./toasts.js";

// Nouns whose pages are worked in; administration and the rest are ordinary pages.
const DESK = /^\/(queues|tickets|claims|t|views|people-list|customers|search|spam|tasks|drafts|notices)(\/|$)/;
const PANES = ["list-pane", "main", "card"];
const BUSY_MS = 250; // what comes sooner is not announced as being waited for
const UNPAINTED_MS = 100; // a page in the background is painted never
const shell = document.querySelector(".shell");
const title = () => document.querySelector("title");
let running = null;
let railPath = "";
let rest = null; // what is left to be done for panes that came

const isDesk = (url) => url.origin === location.origin && DESK.test(url.pathname);
const listKey = () => document.getElementById("list-pane")?.dataset.listKey ?? "";

/** The headers with which a page is asked for its panes; the list that is shown already is not sent again. */
export const paneHeaders = () => ({ "X-Panes": "1", "X-List": listKey(), Accept: "text/html" });

/**
 * Go to `url` (a URL or a string) without a page load. Options: `method`, `body` (FormData), `push` (false where the
 * address must not change), `focus`: "composer", "list", "main" or nothing. Resolves when the panes are shown.
 */
export async function visit(url, options = {}) {
  const target = new URL(url, location.href);
  if (!leave(() => visit(url, options))) return;
  running?.abort();
  complete();
  const mine = (running = new AbortController());
  const asker = document.querySelector("#dialog[open]"); // what opens meanwhile is not this visit's to close
  const wait = setTimeout(() => shell.setAttribute("aria-busy", "true"), BUSY_MS);
  try {
    const answer = await fetched(target, options, mine.signal);
    if (running !== mine) return;
    await show(answer, target, options, asker);
  } catch (error) {
    if (error.name !== "AbortError") toast("offline");
  } finally {
    clearTimeout(wait);
    if (running === mine) {
      running = null;
      shell.removeAttribute("aria-busy");
    }
  }
}

async function fetched(target, { method = "GET", body }, signal) {
  const asked = method === "GET" && !body && take(target.href, listKey());
  clear();
  const ready = asked && (await asked);
  if (ready) return ready;
  const answer = await send(target, { method, body, signal, headers: paneHeaders() });
  const isPage = (answer.headers.get("Content-Type") ?? "").startsWith("text/html");
  return { status: answer.status, url: answer.url, text: isPage ? await answer.text() : "", isPage };
}

/** Whether whoever has something unsaved lets it go; else `again` is done when they do. */
function leave(again) {
  const event = new CustomEvent("desk:leave", { cancelable: true, detail: { proceed: again } });
  return document.dispatchEvent(event);
}

async function show({ status, url, text, isPage }, target, options, asker) {
  const came = isPage && new DOMParser().parseFromString(text, "text/html");
  if (!came?.getElementById("main") || came.querySelector("script")) {
    if (came?.querySelector("[data-toast]")) return toastFragment(text);
    if (status >= 400) return toast(status === 401 ? "expired" : "failed");
    return location.assign(url || target);
  }
  asker?.close();
  const named = came.querySelector('meta[name="desk-url"]')?.content || url;
  const fresh = exchange(came);
  place(options.focus);
  afterPaint(() => {
    const address = new URL(withList(named), location.href);
    if (options.push !== false && address.href !== location.href) history.pushState({ desk: true }, "", address);
    tell(fresh);
  });
}

function afterPaint(work) {
  rest = work;
  const after = () => rest === work && complete();
  requestAnimationFrame(() => setTimeout(after));
  setTimeout(after, UNPAINTED_MS);
}

/** Do what is left for the panes that came last, unless it was done. */
function complete() {
  const work = rest;
  rest = null;
  work?.();
}
// Nobody's hand meets a page that is not complete.
for (const name of ["keydown", "pointerdown", "click", "submit"]) addEventListener(name, complete, true);

/** The address names the list beside the ticket too. */
function withList(named) {
  const address = new URL(named, location.href);
  if (address.pathname.startsWith("/tickets/") && listKey() && !address.searchParams.has("in")) address.searchParams.set("in", listKey());
  return address.href;
}

/** Put the panes that have come in their places; gives those that are new. */
function exchange(came) {
  const fresh = [];
  document.dispatchEvent(new CustomEvent("desk:coming", { detail: { panes: came } }));
  title().textContent = came.querySelector("title")?.textContent ?? "";
  document.querySelector('meta[name="live-topics"]').content = came.querySelector('meta[name="live-topics"]')?.content ?? "";
  for (const id of PANES) {
    const before = document.getElementById(id);
    const after = came.getElementById(id);
    if (after && "kept" in after.dataset && before) continue;
    if (before && after) before.replaceWith(after);
    else if (before) before.remove();
    else if (after && id === "list-pane") document.getElementById("main").before(after);
    else if (after) document.getElementById("main").after(after);
    if (after) fresh.push(after);
  }
  markRail(came.querySelector('meta[name="rail-current"]')?.content);
  renewKeys();
  markOpen();
  mountedUnpainted();
  return fresh;
}

function tell(fresh) {
  for (const pane of fresh) if (pane.isConnected) window.htmx?.process(pane);
  const main = document.getElementById("main");
  // To the other modules this is a swap like any other.
  for (const name of ["htmx:afterSwap", "htmx:afterSettle"]) {
    document.dispatchEvent(new CustomEvent(name, { detail: { target: main, elt: main } }));
  }
  document.dispatchEvent(new CustomEvent("desk:shown", { detail: { url: location.href } }));
}

/** Fragments of the rail do not know what is shown; without a path the last one stays. */
function markRail(path) {
  railPath = path || railPath;
  for (const link of document.querySelectorAll(".rail-link")) {
    if (link.pathname === railPath) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** The row of the open ticket is marked by its address; fragments of lists know nothing of what is open. */
export function markOpen() {
  const open = document.getElementById("main")?.querySelector("[data-ticket]")?.dataset.ticket;
  for (const row of document.querySelectorAll("#list-pane .row-item")) {
    const link = row.querySelector(".row-link");
    const isOpen = Boolean(open) && (row.dataset.id ?? link?.pathname.match(/^\/tickets\/(\d+)/)?.[1]) === open;
    if (isOpen) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

/** The rail stays while acts follow each other: each needs a key of its own, or the second would be the first again. */
function renewKeys() {
  for (const field of document.querySelectorAll('.rail input[name="key"]')) {
    field.value = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(36)).join("");
  }
}

function place(focus) {
  const main = document.getElementById("main");
  const list = document.getElementById("list-pane");
  document.documentElement.dataset.shows = !list ? "" : main.classList.contains("start-pane") ? "list" : "ticket";
  const text = main.querySelector("#composer textarea");
  if (focus === "composer" && text) return text.focus();
  if (focus === "list") {
    const row = document.querySelector('#list-pane .row-item[aria-current] .row-link, #list-pane .row-link');
    if (row) return row.focus();
  }
  (main.querySelector("[data-start], [autofocus]") ?? main.querySelector(".pane-scroll") ?? main).focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || link.hasAttribute("hx-get") || "full" in link.dataset || !shell) return;
  // The way back leads to the list that stands beside, whichever the server knew of.
  const list = link.classList.contains("list-back") && document.querySelector("#list-pane .list-bar h2 a");
  const url = new URL(list ? list.href : link.href);
  if (!isDesk(url) || (url.pathname === location.pathname && url.search === location.search && url.hash)) return;
  event.preventDefault();
  const focus = link.closest(".list-tabs, .rail") ? "list" : undefined;
  document.querySelector("dialog[open]:not(#dialog)")?.close();
  visit(url, { focus });
});

// After questions (data-confirm) were put: those listeners hear first, in the capture phase.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = event.submitter;
  if (event.defaultPrevented || form.hasAttribute("hx-post") || form.hasAttribute("hx-get") || "full" in form.dataset || !shell) return;
  if (form.method === "dialog" || form.target) return;
  const url = new URL(button?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.href, location.href);
  if (!isDesk(url)) return;
  event.preventDefault();
  const body = new FormData(form, button);
  const takes = /\/(claims|closure-and-next)$/.test(url.pathname);
  if (form.method === "get") {
    url.search = new URLSearchParams(body).toString();
    visit(url, { focus: form.dataset.focus });
  } else visit(url, { method: "POST", body, focus: takes ? "composer" : form.dataset.focus });
});

addEventListener("popstate", () => {
  if (isDesk(new URL(location.href)) && shell) visit(location.href, { push: false });
  else location.reload();
});

document.addEventListener("htmx:afterSettle", () => {
  markOpen();
  markRail();
});
if (shell) {
  railPath = document.querySelector('meta[name="rail-current"]')?.content ?? "";
  history.replaceState({ desk: true }, "", withList(location.href));
}
