// Small messages in the corner. Their words come from <template id="toast-..."> or from the server's answer.

const SHOWN_MS = 8000;

function show(nodes) {
  const box = document.getElementById("toasts");
  if (!box) return;
  box.replaceChildren(...nodes);
  setTimeout(() => nodes.forEach((node) => node.isConnected && node.remove()), SHOWN_MS);
}

/** Show the message of `<template id="toast-<name>">`. */
export function toast(name) {
  const template = document.getElementById(`toast-${name}`);
  if (template) show([...template.content.cloneNode(true).children]);
}

/** Show one sentence. */
export function toastText(sentence) {
  const notice = document.createElement("div");
  notice.className = "notice";
  notice.textContent = sentence;
  show([notice]);
}

/** Show the part marked `data-toast` of an HTML answer of our own server. */
export function toastFragment(html) {
  const answer = new DOMParser().parseFromString(html, "text/html");
  show([...answer.querySelectorAll("[data-toast] > *")]);
}

/** Say one sentence to screen readers, politely. */
export function announce(sentence) {
  const voice = document.getElementById("announce");
  if (voice) voice.textContent = sentence;
}

document.addEventListener("click", (event) => {
  event.target.closest("[data-dismiss]")?.closest(".notice")?.remove();
});
