// Notices that arrive: shown on whatever page one works on, heard once in one tab of several, and told by the computer
// when no tab is looked at and the person asked for that. <div id="arrivals" data-url data-topic data-after data-sound>.
import { send } from "./htmx_setup.js";
import { onMount } from "./mount.js";

const SHOWN_MS = 20_000;
const MOST_SHOWN = 4;
const GATHER_MS = 250;
const HELD_MS = 2_000;

const channel = "BroadcastChannel" in window ? new BroadcastChannel("notices") : null;
const place = document.getElementById("arrivals");
const answers = new Set();
let shown = Number(place?.dataset.after ?? 0);
let heard = shown;
let gathering = null;

/** Runs `act` in one tab only, however many hear of the same thing; without locks in each. */
function once(name, act) {
  if (!navigator.locks) return act();
  return navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
    if (!lock) return;
    await act();
    await new Promise((resolve) => setTimeout(resolve, HELD_MS));
  });
}

function play(url) {
  // A browser may forbid sound until somebody has touched the page; then it stays silent.
  if (url) new Audio(url).play().catch(() => {});
}

async function arrivals(after) {
  try {
    const answer = await send(`${place.dataset.url}?after=${after}`, { headers: { "X-Background": "1", "HX-Request": "true" } });
    if (!answer.ok) return [];
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return [...page.querySelectorAll("[data-arrival]")];
  } catch {
    return []; // the next change asks again
  }
}

const newest = (found) => Math.max(0, ...found.map((one) => Number(one.dataset.arrival)));

function sound(found) {
  const loud = found.filter((one) => "loud" in one.dataset && Number(one.dataset.arrival) > heard);
  heard = Math.max(heard, newest(found));
  if (loud.length && place.dataset.sound) once(`notice-sound-${newest(found)}`, () => play(place.dataset.sound));
}

function put(arrival) {
  place.append(document.adoptNode(arrival));
  window.htmx?.process(arrival);
  while (place.children.length > MOST_SHOWN) place.firstElementChild.remove();
  const go = () => (arrival.matches(":hover, :focus-within") ? setTimeout(go, SHOWN_MS) : arrival.remove());
  setTimeout(go, SHOWN_MS);
}

async function show() {
  const found = (await arrivals(shown)).filter((one) => Number(one.dataset.arrival) > shown);
  if (!found.length) return;
  shown = newest(found);
  channel?.postMessage({ shown });
  sound(found);
  found.filter((one) => "shown" in one.dataset).forEach(put);
}

/** Whether another tab is looked at: it shows what came. */
async function isSeenElsewhere() {
  if (!channel) return false;
  answers.clear();
  channel.postMessage({ ask: true });
  await new Promise((resolve) => setTimeout(resolve, 150));
  return answers.size > 0;
}

async function tellByComputer() {
  if (await isSeenElsewhere()) return;
  const found = (await arrivals(heard)).filter((one) => Number(one.dataset.arrival) > heard);
  channel?.postMessage({ heard: newest(found) });
  sound(found);
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  for (const one of found.filter((arrival) => arrival.dataset.desktop)) {
    const notice = new Notification(one.dataset.title, { body: one.dataset.desktop, tag: `notice-${one.dataset.arrival}` });
    notice.onclick = () => {
      window.focus();
      location.assign(one.dataset.href);
    };
  }
}

if (place) {
  document.body.addEventListener(`live:${place.dataset.topic}`, show);
  document.body.addEventListener("live:unseen", (event) => {
    if (event.detail !== place.dataset.topic || gathering) return;
    gathering = setTimeout(() => {
      gathering = null;
      once("notices-hidden", tellByComputer);
    }, GATHER_MS);
  });
  channel?.addEventListener("message", ({ data }) => {
    if (data.shown) shown = heard = Math.max(shown, data.shown);
    if (data.heard) heard = Math.max(heard, data.heard);
    if (data.ask && !document.hidden) channel.postMessage({ here: true });
    if (data.here) answers.add(true);
  });
  document.addEventListener("click", (event) => event.target.closest?.("[data-arrival] [data-gone]")?.closest("[data-arrival]").remove());
}

// Settings: sounds can be tried, and the browser is asked for desktop notices only by this button.
document.addEventListener("click", (event) => {
  const tried = event.target.closest?.("[data-try-sound]");
  if (tried) play(tried.form.querySelector('[name="sound"]:checked')?.closest("[data-sound-url]")?.dataset.soundUrl);
});

function showPermission(part) {
  const state = "Notification" in window ? Notification.permission : "absent";
  for (const word of part.querySelectorAll("[data-permission]")) word.hidden = word.dataset.permission !== state;
}
onMount("[data-desktop-settings]", showPermission);
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-ask-desktop]");
  if (!button) return;
  const part = button.closest("[data-desktop-settings]");
  const answer = await Notification.requestPermission();
  const tick = part.querySelector('input[name="desktop"]');
  if (tick && answer === "granted") tick.checked = true;
  showPermission(part);
});
