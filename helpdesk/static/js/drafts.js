// Drafts: what is being written is kept on the server as one types, in this browser until the server has it, and told to
// the other windows of the same person.
//   <form data-draft-url data-draft-version data-draft-owner data-draft-fields="mode body to cc">
// GET and PUT data-draft-url, see views/drafts.py. A form comes and goes with its pane; a Place stays for as long as the
// page does, so that a form that comes again begins with what was written last, whatever the server has heard of it.
import { forget, recall, remember, signsOut } from "./draft_copies.js";
import { send } from "./htmx_setup.js";
import { onMount } from "./mount.js";

const PAUSE_MS = 350;
const LONGEST_MS = 1_000;
const RETRY_MS = 5_000;
const LOOK_MS = 2_000;
const FRESH_MS = 10_000;
const FIELDS = "mode body to cc answers";

const windowName = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36).padStart(2, "0")).join("");
const places = new Map();
const channel = "BroadcastChannel" in window ? new BroadcastChannel("drafts") : null;

const parts = (version) => (version ?? "").split(".").map(Number);

/** Whether version `one` ("draft.change") is of an earlier moment than `other`. */
function isOlder(one, other) {
  const [a, b] = [parts(one), parts(other)];
  return a[0] === b[0] ? a[1] < b[1] : a[0] < b[0];
}

class Place {
  constructor(form) {
    this.url = form.dataset.draftUrl;
    this.owner = form.dataset.draftOwner;
    this.version = form.dataset.draftVersion;
    this.names = (form.dataset.draftFields ?? FIELDS).split(" ");
    this.running = Promise.resolve();
    this.timer = null;
    this.firstAt = 0;
    this.savedAt = 0;
    this.sentId = 0;
    this.extra = {};
    this.form = form;
    this.kept = this.latest = this.fields();
  }

  fields() {
    const all = new FormData(this.form);
    const there = this.names.filter((name) => all.has(name) || this.boxes(name).length);
    return new URLSearchParams(there.map((name) => [name, all.getAll(name).join(",")])).toString();
  }

  /** The boxes of a name that has such: what they say is which are ticked. */
  boxes(name) {
    const field = this.form.elements[name];
    const all = field instanceof RadioNodeList ? [...field] : field ? [field] : [];
    return all.filter((one) => one.type === "checkbox");
  }

  get text() {
    return this.form.elements.body;
  }

  get isUnsaved() {
    return this.latest !== this.kept || Object.keys(this.extra).length > 0;
  }

  /** A form of this place has come. What was written last wins over what its page was made with. */
  meet(form) {
    this.form = form;
    const told = form.dataset.draftVersion;
    if (this.isUnsaved || this.isBefore(told)) return this.put(this.latest);
    this.version = told;
    this.kept = this.latest = this.fields();
  }

  /** Whether a page with this version was made before what this window kept or sent last. */
  isBefore(told) {
    if (!told) return Boolean(this.version) && Date.now() - this.savedAt < FRESH_MS;
    return isOlder(told, this.version) || (!this.version && parts(told)[0] <= this.sentId);
  }

  put(fields) {
    const values = new URLSearchParams(fields);
    for (const [name, value] of values) {
      const field = this.form.elements[name];
      const boxes = this.boxes(name);
      if (boxes.length) boxes.forEach((one) => (one.checked = value.split(",").includes(one.value)));
      else if (field instanceof RadioNodeList) [...field].filter((one) => one.value === value && !one.disabled).forEach((one) => (one.checked = true));
      else if (field) field.value = value;
    }
    this.latest = this.fields();
    this.form.dispatchEvent(new CustomEvent("draft:put", { bubbles: true }));
  }

