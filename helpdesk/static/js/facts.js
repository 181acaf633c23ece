// Forms that keep what was typed until one Save (form[data-unsaved]): leaving them unsaved is asked about, by visits within
// the desk (`desk:leave`) and by the browser's own ways out. Regions marked data-keep are left alone by live updates.
import { onMount } from "./mount.js";
import { visit } from "./workspace.js";

const begun = new WeakMap();
let after = null;

const fields = (form) => new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string")).toString();
const isTouched = (form) => "touched" in form.dataset || (begun.has(form) && fields(form) !== begun.get(form));
const unsaved = () => [...document.querySelectorAll("form[data-unsaved]")].find(isTouched);

onMount("form[data-unsaved]", (form) => {
  begun.set(form, fields(form));
  form.querySelector("[autofocus]")?.focus();
});

document.addEventListener("desk:leave", (event) => {
  const form = unsaved();
  if (!form) return;
  event.preventDefault();
  after = event.detail?.proceed ?? null;
  const dialog = form.querySelector("[data-leave-dialog]");
  if (!dialog.open) dialog.showModal();
});

document.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-leave]")?.dataset.leave;
  if (choice) {
    const form = event.target.closest("form");
    const proceed = after;
    event.target.closest("dialog").close();
    if (choice === "stay") after = null;
    if (choice === "save") form.requestSubmit();
    if (choice === "drop") {
      after = null;
      form.removeAttribute("data-unsaved");
      proceed?.();
    }
  }
  if (event.target.closest("[data-leave-form]")) after = null;
});

// Saved: what was waiting for it goes on. A new state changes what can be written, so the whole ticket is shown again.
document.addEventListener("facts:saved", (event) => {
  const proceed = after;
  after = null;
  if (proceed) proceed();
  else if (event.detail.visit) visit(location.href, { push: false });
  else document.querySelector('#facts [data-key="p"]')?.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  const form = event.target.closest?.("#facts form[data-unsaved]");
  if (form && !isTouched(form)) form.querySelector("[data-leave-form]").click();
});

addEventListener("beforeunload", (event) => {
  if (unsaved()) event.preventDefault();
});
