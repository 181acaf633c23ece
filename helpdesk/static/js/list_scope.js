// A line of waiting tickets need not be read again for what it does not show: tickets that are in none of its rows, and
// that stand in no line or behind its last row while more rows follow. Who waits is told by the figures beside it.
const placeOf = (row) => (row.dataset.place ?? "").split(":").map(Number);
const isBehind = ([oneClass, oneAt], [otherClass, otherAt]) => oneClass > otherClass || (oneClass === otherClass && oneAt > otherAt);

function concerns(list, about) {
  const rows = [...list.querySelectorAll(".row-item")];
  if (!about || !rows.length) return true;
  const shown = new Set(rows.map((row) => row.dataset.id));
  const last = placeOf(rows.at(-1));
  const goesOn = Boolean(list.querySelector("[data-more]"));
  return Object.entries(about).some(([id, place]) => shown.has(id) || (place && !(goesOn && isBehind(place, last))));
}

document.addEventListener("live:coming", (event) => {
  if (event.target.matches("[data-line]") && !concerns(event.target, event.detail.about)) event.preventDefault();
});
