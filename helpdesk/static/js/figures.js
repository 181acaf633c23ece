// Who waits in a queue, wherever it stands on the page: figures come with the event stream and are written in place.
//   <span data-waiting="queue:3" data-none="0">12</span>   <time data-oldest="queue:3" data-age datetime="...">
// What holds figures says so by data-figures="queue:3", so that the stream asks for the topic.
import { ageText } from "./times.js";

const SOON_MS = 30 * 60_000;
const LATE_MS = 4 * 3_600_000;

function write(topic, { waiting, oldest_at: oldest }) {
  for (const place of document.querySelectorAll(`[data-waiting="${topic}"]`)) {
    place.textContent = String(waiting);
    const whole = place.closest("[data-waits]");
    if (whole) whole.dataset.waits = String(waiting);
  }
  const since = oldest && new Date(oldest);
  const waited = since ? Date.now() - since : 0;
  for (const place of document.querySelectorAll(`[data-oldest="${topic}"]`)) {
    place.hidden = !since;
    place.classList.toggle("is-late", waited > LATE_MS);
    place.classList.toggle("is-soon", waited > SOON_MS && waited <= LATE_MS);
    if (!since) continue;
    place.dateTime = oldest;
    place.textContent = ageText(since);
  }
}

document.addEventListener("live:figures", (event) => {
  for (const [topic, figures] of Object.entries(event.detail)) write(topic, figures);
});
