// What happens on a ticket changes several of its panes at once. Those that name the same address in data-together are
// asked for in one request, and each part of the answer is put in its place as htmx would do it alone.
//
// One request at a time: what changes meanwhile is asked for afterwards, and a server that takes long, or that cannot
// answer now, is given more time. Nobody asked for these, so nobody is told when they have to wait.
import { send } from "./htmx_setup.js";
import { toast, toastFragment } from "./toasts.js";

const GATHER_MS = 15;
const PATIENCE = 3; // so many times as long as the last answer took
const RETRY_MS = 2_000;
const LONGEST_PAUSE_MS = 30_000;

const asking = new Map(); // address: { ids, failures }, while somebody wants something from there

const isVisiting = () => document.querySelector(".shell")?.getAttribute("aria-busy") === "true";
const shown = (address, ids) => [...ids].filter((id) => document.getElementById(id)?.dataset.together === address);
const after = (address, pause) => setTimeout(ask, pause, address);

function want(address, id) {
  const known = asking.get(address);
  if (known) return void known.ids.add(id);
  asking.set(address, { ids: new Set([id]), failures: 0 });
  after(address, GATHER_MS);
}

async function ask(address) {
  const wanted = asking.get(address);
  const ids = shown(address, wanted.ids);
  if (!ids.length) return void asking.delete(address);
  if (isVisiting()) return void after(address, GATHER_MS); // whoever pressed a key comes first
  wanted.ids.clear();
  const began = Date.now();
  const isGood = await fetchParts(address, ids).catch(() => false);
  wanted.failures = isGood ? 0 : wanted.failures + 1;
  if (!isGood) for (const id of ids) wanted.ids.add(id);
  if (!wanted.ids.size) return void asking.delete(address);
  const pause = isGood ? PATIENCE * (Date.now() - began) : RETRY_MS * 2 ** (wanted.failures - 1);
  after(address, Math.min(LONGEST_PAUSE_MS, pause));
}

/** Whether the question is settled: the parts are in their places, or the server refused for good. */
async function fetchParts(address, ids) {
  const from = ids.includes("thread") && document.getElementById("thread").dataset.from;
  const headers = { "HX-Request": "true", "X-Background": "1", Accept: "text/html", ...(from && { "X-Thread-From": from }) };
  const answer = await send(`${address}?of=${ids.join(",")}`, { headers });
  if (answer.status >= 500 || answer.status === 429) return false;
  const text = await answer.text();
  if (!answer.ok) refused(answer.status, text);
  else if (shown(address, ids).length) exchange(address, ids, new DOMParser().parseFromString(text, "text/html"));
  return true;
}

function refused(status, text) {
  if (text.includes("data-toast")) toastFragment(text);
  else toast(status === 401 ? "expired" : "failed");
}

function exchange(address, ids, came) {
  for (const id of shown(address, ids)) {
    const part = came.getElementById(id);
    if (!part) continue;
    const pane = document.getElementById(id);
    const fragment = document.createDocumentFragment();
    fragment.append(document.adoptNode(part));
    const eventInfo = { target: pane, xhr: { status: 200, responseText: "" } };
    window.htmx.trigger(pane, "htmx:beforeSwap", eventInfo);
    window.htmx.swap(pane, fragment, { swapStyle: "morph", swapDelay: 0, settleDelay: 0 }, { contextElement: pane, eventInfo });
  }
}

// htmx, which hears the same event on the pane itself, must not ask as well.
document.addEventListener("live:changed", (event) => {
  const { together } = event.target.dataset ?? {};
  if (!together) return;
  event.stopImmediatePropagation();
  want(together, event.target.id);
}, true);
