// What the composer opens: ready answers ("/" at the start of a line, or its button), emoji, builder, recorder. Their
// modules and their markup are fetched when the browser has time, or when they are first wanted.
import { current } from "./composer.js";
import { send } from "./htmx_setup.js";
import { mounted, onMount } from "./mount.js";
import { toast } from "./toasts.js";

let parts = null;

/** The markup of what opens, put at the end of the page once. */
function fetchParts() {
  parts ??= send(current().dataset.partsUrl, { headers: { "X-Background": "1" } })
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(String(answer.status)))))
    .then((html) => {
      document.body.insertAdjacentHTML("beforeend", html);
      mounted();
    })
    .catch((error) => {
      parts = null;
      throw error;
    });
  return parts;
}

const modules = {
  answers: () => import("./answers.js"),
  emoji: () => import("./emoji.js"),
  builder: () => import("./builder.js"),
  voice: () => import("./voice.js"),
};

/** A module of the composer's with its markup on the page; rejects when the network is away. */
export async function part(name) {
  const [module] = await Promise.all([modules[name](), fetchParts()]);
  return module;
}

const openers = { "[data-open-answers]": "answers", "[data-open-emoji]": "emoji", "[data-open-builder]": "builder" };

async function open(name, ...details) {
  try {
    (await part(name)).open(...details);
  } catch {
    toast("offline");
  }
}

document.addEventListener("click", (event) => {
  for (const [selector, name] of Object.entries(openers)) {
    const button = event.target.closest(selector);
    if (button) open(name, button);
  }
});

onMount("#composer textarea.composer-text", (text) => {
  text.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key !== "/" && event.code !== "Slash") return;
    if (event.shiftKey && event.key !== "/") return;
    // By character; and by the physical key, which gives "." in a Russian layout, only where nothing was written yet.
    const before = text.value.slice(0, text.selectionStart);
    if (before !== "" && !(event.key === "/" && before.endsWith("\n"))) return;
    event.preventDefault();
    open("answers", null, event.key);
  });
});

// What is wanted most is ready before it is wanted.
onMount("#composer[data-answers-url]", (composer) => {
  const whenIdle = window.requestIdleCallback ?? ((work) => setTimeout(work, 300));
  const warm = (begun) => Promise.all([part("answers"), part("voice")]).then(([answers]) => answers.warm(composer, begun)).catch(() => {
    // The network is away; opening the list tries again and says so.
  });
  whenIdle(() => composer.isConnected && warm(false), { timeout: 3_000 });
  // What stands for the variables here, and below the mail, is asked for once somebody means to write.
  composer.addEventListener("focusin", () => warm(true), { once: true });
});

