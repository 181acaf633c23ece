// Ready answers: "/" in an empty field or at the start of a line opens the list; a choice is put at the caret.
// The list is <dialog id="canned"> with buttons [data-insert]; it filters as one types.
import { insert } from "./composer.js";
import { onMount } from "./mount.js";

let slash = false;

const dialogNow = () => document.getElementById("canned");

function filter(dialog, words) {
  const wanted = words.toLocaleLowerCase();
  for (const pick of dialog.querySelectorAll("[data-insert]")) {
    pick.closest("li").hidden = !pick.textContent.toLocaleLowerCase().includes(wanted);
  }
}

function open(bySlash) {
  const dialog = dialogNow();
  if (!dialog) return;
  slash = bySlash;
  const search = dialog.querySelector('input[type="search"]');
  if (search) search.value = "";
  filter(dialog, "");
  dialog.showModal();
  search?.focus();
}

onMount("#composer textarea.composer-text", (text) => {
  text.addEventListener("keydown", (event) => {
    // By character: where "/" sits on another key, that key is meant.
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !dialogNow()) return;
    const before = text.value.slice(0, text.selectionStart);
    if (before !== "" && !before.endsWith("\n")) return;
    event.preventDefault();
    open(true);
  });
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-canned]")) open(false);
  const pick = event.target.closest("#canned [data-insert]");
  if (!pick) return;
  slash = false;
  dialogNow().close();
  insert(pick.dataset.insert);
});

onMount("#canned", (dialog) => {
  dialog.addEventListener("input", (event) => filter(dialog, event.target.value));
  dialog.addEventListener("keydown", (event) => {
    const picks = [...dialog.querySelectorAll("[data-insert]")].filter((pick) => !pick.closest("li").hidden);
    const here = picks.indexOf(document.activeElement);
    if (event.key === "ArrowDown") picks[Math.min(picks.length - 1, here + 1)]?.focus();
    else if (event.key === "ArrowUp") (picks[here - 1] ?? dialog.querySelector("input"))?.focus();
    else if (event.key === "Enter" && here < 0) picks[0]?.click();
    else return;
    event.preventDefault();
  });
  // Closed without a choice: the slash itself was meant.
  dialog.addEventListener("close", () => {
    if (slash) insert("/");
    slash = false;
  });
});
