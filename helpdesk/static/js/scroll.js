// A conversation stays at its end when it was there; otherwise new messages announce themselves and move nothing.
// <div class="pane-scroll" data-stick data-new-words="..."> holds the thread and a hidden .jump with a button.
import { announce } from "./toasts.js";

const NEAR_PX = 80;
let before = null;

const pane = () => document.querySelector("[data-stick]");
const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
const lastMessage = (box) => box.querySelector("[data-message]:last-of-type")?.id;

function toEnd(box) {
  box.scrollTop = box.scrollHeight;
  box.querySelector(".jump")?.setAttribute("hidden", "");
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const box = pane();
  before = box?.contains(event.detail.target) ? { atEnd: atEnd(box), last: lastMessage(box) } : null;
});

document.addEventListener("htmx:afterSettle", () => {
  const box = pane();
  if (!box || !before) return;
  const isNew = lastMessage(box) !== before.last;
  if (before.atEnd) toEnd(box);
  else if (isNew) box.querySelector(".jump")?.removeAttribute("hidden");
  if (isNew && box.dataset.newWords) announce(box.dataset.newWords);
  before = null;
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-to-end]")) toEnd(pane());
});

const box = pane();
if (box) {
  let follows = !location.hash;
  if (follows) toEnd(box);
  box.addEventListener("scroll", () => {
    follows = atEnd(box);
    if (follows) box.querySelector(".jump")?.setAttribute("hidden", "");
  }, { passive: true });
  // Pictures come after the page and push its end away from whoever was there.
  box.addEventListener("load", (event) => follows && event.target.matches("img") && toEnd(box), true);
}