  changed() {
    this.latest = this.fields();
    if (!this.isUnsaved) return this.rest();
    this.show("");
    remember(this.owner, this.url, { fields: this.latest, version: this.version });
    const now = Date.now();
    this.firstAt ||= now;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), Math.min(PAUSE_MS, Math.max(0, this.firstAt + LONGEST_MS - now)));
  }

  /** Something beside the fields of the form: blocks, or that the other window's text was looked at. */
  add(extra) {
    Object.assign(this.extra, extra);
    this.changed();
  }

  rest() {
    clearTimeout(this.timer);
    this.timer = null;
    this.firstAt = 0;
  }

  /** Keep what stands there now; one after another, for an older text must never overtake a newer one. */
  flush(options = {}) {
    this.rest();
    remember.now();
    this.running = this.running.then(() => this.keep(options));
    return this.running;
  }

  async keep(options) {
    if (!this.isUnsaved) return;
    const [fields, extra] = [this.latest, this.extra];
    this.extra = {};
    try {
      const answer = await send(this.url, { method: "PUT", body: this.body(fields, extra), headers: { Accept: "application/json" }, ...options });
      if (!answer.ok) throw answer;
      this.heard(await answer.json(), fields);
    } catch (refusal) {
      this.extra = { ...extra, ...this.extra };
      // The text is on the screen and in this browser; the words say so, and it is tried again.
      this.show([413, 422].includes(refusal.status) ? "refused" : "failed");
      this.timer ??= setTimeout(() => this.flush(), RETRY_MS);
    }
  }

  body(fields, extra) {
    const body = new URLSearchParams(fields);
    const seen = this.form.elements.seen?.value;
    if (seen) body.set("seen", seen);
    if (this.text) body.set("caret", this.text.selectionStart);
    body.set("version", this.version);
    body.set("window", windowName);
    for (const [name, value] of Object.entries(extra)) body.set(name, value);
    return body;
  }

  heard({ version, former }, fields) {
    this.version = version;
    this.kept = fields;
    this.savedAt = Date.now();
    if (!this.isUnsaved) {
      forget(this.owner, this.url);
      this.show(new URLSearchParams(fields).get("body") ? "saved" : "");
    }
    this.offer(former);
    channel?.postMessage({ url: this.url, owner: this.owner, version });
  }

  /** What another window wrote, above one's own text until somebody decides. */
  offer(former) {
    const box = this.form.querySelector("[data-former]");
    if (!box || !former) return;
    const words = box.querySelector("[data-former-text]");
    if (former.body.trim() === "" || former.body === this.text.value) return;
    words.textContent = former.body;
    words.dataset.mode = former.mode ?? "";
    box.hidden = false;
  }

  show(state) {
    if (!this.form.isConnected) return;
    for (const word of this.form.querySelectorAll("[data-draft-state]")) word.hidden = word.dataset.draftState !== state;
  }

  /** The draft was sent: begin anew upon what the server has left of it. */
  sent(version) {
    this.rest();
    this.extra = {};
    this.sentId = parts(this.version)[0] || this.sentId;
    this.version = version ?? "";
    this.kept = this.latest = this.fields();
    forget(this.owner, this.url);
    this.show("");
  }

  /** Look whether another window wrote; only where nothing of one's own waits to be kept. */
  async look() {
    if (this.isUnsaved || !this.form.isConnected || Date.now() - (this.lookedAt ?? 0) < LOOK_MS) return;
    this.lookedAt = Date.now();
    const answer = await send(this.url, { headers: { Accept: "application/json", "X-Background": "1" } }).catch(() => null);
    if (!answer?.ok) return;
    const told = await answer.json();
    if (this.isUnsaved || told.version === this.version || isOlder(told.version, this.version)) return;
    this.version = told.version;
    if (told.body !== this.text.value && told.version) {
      const values = this.names.filter((name) => name in told).map((name) => [name, told[name]]);
      this.put(new URLSearchParams(values).toString());
      this.form.dispatchEvent(new CustomEvent("draft:files", { bubbles: true, detail: told.uploads }));
      this.kept = this.latest;
      this.show("taken");
    }
    this.kept = this.latest = this.fields();
    this.offer(told.former);
  }
}

