// A voice message: held down, the button records, let go it ends; with the keyboard Enter begins and ends. Esc throws it
// away. The microphone is asked for when it is first wanted. What is recorded goes up like any file; where the channel
// speaks (data-voice="sent") and nothing else was written, it is sent at once, and can be taken back like any reply.
import { current, sendNow, textOf } from "./composer.js";
import { announce, showToast } from "./toasts.js";
import { arrived, attach } from "./uploads.js";

const LONGEST_MS = 5 * 60_000;
const SHORTEST_MS = 600;
const TYPES = [["audio/mp4", "m4a"], ["audio/ogg;codecs=opus", "ogg"], ["audio/webm;codecs=opus", "webm"], ["audio/webm", "webm"]];

let running = null; // {composer, button, recorder, stream, context, chunks, beganAt, timer, byKey}
let wanted = false;

const words = () => document.getElementById("voice-words").dataset;

function tell(sentence, kind = "info") {
  const box = document.createElement("div");
  box.className = `notice notice-${kind}`;
  box.textContent = sentence;
  showToast([box]);
}

async function begin(composer, button, byKey) {
  if (running) return;
  wanted = true;
  const type = window.MediaRecorder && TYPES.find(([name]) => MediaRecorder.isTypeSupported(name));
  if (!type || !navigator.mediaDevices) return tell(words().missing, "warning");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    return tell(words().refused, "warning");
  }
  // Let go while the browser was asking: nobody speaks any more.
  if (!wanted || !composer.isConnected) {
    stream.getTracks().forEach((track) => track.stop());
    return tell(words().short);
  }
  const recorder = new MediaRecorder(stream, { mimeType: type[0], audioBitsPerSecond: 32_000 });
  const now = { composer, button, recorder, stream, chunks: [], beganAt: Date.now(), ending: type[1], byKey };
  running = now;
  recorder.addEventListener("dataavailable", (event) => now.chunks.push(event.data));
  recorder.addEventListener("stop", () => finished(now));
  recorder.start(1_000);
  button.setAttribute("aria-pressed", "true");
  composer.querySelector("[data-voice-time]").textContent = "0:00";
  composer.querySelector("[data-voice-bar]").hidden = false;
  announce(words().recording);
  watch(now);
}

/** Time and loudness, ten times a second; after five minutes it ends by itself. */
function watch(now) {
  const [time, level] = ["[data-voice-time]", "[data-voice-level]"].map((name) => now.composer.querySelector(name));
  now.context = new AudioContext();
  const analyser = now.context.createAnalyser();
  const samples = new Float32Array((analyser.fftSize = 512));
  now.context.createMediaStreamSource(now.stream).connect(analyser);
  now.timer = setInterval(() => {
    const passed = Date.now() - now.beganAt;
    time.textContent = `${Math.floor(passed / 60_000)}:${String(Math.floor(passed / 1000) % 60).padStart(2, "0")}`;
    analyser.getFloatTimeDomainData(samples);
    level.value = Math.min(1, 4 * Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length));
    if (passed > LONGEST_MS) (tell(words().limit), end());
    else if (!now.composer.isConnected) end();
  }, 100);
}

function end(thrown = false) {
  wanted = false;
  if (!running || running.recorder.state === "inactive") return;
  running.thrown = thrown;
  running.recorder.stop();
}

function finished(now) {
  running = null;
  clearInterval(now.timer);
  now.context.close();
  now.stream.getTracks().forEach((track) => track.stop());
  now.button.setAttribute("aria-pressed", "false");
  now.composer.querySelector("[data-voice-bar]").hidden = true;
  if (now.thrown) return announce(words().thrown);
  if (Date.now() - now.beganAt < SHORTEST_MS) return tell(words().short);
  return deliver(now);
}

async function deliver({ composer, chunks, recorder, ending }) {
  const at = new Date();
  const stamp = `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")} ${String(at.getHours()).padStart(2, "0")}-${String(at.getMinutes()).padStart(2, "0")}`;
  const file = new File(chunks, `${words().name} ${stamp}.${ending}`, { type: recorder.mimeType.split(";")[0] });
  const alone = !textOf(composer).value.trim() && !composer.querySelector(".upload");
  attach(composer, file);
  announce(words().kept);
  if (composer.dataset.voice !== "sent" || composer.dataset.mode !== "reply" || !alone) return;
  const missing = await arrived(composer);
  if (!missing.length && current() === composer) sendNow();
}

const buttonOf = (event) => event.target.closest?.("[data-record]");

document.addEventListener("pointerdown", (event) => {
  const button = buttonOf(event);
  if (!button || event.button) return;
  event.preventDefault();
  begin(current(), button, false);
});
for (const name of ["pointerup", "pointercancel"]) {
  document.addEventListener(name, () => {
    if (running && !running.byKey) end();
    else if (!running) wanted = false;
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return end(true);
  }
  const button = buttonOf(event);
  if (!button || event.repeat || (event.key !== "Enter" && event.key !== " ")) return undefined;
  event.preventDefault();
  return running ? end() : begin(current(), button, true);
}, true);
// A long press on a touch screen is not a wish for a menu.
document.addEventListener("contextmenu", (event) => buttonOf(event) && event.preventDefault());
