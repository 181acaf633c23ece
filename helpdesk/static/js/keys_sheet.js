// The sheet of keys: what works here and now, the rest behind a switch; searched by what keys do or are called.
import { send } from "./htmx_setup.js";
import { hint, isUsable } from "./keys.js";

let loaded = null;

/** Whether a key does something on this page now. */
function works({ dataset: { shortcut, needs } }) {
  if (needs) return Boolean(document.querySelector(needs));
  return [...document.querySelectorAll(`[data-key="${CSS.escape(shortcut)}"]`)].some((element) => isUsable(element));
}

/** Fill the dialog, once a page from the server, and tell at each opening what works. */
export async function fill(dialog) {
  const body = dialog.querySelector("#keys-body");
  loaded ??= send("/keys", { headers: { "HX-Request": "true" } }).then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)));
  try {
    body.innerHTML = await loaded;
  } catch {
    loaded = null;
    return; // the toast of a lost connection stands already where the server is away
  }
  for (const item of body.querySelectorAll("[data-shortcut]")) {
    item.querySelector("kbd").textContent = hint(item.dataset.shortcut);
    item.dataset.here = works(item) ? "yes" : "no";
  }
  const find = dialog.querySelector("[role=searchbox]");
  const all = dialog.querySelector("#keys-all");
  const show = () => {
    const words = find.value.trim().toLocaleLowerCase();
    for (const item of body.querySelectorAll("[data-shortcut]")) {
      const meant = item.textContent.toLocaleLowerCase().includes(words);
      item.hidden = !meant || (item.dataset.here === "no" && !all.checked && !words);
    }
    for (const group of body.querySelectorAll("[data-keys-group]")) group.hidden = !group.querySelector("[data-shortcut]:not([hidden])");
  };
  find.value = "";
  find.oninput = show;
  all.onchange = show;
  show();
  find.focus();
}
