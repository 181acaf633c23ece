// Who is writing to a customer, as a mark on the rows of lists. Names come with the event stream (live_writers.py); whoever
// goes on writing is told again and again, so a mark that was not told of for half a minute goes by itself. Nothing is
// fetched, and nothing moves: the mark stands on the face of the row.
const BELIEVED_MS = 30_000;
const ENDED_MS = 5_000; // so long it is known of a ticket that nobody writes any more: rows on their way may not know it yet

const heard = new Map(); // ticket: { names, until }
const begun = new WeakMap(); // a mark that came with its row: until when it is believed

const rowsOf = (ticket) => document.querySelectorAll(`.row-item[data-id="${CSS.escape(ticket)}"]`);

function write(row, names) {
  const before = row.querySelector("[data-writes]");
  if (!names.length) return void before?.remove();
  const pattern = row.closest("[data-rows]")?.querySelector("template[data-writes-mark]");
  if (!pattern) return;
  const mark = before ?? pattern.content.firstElementChild.cloneNode(true);
  const sentence = pattern.dataset.writesMark.replace("{names}", names.join(", "));
  if (mark.title !== sentence) {
    mark.title = sentence;
    mark.querySelector(".visually-hidden").textContent = sentence;
  }
  if (!before) row.querySelector(".row-top").append(mark);
}

function forget() {
  const now = Date.now();
  for (const mark of document.querySelectorAll(".row-item [data-writes]")) {
    const known = heard.get(mark.closest(".row-item").dataset.id);
    const until = known?.until ?? begun.get(mark);
    if (until === undefined) begun.set(mark, now + BELIEVED_MS);
    else if (until < now || known?.names.length === 0) mark.remove();
  }
  for (const [ticket, { until }] of heard) if (until < now) heard.delete(ticket);
}

document.addEventListener("live:writers", (event) => {
  const now = Date.now();
  for (const [ticket, names] of Object.entries(event.detail)) {
    heard.set(ticket, { names, until: now + (names.length ? BELIEVED_MS : ENDED_MS) });
    for (const row of rowsOf(ticket)) write(row, names);
  }
});
// Rows that came without knowing it: what was heard of their tickets holds for them too.
document.addEventListener("htmx:afterSettle", () => {
  for (const [ticket, { names }] of heard) for (const row of rowsOf(ticket)) write(row, names);
});
setInterval(forget, 1_000);
