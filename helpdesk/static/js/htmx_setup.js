// htmx: the token on every request, and refusals that become small messages and never destroy what is being written.
// Its settings stand in <meta name="htmx-config">.
import { toast, toastFragment } from "./toasts.js";

const token = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = token();
  // What no hand asked for must not keep a session awake.
  if (event.detail.triggeringEvent?.type.startsWith("live:")) event.detail.headers["X-Background"] = "1";
});

// A refusal marks itself with data-toast; it is shown as a message and the target stays as it is.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status < 400) return;
  if (xhr.responseText.includes("data-toast")) {
    event.detail.shouldSwap = false;
    event.detail.isError = false;
    toastFragment(xhr.responseText);
  } else if (xhr.status !== 409 && xhr.status !== 422) {
    toast(xhr.status === 401 ? "expired" : "failed");
  }
});

document.addEventListener("htmx:sendError", () => toast("offline"));
document.addEventListener("htmx:timeout", () => toast("offline"));

// What a person opened, stretched or already loaded stays so when a pane is fetched again. Addresses of frames and
// pictures are signed anew each time; a new one must not load the same thing twice.
const theirs = (name, node) =>
  (name === "open" && node.matches("details, dialog")) ||
  (name === "class" && node.matches(".mail")) ||
  (name === "src" && node.matches("iframe, .picture"));
if (window.Idiomorph) {
  const { callbacks } = window.Idiomorph.defaults;
  callbacks.beforeAttributeUpdated = (name, node) => !theirs(name, node);
  // What somebody is filling in (data-keep) stays as it is until they are done.
  callbacks.beforeNodeMorphed = (node) => !(node instanceof HTMLElement && "keep" in node.dataset);
}

/** `fetch` with the token, for what htmx does not do: drafts and uploads. */
export function send(url, options = {}) {
  return fetch(url, {
    credentials: "same-origin",
    ...options,
    headers: { "X-CSRFToken": token(), "X-Requested-With": "fetch", ...options.headers },
  });
}

export { token };
