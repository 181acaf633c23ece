// Small messages in the corner. Their words come from <template id="toast-..."> or from the server's answer.

const SHOWN_MS = 8000;

/** Show these elements in place of what is shown, for so many milliseconds. */
export function showToast(nodes, shownMs = SHOWN_MS) {
  const box = document.getElementById("toasts");
  if (!box) return;
  box.replaceChildren(...nodes);
  setTimeout(() => nodes.forEach((node) => node.isConnected && node.remove()), shownMs);
}

/** Show the message of `<template id="toast-<name>">`. */
export function toast(name) {
  const template = document.getElementById(`toast-${name}`);
  if (template) showToast([...template.content.cloneNode(true).children]);
}

/** Show one sentence. */
export function toastText(sentence) {
  const notice = document.createElement("div");
  notice.className = "notice";
  notice.textContent = sentence;
  showToast([notice]);
}

/** Show the part marked `data-toast` of an HTML answer of our own server. */
export function toastFragment(html) {
  const answer = new DOMParser().parseFromString(html, "text/html");
  showToast([...answer.querySelectorAll("[data-toast] > *")]);
}

/** Say one sentence to screen readers, politely. */
export function announce(sentence) {
  const voice = document.getElementById("announce");
  if (voice) voice.textContent = sentence;
}

document.addEventListener("click", (event) => {
  event.target.closest("[data-dismiss]")?.closest(".notice")?.remove();
});
