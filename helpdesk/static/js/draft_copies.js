// Copies of drafts in this browser, for as long as the server has not heard of them. They belong to one person: who
// signs in next does not find them, and signing out takes them away.
const PREFIX = "draft:";
const PAUSE_MS = 200;
const key = (owner, url) => `${PREFIX}${owner}:${url}`;

let waiting = new Map();
let timer = null;

function write() {
  clearTimeout(timer);
  timer = null;
  for (const [name, copy] of waiting) {
    try {
      localStorage.setItem(name, JSON.stringify(copy));
    } catch {
      // Full, or forbidden in a private window: the server's draft is the one that counts.
    }
  }
  waiting = new Map();
}

/** Keep a copy {fields, version}; written at once when the page goes. */
export function remember(owner, url, copy) {
  waiting.set(key(owner, url), copy);
  timer ??= setTimeout(write, PAUSE_MS);
}
remember.now = write;

/** The copy of this draft, or null. */
export function recall(owner, url) {
  try {
    return JSON.parse(localStorage.getItem(key(owner, url)));
  } catch {
    return null;
  }
}

export function forget(owner, url) {
  waiting.delete(key(owner, url));
  try {
    localStorage.removeItem(key(owner, url));
  } catch {
    // As above.
  }
}

/** Whether this form signs its person out. */
export const signsOut = (form) => Boolean(form.getAttribute("action")?.endsWith("/sign-out") || form.elements.sign_out?.checked);

document.addEventListener("submit", (event) => {
  if (!signsOut(event.target)) return;
  waiting = new Map();
  Object.keys(localStorage).filter((name) => name.startsWith(PREFIX)).forEach((name) => localStorage.removeItem(name));
}, true);
addEventListener("pagehide", write);
