// The edges between list, conversation and card are dragged, or moved by arrow keys; their places are kept in this
// browser. A double click gives back the width that was meant.
const EDGES = [
  { pane: "list-pane", name: "--list-width", from: 240, to: 560, side: 1 },
  { pane: "card", name: "--card-width", from: 240, to: 560, side: -1 },
];
const STEP_PX = 16;
const root = document.documentElement;
const words = document.getElementById("edge-words")?.dataset ?? {};

function recall(name) {
  try {
    return Number(localStorage.getItem(name)) || 0;
  } catch {
    return 0; // storage is forbidden: every page then begins as meant
  }
}

function keep(edge, width) {
  const within = width && Math.round(Math.min(edge.to, Math.max(edge.from, width)));
  if (within) root.style.setProperty(edge.name, `${within}px`);
  else root.style.removeProperty(edge.name);
  try {
    if (within) localStorage.setItem(edge.name, String(within));
    else localStorage.removeItem(edge.name);
  } catch {
    // lasts as long as the page
  }
  lay();
}

function lay() {
  const shell = document.querySelector(".shell");
  if (!shell) return;
  const frame = shell.getBoundingClientRect();
  for (const edge of EDGES) {
    const pane = document.getElementById(edge.pane);
    const box = pane?.getBoundingClientRect();
    const shown = box && box.width > 0 && getComputedStyle(pane).position !== "fixed" && document.getElementById("main")?.checkVisibility();
    edge.handle.hidden = !shown;
    if (!shown) continue;
    const at = (edge.side > 0 ? box.right : box.left) - frame.left;
    edge.handle.style.left = `${at - 5}px`;
    edge.handle.style.top = `${box.top - frame.top}px`;
    edge.handle.style.height = `${box.height}px`;
    edge.handle.setAttribute("aria-valuenow", String(Math.round(box.width)));
  }
}

function begin(edge) {
  const handle = document.createElement("button");
  edge.handle = handle;
  handle.type = "button";
  handle.className = "pane-edge";
  handle.setAttribute("role", "separator");
  handle.setAttribute("aria-orientation", "vertical");
  handle.setAttribute("aria-label", words[edge.side > 0 ? "list" : "card"] ?? "");
  handle.setAttribute("aria-valuemin", String(edge.from));
  handle.setAttribute("aria-valuemax", String(edge.to));
  const width = () => document.getElementById(edge.pane).getBoundingClientRect().width;
  handle.addEventListener("pointerdown", (event) => {
    const start = event.clientX;
    const was = width();
    handle.setPointerCapture(event.pointerId);
    handle.classList.add("is-dragged");
    const move = (next) => keep(edge, was + (next.clientX - start) * edge.side);
    handle.addEventListener("pointermove", move);
    handle.addEventListener("lostpointercapture", () => {
      handle.removeEventListener("pointermove", move);
      handle.classList.remove("is-dragged");
    }, { once: true });
  });
  handle.addEventListener("dblclick", () => keep(edge, 0));
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -STEP_PX, ArrowRight: STEP_PX }[event.key];
    if (!step) return;
    event.preventDefault();
    keep(edge, width() + step * edge.side);
  });
  document.querySelector(".shell").append(handle);
  const kept = recall(edge.name);
  if (kept) root.style.setProperty(edge.name, `${kept}px`);
}

if (document.querySelector(".shell")) {
  EDGES.forEach(begin);
  lay();
  addEventListener("resize", lay);
  document.addEventListener("desk:shown", lay);
  new ResizeObserver(lay).observe(document.querySelector(".bars"));
}
