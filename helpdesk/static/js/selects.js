// <select data-select>: searchable lists and tags. The page links tom-select itself (_select_assets.html).
function enhance(root) {
  if (!window.TomSelect) return;
  for (const select of root.querySelectorAll("select[data-select]:not(.tomselected)")) {
    new window.TomSelect(select, {
      create: select.dataset.select === "create",
      plugins: select.multiple ? ["remove_button"] : [],
      maxOptions: 500,
    });
    // The widget has taken over the label; the list behind it is for the form alone.
    select.setAttribute("aria-hidden", "true");
  }
}

document.addEventListener("DOMContentLoaded", () => enhance(document));
document.addEventListener("htmx:load", (event) => enhance(event.detail.elt));
