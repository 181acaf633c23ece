// Turns "topic X is now at version N" into DOM events; panes fetch themselves again with htmx:
//   <div data-live="queue:3" data-version="17" hx-get="..." hx-trigger="live:changed" hx-target="..." hx-swap="morph">
// or, for a single topic, hx-trigger="live:queue:3 from:body". Names and versions travel, never text. The server repeats
// all versions on connect and every 15 s (what may be on its way a second later); whoever differs fetches.
import { noteContact, noteLoss } from "./live_contact.js";
import { follow } from "./live_stream.js";

const MIN_GAP_MS = 500;
const PERSON_GAP_MS = 200; // who begins to write must be seen before somebody else does
const SILENCE_MS = 40_000;
const GRACE_MS = 4_000;

const known = new Map();
const lastTold = new Map();
const waiting = new Map();
const paneDue = new WeakMap();
const untold = new Map(); // topic: what its changes are about since it was last told, null for anything
const paneAbout = new WeakMap();
let lastContact = Date.now();
let lostSince = 0;

const words = (text) => (text ?? "").split(/\s+/).filter(Boolean);
const panes = () => [...document.querySelectorAll("[data-live]")];

function wantedTopics() {
  const meta = document.querySelector('meta[name="live-topics"]')?.content;
  const figures = [...document.querySelectorAll("[data-figures]")].flatMap((place) => words(place.dataset.figures));
  return new Set([...words(meta), ...figures, ...panes().flatMap((pane) => words(pane.dataset.live))]);
}

/** What the server rendered is where we start from: a change between the answer and the stream is then noticed. */
function learnRendered() {
  for (const pane of panes()) {
    const versions = words(pane.dataset.version);
    words(pane.dataset.live).forEach((topic, index) => {
      if (versions[index] !== undefined) known.set(topic, Number(versions[index]));
    });
  }
}

function tell(topic) {
  waiting.delete(topic);
  if (document.hidden) return void waiting.set(topic, null);
  lastTold.set(topic, Date.now());
  const about = untold.get(topic) ?? null;
  untold.delete(topic);
  document.body.dispatchEvent(new CustomEvent(`live:${topic}`));
  for (const pane of panes()) {
    if (words(pane.dataset.live).includes(topic)) tellPane(pane, about);
  }
}

const both = (first, second) => (first && second ? { ...first, ...second } : null);

/** A pane of many topics is told at most twice a second, and always after the last change. */
function tellPane(pane, about) {
  paneAbout.set(pane, paneAbout.has(pane) ? both(paneAbout.get(pane), about) : about);
  const now = Date.now();
  const due = paneDue.get(pane) ?? 0;
  if (due > now) return;
  const at = Math.max(now, due + MIN_GAP_MS);
  paneDue.set(pane, at);
  setTimeout(() => {
    const detail = { about: paneAbout.get(pane) ?? null };
    paneAbout.delete(pane);
    // A list whose rows it does not touch stays as it is; the figures beside it come by themselves.
    if (!pane.dispatchEvent(new CustomEvent("live:coming", { bubbles: true, cancelable: true, detail }))) {
      if (pane.dataset.version) pane.dataset.version = words(pane.dataset.live).map((topic) => known.get(topic)).join(" ");
      return;
    }
    pane.dispatchEvent(new CustomEvent("live:changed"));
  }, at - now);
}

function noteVersion(topic, version, wanted, about = null, since = null) {
  if (!wanted.has(topic)) return;
  const before = known.get(topic);
  known.set(topic, version);
  if (before === undefined || before === version) return;
  const whole = since === before ? about : null;
  untold.set(topic, untold.has(topic) ? both(untold.get(topic), whole) : whole);
  // Whoever has something to say to a person who looks elsewhere hears of it at once.
  if (document.hidden) document.body.dispatchEvent(new CustomEvent("live:unseen", { detail: topic }));
  if (waiting.has(topic)) return;
  const gap = topic.startsWith("viewers:") ? PERSON_GAP_MS : MIN_GAP_MS;
  const pause = Math.max(0, (lastTold.get(topic) ?? 0) + gap - Date.now());
  waiting.set(topic, setTimeout(tell, pause, topic));
}

function hear(name, data) {
  if (name === "lost") {
    noteLoss();
    lostSince ||= Date.now();
    return;
  }
  lastContact = Date.now();
  lostSince = 0;
  noteContact();
  showBanner();
  if (name === "figures" || name === "writers") return void document.dispatchEvent(new CustomEvent(`live:${name}`, { detail: data }));
  const wanted = wantedTopics();
  if (name === "versions") for (const [topic, version] of Object.entries(data)) noteVersion(topic, version, wanted);
  else if (wanted.has(data.topic)) {
    // The page may not have heard of this topic yet: its first change is a change all the same.
    if (!known.has(data.topic)) known.set(data.topic, null);
    noteVersion(data.topic, data.version, wanted, data.about, data.since);
  }
}

function showBanner() {
  const banner = document.getElementById("live-lost");
  if (!banner) return;
  const now = Date.now();
  const lost = (lostSince && now - lostSince > GRACE_MS) || now - lastContact > SILENCE_MS;
  if (lost && banner.hidden) {
    const at = banner.querySelector("[data-lost-at]");
    at.dateTime = new Date(lastContact).toISOString();
    at.textContent = new Intl.DateTimeFormat(document.documentElement.lang || "en", { timeStyle: "medium" }).format(lastContact);
  }
  banner.hidden = !lost;
}

const url = document.body.dataset.liveUrl;
if (url) {
  learnRendered();
  const topicsChanged = follow(url, wantedTopics, hear);
  document.addEventListener("htmx:afterSettle", () => {
    learnRendered();
    topicsChanged();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) [...waiting].filter(([, timer]) => timer === null).forEach(([topic]) => tell(topic));
  });
  setInterval(showBanner, 1_000);
}
