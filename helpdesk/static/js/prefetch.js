// A ticket is asked for when its row gets the focus or the pointer, a queue when its entry in the rail does: by the time
// it is opened, it is there. What was asked for is used once and only for a few seconds; looking changes nothing on the
// server. While somebody is on the way to another place, nothing is asked for in advance: it would stand in their way.
import { send } from "./htmx_setup.js";

const FRESH_MS = 8_000;
const LINKS = '#list-pane .row-link, #rail a.rail-link[href^="/queues/"]';
const MOST = 6;
const PAUSE_MS = 60;
const ready = new Map();
let timer = null;

async function ask(href, list, signal) {
  const answer = await send(href, { signal, headers: { "X-Panes": "1", "X-List": list, "X-Background": "1", Accept: "text/html" } });
  if (!answer.ok || !(answer.headers.get("Content-Type") ?? "").startsWith("text/html")) return null;
  return { status: answer.status, url: answer.url, text: await answer.text(), isPage: true };
}

/** What was asked for in advance, a promise; nothing where it was not, or too long ago. */
export function take(href, list) {
  const found = ready.get(`${list} ${href}`);
  ready.delete(`${list} ${href}`);
  return found && Date.now() - found.at < FRESH_MS ? found.answer : null;
}

/** Ask for nothing now, and end what is on its way and was not taken. */
export function clear() {
  clearTimeout(timer);
  for (const [name, asked] of ready) {
    if (asked.isThere) continue;
    asked.stop.abort();
    ready.delete(name);
  }
}

function soon(link) {
  const list = document.getElementById("list-pane")?.dataset.listKey ?? "";
  const name = `${list} ${link.href}`;
  clearTimeout(timer);
  const known = ready.get(name);
  if (known && Date.now() - known.at < FRESH_MS) return;
  timer = setTimeout(() => {
    const asked = { at: Date.now(), stop: new AbortController(), isThere: false };
    asked.answer = ask(link.href, list, asked.stop.signal).catch(() => null);
    asked.answer.then(() => (asked.isThere = true));
    ready.set(name, asked);
    while (ready.size > MOST) ready.delete(ready.keys().next().value);
  }, PAUSE_MS);
}

for (const name of ["focusin", "pointerover"]) {
  document.addEventListener(name, (event) => {
    const link = event.target.closest?.(LINKS);
    if (link) soon(link);
  });
}
// What is said or changed meanwhile makes it old.
document.addEventListener("desk:stale", () => ready.clear());
