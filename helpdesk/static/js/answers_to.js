// A reply that names the message it answers: [data-answers="123"] on the message, a line above the text until it is sent.
import { current } from "./composer.js";

const MOST_SHOWN = 90;

function name(composer, id, author = "", text = "") {
  composer.elements.answers.value = id;
  const chip = composer.querySelector("[data-answers-chip]");
  chip.hidden = !id;
  chip.querySelector("[data-author]").textContent = author;
  chip.querySelector("[data-snippet]").textContent = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

document.addEventListener("click", (event) => {
  const composer = current();
  if (!composer) return;
  const button = event.target.closest("[data-answers]");
  if (button) {
    const message = button.closest("[data-message]");
    name(composer, button.dataset.answers, message.dataset.author, message.querySelector(".said-text").textContent.trim());
  }
  if (!event.target.closest("[data-answers-none]")) return;
  name(composer, "");
  composer.querySelector("textarea").focus();
});
document.addEventListener("composer:sent", () => current() && name(current(), ""), true);
