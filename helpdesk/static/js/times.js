// Ages ("5 min", or "5 minutes ago" where data-age says so) that stay true while the page is open, and countdowns for
// what can still be taken back.

const language = document.documentElement.lang || "en";
const AHEAD_MS = 60_000;
const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];
const formats = Object.fromEntries(
  [...UNITS.map(([unit]) => unit), "second"].map((unit) => [
    unit,
    new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: unit === "day" ? "long" : "short" }),
  ]),
);
const ago = new Intl.RelativeTimeFormat(language, { numeric: "always" });
const due = new Intl.RelativeTimeFormat(language, { numeric: "always", style: "short" });
const justNow = new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(0, "minute");

/** The age of `moment` (a Date) at `now` in its largest whole unit; under a minute is "0 min" and read as fresh. */
export function ageText(moment, now = new Date()) {
  const [count, unit] = age(moment, now);
  return formats[unit].format(count);
}

/** How long ago `moment` (a Date) was at `now`, in its largest whole unit. */
export function agoText(moment, now = new Date()) {
  const [count, unit] = age(moment, now);
  return count ? ago.format(-count, unit) : justNow;
}

function age(moment, now) {
  const seconds = Math.max(0, (now - moment) / 1000);
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? UNITS.at(-1);
  return [Math.floor(seconds / size), unit];
}

function refreshAges(root = document) {
  const now = new Date();
  for (const element of root.querySelectorAll("time[data-age]")) {
    const moment = new Date(element.dateTime);
    // What is still to come keeps the server's words: the hour itself, in the reader's zone.
    if (moment - now > AHEAD_MS) continue;
    const text = element.dataset.age === "ago" ? agoText(moment, now) : ageText(moment, now);
    if (element.textContent !== text) element.textContent = text;
  }
}

// <time data-due>: how long until something is due, or for how long it has been overdue: "in 3 hr.", "2 days".
function refreshDues(root = document) {
  const now = new Date();
  for (const element of root.querySelectorAll("time[data-due]")) {
    const moment = new Date(element.dateTime);
    const text = moment > now ? due.format(...age(now, moment)) : ageText(moment, now);
    if (element.textContent !== text) element.textContent = text;
  }
}

// <span data-countdown="2026-..." data-countdown-hides="selector">: seconds left; at nought the nearest such part goes.
function refreshCountdowns() {
  for (const element of document.querySelectorAll("[data-countdown]")) {
    const left = Math.ceil((new Date(element.dataset.countdown) - Date.now()) / 1000);
    if (left > 0) element.textContent = formats.second.format(left);
    else element.closest(element.dataset.countdownHides || "[data-countdown]")?.setAttribute("hidden", "");
  }
}

refreshAges();
refreshDues();
refreshCountdowns();
setInterval(() => refreshAges(), 30_000);
setInterval(() => refreshDues(), 30_000);
setInterval(refreshCountdowns, 500);
document.addEventListener("htmx:afterSwap", () => {
  refreshAges();
  refreshDues();
  refreshCountdowns();
});
document.addEventListener("desk:coming", ({ detail: { panes } }) => {
  refreshAges(panes);
  refreshDues(panes);
});
