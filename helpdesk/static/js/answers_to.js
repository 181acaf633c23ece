// A reply that names the message it answers: [data-answers="123"] on the message, a line above the text until it is sent.
import { current } from "./composer.js";
import { placeOf } from "./drafts.js";

const MOST_SHOWN = 90;

const wordsOf = (message) => [message.dataset.author, message.querySelector(".said-text").textContent.trim()];

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
    name(composer, button.dataset.answers, ...wordsOf(message));
    placeOf(composer)?.changed();
  }
  if (!event.target.closest("[data-answers-none]")) return;
  name(composer, "");
  placeOf(composer)?.changed();
  composer.querySelector("textarea").focus();
});
// A draft that comes again, from this browser or another window, knows the message by its number alone.
document.addEventListener("draft:put", (event) => {
  const field = event.target.elements.answers;
  if (!field) return;
  const message = document.getElementById(`message-${field.value}`);
  if (message?.querySelector(".said-text")) name(event.target, field.value, ...wordsOf(message));
  else if (!field.value) name(event.target, "");
});
document.addEventListener("composer:sent", () => current() && name(current(), ""), true);
