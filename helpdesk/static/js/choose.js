// Choosing rows of a list for one act on many: a box on each row, Shift and click for a range, the key x for the row that
// has the focus. The bar above the list counts them and opens the form of an act.
import { announce } from "./toasts.js";

let last = null;

const bar = () => document.querySelector("[data-bulk]");
const listOf = () => document.querySelector("#list-pane [data-rows]");
const boxes = () => [...(listOf()?.querySelectorAll("[data-pick]") ?? [])];
const chosen = () => boxes().filter((box) => box.checked);

function show() {
  const toolbar = bar();
  if (!toolbar) return;
  const picked = chosen();
  const count = toolbar.querySelector("[data-bulk-count]");
  if (count.textContent !== String(picked.length)) count.textContent = String(picked.length);
  toolbar.toggleAttribute("hidden", !picked.length);
  listOf()?.classList.toggle("is-choosing", picked.length > 0);
  for (const box of boxes()) box.closest(".row-item").classList.toggle("is-chosen", box.checked);
  const all = toolbar.querySelector("[data-pick-all]");
  all.checked = picked.length > 0 && picked.length === boxes().length;
  all.indeterminate = picked.length > 0 && !all.checked;
}

function pick(box, isOn, through) {
  const most = Number(bar()?.dataset.most ?? 0);
  const all = boxes();
  const [from, to] = [all.indexOf(through ?? box), all.indexOf(box)].sort((a, b) => a - b);
  for (const one of all.slice(Math.max(0, from), to + 1)) {
    if (isOn && !one.checked && chosen().length >= most) break;
    one.checked = isOn;
  }
  last = box;
  show();
}

function none() {
  for (const box of chosen()) box.checked = false;
  last = null;
  show();
}

document.addEventListener("click", (event) => {
  const box = event.target.closest("[data-pick]");
  if (box) {
    const through = event.shiftKey && last?.isConnected ? last : null;
    return pick(box, box.checked, through);
  }
  if (event.target.closest("[data-pick-all]")) {
    const isOn = event.target.checked;
    const all = boxes();
    if (all.length) pick(all.at(-1), isOn, all[0]);
  }
  if (event.target.closest("[data-bulk-end]")) none();
  if (event.target.closest("[data-pick-row]")) {
    const row = document.activeElement?.closest(".row-item") ?? listOf()?.querySelector(".row-item[aria-current]");
    const own = row?.querySelector("[data-pick]");
    if (own) {
      pick(own, !own.checked);
      announce(own.checked ? own.getAttribute("aria-label") : "");
    }
  }
  const act = event.target.closest("[data-bulk-act]");
  if (act && chosen().length) {
    const url = new URL(bar().dataset.bulk, location.href);
    url.searchParams.set("act", act.dataset.bulkAct);
    url.searchParams.set("ids", chosen().map((one) => one.value).join(","));
    window.htmx.ajax("GET", url.pathname + url.search, { source: act, target: "#dialog-body", swap: "innerHTML" });
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]") || !chosen().length) return;
  if (!event.target.closest?.("#list-pane")) return;
  event.preventDefault();
  none();
});

document.addEventListener("desk:shown", show);
document.addEventListener("htmx:afterSettle", show);
