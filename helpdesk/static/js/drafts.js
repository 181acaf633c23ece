// Drafts: what is being written is kept on the server, per operator and ticket, shortly after the last key and when the
// page goes. PUT data-draft-url with the fields mode, body, to, cc and seen (the last message that was on the screen).
import { send } from "./htmx_setup.js";

const PAUSE_MS = 400;
const composer = document.getElementById("composer");
const url = composer?.dataset.draftUrl;

let timer = null;
let keptBody = null;
let running = Promise.resolve();

const fields = () => {
  const all = new FormData(composer);
  return new URLSearchParams(["mode", "body", "seen", "to", "cc"].filter((name) => all.has(name)).map((name) => [name, all.get(name)]));
};

function show(state) {
  for (const word of composer.querySelectorAll("[data-draft-state]")) word.hidden = word.dataset.draftState !== state;
}

async function keep(options = {}) {
  clearTimeout(timer);
  timer = null;
  const body = fields().toString();
  if (body === keptBody) return;
  try {
    const answer = await send(url, { method: "PUT", body: new URLSearchParams(body), ...options });
    if (!answer.ok) throw new Error(String(answer.status));
    keptBody = body;
    show(fields().get("body") ? "saved" : "");
  } catch {
    // The text is still on the screen; the word says that it is nowhere else, and the next key tries again.
    show("failed");
  }
}

/** No draft is waiting or on its way any more. */
export function settled() {
  clearTimeout(timer);
  timer = null;
  return running;
}

if (composer && url) {
  keptBody = fields().toString();
  const soon = () => {
    show("");
    clearTimeout(timer);
    // One after another: an older text must never overtake a newer one.
    timer = setTimeout(() => (running = running.then(() => keep())), PAUSE_MS);
  };
  composer.addEventListener("input", (event) => {
    if (["mode", "body", "to", "cc"].includes(event.target.name)) soon();
  });
  composer.addEventListener("composer:sent", () => {
    settled();
    keptBody = fields().toString();
    show("");
  });
  // `pagehide` cannot wait for an answer: keepalive lets the request outlive the page.
  addEventListener("pagehide", () => timer && keep({ keepalive: true }));
}
