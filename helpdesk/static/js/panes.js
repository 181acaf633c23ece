// Panes that slide in on narrow screens: the rail and the customer's card.
const root = document.documentElement;
let opener = null;

function close() {
  if (!root.dataset.open) return;
  delete root.dataset.open;
  opener?.setAttribute("aria-expanded", "false");
  opener?.focus();
  opener = null;
}

function open(button) {
  const name = button.dataset.openPane;
  if (root.dataset.open === name) return close();
  root.dataset.open = name;
  opener = button;
  button.setAttribute("aria-expanded", "true");
  const pane = document.getElementById(button.getAttribute("aria-controls"));
  pane?.querySelector("a, button, input")?.focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-open-pane]");
  if (button) open(button);
  else if (event.target.closest("[data-close-pane]")) close();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") close();
});