export const placeOf = (form) => (form ? places.get(form.dataset.draftUrl) : undefined);
const open = () => [...places.values()].filter((place) => place.form.isConnected);

/** No draft of this form is waiting or on its way any more. */
export function settled(form) {
  const place = placeOf(form);
  place?.rest();
  return place?.running ?? Promise.resolve();
}

/** What this browser kept and the server never heard of: text of a crash, of a lost network, of a session that ended. */
function recover(place) {
  const copy = recall(place.owner, place.url);
  if (!copy || place.isUnsaved) return;
  const [mine, theirs] = [new URLSearchParams(copy.fields), new URLSearchParams(place.kept)];
  const body = mine.get("body") ?? "";
  if (body === theirs.get("body")) return forget(place.owner, place.url);
  if (copy.version === place.version || body.startsWith((theirs.get("body") ?? "").trimEnd())) {
    place.put(copy.fields);
    place.changed();
  } else place.offer({ mode: mine.get("mode"), body });
}

function begin(form) {
  const found = placeOf(form);
  const place = found ?? new Place(form);
  if (found) found.meet(form);
  else places.set(place.url, place);
  const caret = Number(form.dataset.caret);
  if (form.dataset.caret && place.text) place.text.setSelectionRange(caret, caret);
  recover(place);
  place.isDone = false;
  form.addEventListener("input", (event) => {
    place.isDone = false;
    if (place.names.includes(event.target.name)) place.changed();
  });
  // A field that goes with the page it was sent from says once more that it changed; that is no news.
  form.addEventListener("change", (event) => !place.isDone && place.names.includes(event.target.name) && place.changed());
  form.addEventListener("click", (event) => decide(event, place));
}

function decide(event, place) {
  const take = event.target.closest("[data-former-take]");
  if (!take && !event.target.closest("[data-former-keep]")) return;
  const box = event.target.closest("[data-former]");
  const words = box.querySelector("[data-former-text]");
  if (take) {
    const fields = new URLSearchParams(place.latest);
    fields.set("body", words.textContent);
    if (words.dataset.mode && fields.has("mode")) fields.set("mode", words.dataset.mode);
    place.put(fields.toString());
  }
  box.hidden = true;
  place.add({ settled: "1" });
  place.text.focus();
}

onMount("form[data-draft-url]", begin);

// A plain form waits for the draft that is on its way, or that draft would come back after the form was sent.
document.addEventListener("submit", (event) => {
  const place = event.target.hasAttribute("hx-post") ? undefined : placeOf(event.target.matches("[data-draft-url]") ? event.target : null);
  if (!place || place.isWaited) return void (place && (place.isWaited = false));
  event.preventDefault();
  event.stopImmediatePropagation();
  const { submitter } = event;
  settled(event.target).then(() => {
    place.isWaited = place.isDone = true;
    place.rest();
    forget(place.owner, place.url);
    event.target.requestSubmit(submitter);
  });
}, true);

document.addEventListener("submit", (event) => signsOut(event.target) && flushAll({ keepalive: true }), true);

const flushAll = (options) => [...places.values()].filter((place) => place.timer && !place.isDone).forEach((place) => place.flush(options));
document.addEventListener("desk:leave", () => flushAll());
// `pagehide` cannot wait for an answer: keepalive lets the request outlive the page.
addEventListener("pagehide", () => flushAll({ keepalive: true }));
addEventListener("online", () => [...places.values()].filter((place) => place.isUnsaved).forEach((place) => place.flush()));
addEventListener("focus", () => open().forEach((place) => place.look()));
document.addEventListener("visibilitychange", () => document.hidden || open().forEach((place) => place.look()));
channel?.addEventListener("message", ({ data }) => {
  const place = places.get(data.url);
  if (place && place.owner === data.owner && place.form.isConnected) {
    clearTimeout(place.told);
    place.told = setTimeout(() => place.look(), LOOK_MS / 2);
  }
});
