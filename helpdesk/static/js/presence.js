// Who has this ticket open and who is writing. Each page says at once what it does, and every ten seconds that somebody
// still writes; whoever only looks is known by the event stream, and says so once a minute. The answer is the line above
// the composer. <div data-presence-url data-live="viewers:17"> is that line.
import { send, token } from "./htmx_setup.js";
import { isFollowed } from "./live_contact.js";
import { onMount } from "./mount.js";

const BEAT_MS = 10_000;
const QUIET_MS = 60_000; // so long the stream may speak for a page on which nobody writes
const HIDDEN_BEAT_MS = 60_000;
const IDLE_MS = 5_000;
const AWAY_MS = 60_000;

const tab = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36).padStart(2, "0")).join("");
let line = null;
let doing = "viewing";
let beat = null;
let idle = null;
let away = null;
let newest = 0;
let saidAt = 0;

function show(place, order, html) {
  if (place !== line || order !== newest || place.innerHTML === html) return;
  place.innerHTML = html;
}

/** Ask or tell; the answer to the last question is the one that counts. */
async function talk(options) {
  const place = line;
  const order = ++newest;
  try {
    const answer = await send(place.dataset.presenceUrl, { ...options, headers: { "X-Background": "1" } });
    show(place, order, answer.ok ? await answer.text() : "");
  } catch {
    // Without a connection nobody can be seen.
    show(place, order, "");
  }
}

function say() {
  clearTimeout(beat);
  if (!line) return;
  if (!line.isConnected) return leave();
  beat = setTimeout(goOn, doing === "away" ? HIDDEN_BEAT_MS : BEAT_MS);
  saidAt = Date.now();
  talk({ method: "POST", body: new URLSearchParams({ tab, doing }) });
}

function goOn() {
  const isKnown = doing === "viewing" && line?.isConnected && isFollowed() && Date.now() - saidAt < QUIET_MS - BEAT_MS / 2;
  if (isKnown) beat = setTimeout(goOn, BEAT_MS);
  else say();
}

function be(what) {
  if (doing === what || !line) return;
  doing = what;
  say();
}

/** Tell that this page shows the ticket no more. It may be the last thing that the page does. */
function leave() {
  clearTimeout(beat);
  clearTimeout(idle);
  if (!line) return;
  const body = new URLSearchParams({ tab, doing: "gone", csrf_token: token() });
  navigator.sendBeacon(line.dataset.presenceUrl, body);
  line = null;
}

onMount("[data-presence-url]", meet, { later: true });

function meet(place) {
  if (line && line.dataset.presenceUrl !== place.dataset.presenceUrl) leave();
  line = place;
  doing = document.hidden ? "away" : "viewing";
  say();
  // live.js tells on the body what changed; a line that is gone hears no more.
  const topic = `live:${place.dataset.live}`;
  document.body.addEventListener(topic, function changed() {
    if (!place.isConnected) document.body.removeEventListener(topic, changed);
    else if (place === line) talk({});
  });
}

document.addEventListener("input", (event) => {
  if (!line || !event.isTrusted || !event.target.matches?.("#composer textarea")) return;
  clearTimeout(idle);
  idle = setTimeout(be, IDLE_MS, "viewing");
  be(event.target.form.querySelector('input[name="mode"]:checked')?.value === "note" ? "note" : "reply");
});

document.addEventListener("composer:sent", () => be("viewing"), true);

document.addEventListener("visibilitychange", () => {
  clearTimeout(away);
  if (document.hidden) away = setTimeout(be, AWAY_MS, "away");
  else if (doing === "away") be("viewing");
});
document.addEventListener("desk:shown", () => line && !line.isConnected && leave());
addEventListener("pagehide", leave);
// A page that comes back from the browser's memory is here again.
addEventListener("pageshow", (event) => {
  const place = document.querySelector("[data-presence-url]");
  if (!event.persisted || !place) return;
  line = place;
  say();
});
