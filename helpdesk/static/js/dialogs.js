// Native dialogs: opened by a button (data-dialog), by an answer that htmx puts into #dialog-body, or as a question.
// The server closes the common one with the header  HX-Trigger: dialog:close

const common = document.getElementById("dialog");

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
  const closer = event.target.closest("[data-dialog-close]");
  if (closer) closer.closest("dialog")?.close();
  // The dialog itself is hit only outside its content, on the backdrop.
  if (event.target instanceof HTMLDialogElement) {
    const box = event.target.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) event.target.close();
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "dialog-body" || !common) return;
  // Closing gives the focus back to where it was; opened by a key from nowhere, that shall be the dialog's own button.
  if (!common.open && document.activeElement === document.body) event.detail.requestConfig?.elt?.focus();
  if (!common.open) common.showModal();
  common.querySelector("[autofocus], .dialog-body :is(input:not([type=hidden]), select, textarea, button)")?.focus();
});
// Everything about the customer: the same, over the whole page.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "large-card-body") return;
  const large = event.detail.target.closest("dialog");
  if (!large.open) large.showModal();
  large.querySelector("h2")?.focus();
});
document.addEventListener("dialog:close", () => common?.close());

/** Put a question; the promise holds whether the person agreed. */
export function ask(sentence) {
  const dialog = document.getElementById("confirm-dialog");
  if (!dialog) return Promise.resolve(true);
  dialog.querySelector("#confirm-text").textContent = sentence;
  dialog.showModal();
  return new Promise((resolve) => {
    const yes = dialog.querySelector("#confirm-yes");
    const agree = () => {
      agreed = true;
      dialog.close();
    };
    let agreed = false;
    yes.addEventListener("click", agree, { once: true });
    dialog.addEventListener("close", () => (yes.removeEventListener("click", agree), resolve(agreed)), { once: true });
  });
}

// Ordinary forms with data-confirm, and htmx elements with hx-confirm, ask in our dialog.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const { submitter } = event;
  if (!(await ask(form.dataset.confirm))) return;
  form.dataset.confirmed = "yes";
  form.requestSubmit(submitter);
  delete form.dataset.confirmed;
}, true);

document.addEventListener("htmx:confirm", (event) => {
  if (!event.detail.question) return;
  event.preventDefault();
  ask(event.detail.question).then((agreed) => agreed && event.detail.issueRequest(true));
});
