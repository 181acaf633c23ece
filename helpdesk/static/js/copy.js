// <button data-copy="#field">: puts a field's value into the clipboard, or selects it where the browser forbids that.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.querySelector(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.setAttribute("aria-pressed", "true");
  } catch {
    field.focus();
  }
});

document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-select-all]")) event.target.select();
});
