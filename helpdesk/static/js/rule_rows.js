// Rows of conditions in the form of a rule: one more, one less, and an example of the value beside what is looked at.
// Without this the form has a few empty rows, and a row without a choice does not count. Also: one box that ticks many.

function show(row) {
  const test = row.querySelector("[data-rule-test]");
  const value = row.querySelector("[data-rule-value]");
  const chosen = test.selectedOptions[0];
  value.placeholder = chosen?.dataset.example ?? "";
  value.hidden = chosen !== undefined && "bare" in chosen.dataset;
  if (value.hidden) value.value = "";
}

function furnish(rows) {
  const most = 20;
  const present = rows.querySelectorAll("[data-rule-row]");
  for (const row of present) {
    row.querySelector("[data-rule-remove]").hidden = false;
    show(row);
  }
  const add = rows.querySelector("[data-rule-add]");
  add.hidden = false;
  add.disabled = present.length >= most;
}

for (const rows of document.querySelectorAll("[data-rule-rows]")) {
  const present = [...rows.querySelectorAll("[data-rule-row]")];
  const blank = present.filter((row) => !row.querySelector("[data-rule-test]").value);
  blank.slice(blank.length === present.length ? 1 : 0).forEach((row) => row.remove());
  furnish(rows);
}

document.addEventListener("click", (event) => {
  const add = event.target.closest("[data-rule-add]");
  if (add) {
    const rows = add.closest("[data-rule-rows]");
    const row = rows.querySelector("[data-rule-template]").content.firstElementChild.cloneNode(true);
    add.before(row);
    furnish(rows);
    row.querySelector("[data-rule-test]").focus();
  }
  const remove = event.target.closest("[data-rule-remove]");
  if (remove) {
    const rows = remove.closest("[data-rule-rows]");
    remove.closest("[data-rule-row]").remove();
    furnish(rows);
    rows.querySelector("[data-rule-add]").focus();
  }
});

document.addEventListener("change", (event) => {
  const test = event.target.closest("[data-rule-test]");
  if (test) show(test.closest("[data-rule-row]"));
  const all = event.target.closest("[data-check-all]");
  if (all) all.form.querySelectorAll(`input[name="${all.dataset.checkAll}"]`).forEach((box) => (box.checked = all.checked));
});
