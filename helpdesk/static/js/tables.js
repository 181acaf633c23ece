// Tables in .sheet-scroll: each cell learns the words of its column, which tables.css shows where rows are cards; and a
// sheet that goes on to the right says so, and can be scrolled by keyboard.
function name(table) {
  const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
  const words = heads.map((head) => (head.querySelector(".visually-hidden, input") ? "" : head.textContent.trim()));
  for (const cell of table.querySelectorAll(":scope > tbody > tr > td:not([colspan], [data-label])")) {
    const nothing = !cell.textContent.trim() && !cell.querySelector("input, button, img, svg");
    if (words[cell.cellIndex] && !nothing) cell.dataset.label = words[cell.cellIndex];
  }
}

function edge(sheet) {
  const room = sheet.scrollWidth - sheet.clientWidth;
  sheet.classList.toggle("has-more", room - sheet.scrollLeft > 1);
  if (room > 1) sheet.tabIndex = 0;
}

const sizes = new ResizeObserver((entries) => entries.forEach((entry) => edge(entry.target)));

function serve() {
  for (const sheet of document.querySelectorAll(".sheet-scroll")) {
    sheet.querySelectorAll(":scope > table").forEach(name);
    edge(sheet);
    sizes.observe(sheet); // once more changes nothing
  }
}

document.addEventListener("scroll", (event) => event.target.matches?.(".sheet-scroll") && edge(event.target), true);
document.addEventListener("htmx:afterSwap", serve);
serve();
