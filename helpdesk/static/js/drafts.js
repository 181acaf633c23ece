// Drafts: what is being written is kept on the server, per operator and ticket, shortly after the last key, when the
// composer goes and when the page goes. PUT data-draft-url with the fields mode, body, to, cc and seen (the last message
// that was on the screen).
import { send } from "./htmx_setup.js";
import { onMount } from "./mount.js";

const PAUSE_MS = 400;
const keepers = new WeakMap();

class Keeper {
  constructor(composer) {
    this.composer = composer;
    this.url = composer.dataset.draftUrl;
    this.timer = null;
    this.running = Promise.resolve();
    this.kept = this.fields();
  }

  fields() {
    const all = new FormData(this.composer);
    return new URLSearchParams(["mode", "body", "seen", "to", "cc"].filter((name) => all.has(name)).map((name) => [name, all.get(name)])).toString();
  }

  show(state) {
    for (const word of this.composer.querySelectorAll("[data-draft-state]")) word.hidden = word.dataset.draftState !== state;
  }

  soon() {
    this.show("");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), PAUSE_MS);
  }

  /** Keep what stands there now; one after another, for an older text must never overtake a newer one. */
  flush(options = {}) {
    this.rest();
    const fields = this.fields();
    this.running = this.running.then(() => this.keep(fields, options));
    return this.running;
  }

  async keep(fields, options) {
    if (fields === this.kept) return;
    try {
      const answer = await send(this.url, { method: "PUT", body: new URLSearchParams(fields), ...options });
      if (!answer.ok) throw new Error(String(answer.status));
      this.kept = fields;
      this.show(new URLSearchParams(fields).get("body") ? "saved" : "");
    } catch {
      // The text is still on the screen; the word says that it is nowhere else, and the next key tries again.
      this.show("failed");
    }
  }

  rest() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  sent() {
    this.rest();
    this.kept = this.fields();
    this.show("");
  }
}

/** No draft of this composer is waiting or on its way any more. */
export function settled(composer) {
  const keeper = keepers.get(composer);
  keeper?.rest();
  return keeper?.running ?? Promise.resolve();
}

const keeperNow = () => keepers.get(document.getElementById("composer"));

onMount("#composer[data-draft-url]", (composer) => {
  const keeper = new Keeper(composer);
  keepers.set(composer, keeper);
  composer.addEventListener("input", (event) => {
    if (["mode", "body", "to", "cc"].includes(event.target.name)) keeper.soon();
  });
  composer.addEventListener("composer:sent", () => keeper.sent());
});

document.addEventListener("desk:leave", () => keeperNow()?.timer && keeperNow().flush());
// `pagehide` cannot wait for an answer: keepalive lets the request outlive the page.
addEventListener("pagehide", () => keeperNow()?.timer && keeperNow().flush({ keepalive: true }));
