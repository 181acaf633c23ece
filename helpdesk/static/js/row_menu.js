// The menu of a row: what can be done with its ticket, asked for when somebody opens it, by its button, by a key for the row
// that has the focus (else the open one), or by the menu key of the keyboard. What is done from here leaves the page as it
// is: forms in the dialog that a verb opens stay too (handled.js).
import { send } from "./htmx_setup.js";
import { toast } from "./toasts.js";

const ITEMS = "a[href], button";
const EDGE_PX = 8;
let menu = null;
let opener = null; // its button

const dialog = document.getElementById("dialog");
const items = () => [...menu.querySelectorAll(ITEMS)];

const linkOf = (button) => button.closest(".row-item")?.querySelector(".row-link");

function close(focus = false) {
  if (!menu) return;
  menu.remove();
  menu = null;
  opener.setAttribute("aria-expanded", "false");
  opener.closest(".row-item")?.classList.remove("is-asked");
  if (focus) linkOf(opener)?.focus({ preventScroll: true });
}

async function open(row, button) {
  close();
  const link = row.querySelector(".row-link");
  const answer = await send(`${link.pathname}/verbs`, { headers: { "HX-Request": "true", Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return toast(answer ? "failed" : "offline");
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!row.isConnected) return;
  close();
  opener = button;
  opener.setAttribute("aria-expanded", "true");
  row.classList.add("is-asked");
  menu = document.createElement("div");
  menu.className = "dropdown-menu row-menu show";
  menu.append(...fresh.body.childNodes);
  document.body.append(menu);
  window.htmx?.process(menu);
  stand(button.checkVisibility() ? button : row);
  items()[0]?.focus();
}

/** Below what opened it, or above where there is no room, and always wholly on the screen. */
function stand(beside) {
  const at = beside.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = at.bottom + height + EDGE_PX <= innerHeight;
  menu.style.left = `${Math.max(EDGE_PX, Math.min(at.right - width, innerWidth - width - EDGE_PX))}px`;
  menu.style.top = `${below ? at.bottom + 2 : Math.max(EDGE_PX, at.top - height - 2)}px`;
}

document.addEventListener("click", (event) => {
  if (dialog && !dialog.open) delete dialog.dataset.stays; // whatever opens it next
  const button = event.target.closest("[data-row-menu]");
  if (button) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return open(button.closest(".row-item"), button);
  }
  if (event.target.closest("[data-row-act]")) {
    const row = document.activeElement?.closest(".row-item") ?? document.querySelector("#list-pane .row-item[aria-current]");
    const own = row?.querySelector("[data-row-menu]");
    if (own) open(row, own);
  } else if (menu && !menu.contains(event.target)) close();
}, true);

// Here htmx has heard the click already. The dialog that comes gives the focus back to the row, and what is done in it leads
// nowhere.
document.addEventListener("click", (event) => {
  if (!menu || !event.target.closest(".row-menu a.dropdown-item")) return;
  if (dialog) dialog.dataset.stays = "";
  close(true);
});
document.addEventListener("submit", (event) => event.target.closest(".row-menu") && setTimeout(close, 0, true), true);
dialog?.addEventListener("close", () => delete dialog.dataset.stays);

document.addEventListener("contextmenu", (event) => {
  const row = event.target.closest?.("[data-rows] .row-item");
  const button = row?.querySelector("[data-row-menu]");
  if (!button || event.pointerType || event.button === 2) return; // the mouse keeps the browser's own
  event.preventDefault();
  open(row, button);
});

document.addEventListener("keydown", (event) => {
  if (!menu?.contains(event.target)) return;
  if (event.key === "Escape") {
    event.preventDefault();
    event.stopImmediatePropagation();
    return close(true);
  }
  const all = items();
  const here = all.indexOf(document.activeElement);
  const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  all.at(to >= all.length ? 0 : to).focus();
}, true);
document.addEventListener("focusin", (event) => menu && !menu.contains(event.target) && close());
document.addEventListener("scroll", (event) => menu && !menu.contains(event.target) && close(), true);
document.addEventListener("desk:leave", () => close());
