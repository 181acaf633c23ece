// Forms that keep what was typed until they are saved (form[data-unsaved]): leaving them is asked about, by visits within
// the desk (`desk:leave`) and by the browser's own ways out. Regions marked data-keep are left alone by live updates.
// Values edited in place (form[data-in-place]): Enter saves, Esc restores.
import { onMount } from "./mount.js";
import { visit } from "./workspace.js";

const begun = new WeakMap();
const dialog = () => document.getElementById("leave-dialog");
let left = null; // what waits for an answer: { form, proceed }

const fields = (form) => new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string")).toString();
const isTouched = (form) => "touched" in form.dataset || (begun.has(form) && fields(form) !== begun.get(form));
const unsaved = () => [...document.querySelectorAll("form[data-unsaved]")].find(isTouched);

onMount("form[data-unsaved]", (form) => {
  begun.set(form, fields(form));
  form.querySelector("[autofocus]")?.focus();
});
onMount("[data-focus]", (element) => element.focus());

document.addEventListener("desk:leave", (event) => {
  const form = unsaved();
  if (!form || !dialog()) return;
  event.preventDefault();
  left = { form, proceed: event.detail?.proceed };
  if (!dialog().open) dialog().showModal();
});

document.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-leave]")?.dataset.leave;
  if (!choice || !left) return;
  const { form, proceed } = left;
  if (choice !== "save") left = null;
  dialog().close();
  if (choice === "save") form.requestSubmit();
  if (choice === "drop") {
    form.removeAttribute("data-unsaved");
    proceed?.();
  }
});

// Saved: what was waiting for it goes on; refused: the form says why and stays.
document.addEventListener("htmx:afterRequest", (event) => {
  if (!left || event.detail.requestConfig?.elt !== left.form) return;
  const { proceed } = left;
  left = null;
  if (event.detail.successful) proceed?.();
});

// A new state changes what can be written, so the whole ticket is shown again.
document.addEventListener("facts:saved", (event) => {
  if (!left && event.detail.visit) visit(location.href, { push: false });
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]:not(.dialog-large)")) return;
  const form = event.target.closest?.("form[data-unsaved]");
  if (!form) return;
  if (event.key === "Escape" && ("inPlace" in form.dataset || !isTouched(form))) {
    const cancel = form.querySelector("[data-leave-form]");
    if (!cancel) return;
    event.preventDefault();
    event.stopPropagation();
    cancel.click();
  }
  if (event.key === "Enter" && "inPlace" in form.dataset && event.target.matches("select, [type=checkbox]")) {
    event.preventDefault();
    form.requestSubmit();
  }
}, true);

addEventListener("beforeunload", (event) => {
  if (unsaved()) event.preventDefault();
});
