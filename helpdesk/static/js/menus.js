// Menus: a button with data-menu opens the .dropdown-menu beside it. Arrow keys move in it, Escape gives the focus back.
// https://www.w3.org/WAI/ARIA/apg/patterns/disclosure/
const ITEMS = "a[href], button:not([disabled])";
let opened = null;

const menuOf = (button) => button.parentElement.querySelector(".dropdown-menu");

function close(focus = false) {
  if (!opened) return;
  const button = opened;
  opened = null;
  menuOf(button)?.classList.remove("show");
  button.setAttribute("aria-expanded", "false");
  if (focus) button.focus();
}

function open(button) {
  close();
  opened = button;
  menuOf(button).classList.add("show");
  button.setAttribute("aria-expanded", "true");
}

function move(step) {
  const items = [...menuOf(opened).querySelectorAll(ITEMS)].filter((item) => item.checkVisibility());
  const here = items.indexOf(document.activeElement);
  items[here < 0 ? (step > 0 ? 0 : items.length - 1) : (here + step + items.length) % items.length]?.focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-menu]");
  if (button) return button === opened ? close() : open(button);
  if (!opened) return;
  const inside = event.target.closest(".dropdown-menu") === menuOf(opened);
  // What was chosen closes the menu; choices that stay to be compared (segments) do not.
  if (!inside || event.target.closest(".dropdown-item")) close();
});

document.addEventListener("keydown", (event) => {
  const button = event.target.closest?.("[data-menu]");
  if (button && button !== opened && event.key === "ArrowDown") open(button);
  if (!opened || !opened.isConnected) return;
  if (event.key === "Escape") {
    event.stopImmediatePropagation();
    return close(true);
  }
  if (!event.target.closest(".dropdown-menu, [data-menu]") || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
  event.preventDefault();
  move(event.key === "ArrowDown" ? 1 : -1);
}, true);

document.addEventListener("focusin", (event) => {
  if (opened && !opened.parentElement.contains(event.target) && !event.target.closest("dialog")) close();
});
