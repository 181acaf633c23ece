// F6 and Shift+F6 go from one part of the screen to the next: rail, list, conversation, composer, card. Each is a
// landmark with a name, which screen readers say when the focus comes into it.
const STOPS = ["#rail", "#list-pane", "#main", "#composer", "#card"];

const isShown = (element) => element?.checkVisibility({ visibilityProperty: true });
const stops = () => STOPS.map((selector) => document.querySelector(selector)).filter(isShown);

/** Where the focus goes in a part: the row or entry that is current, the text of the composer, else what scrolls. */
function target(stop) {
  if (stop.id === "composer") return stop.querySelector("textarea");
  const goes = stop.id === "rail" || stop.id === "list-pane";
  const current = goes ? (stop.querySelector(".rail-link[aria-current], [aria-current] .row-link") ?? stop.querySelector(".rail-link, .row-link")) : null;
  return current ?? stop.querySelector(".pane-scroll") ?? stop;
}

/** Move the focus to the part `step` further, from the last one to the first. */
export function nextPane(step) {
  const all = stops();
  if (!all.length) return;
  // The composer lies inside the conversation: the innermost part that has the focus counts.
  const here = all.findLastIndex((stop) => stop.contains(document.activeElement));
  const next = all[(here < 0 ? (step > 0 ? 0 : all.length - 1) : here + step + all.length) % all.length];
  const field = target(next);
  if (field === next || field.matches(".pane-scroll")) field.tabIndex = -1;
  field.focus();
}
