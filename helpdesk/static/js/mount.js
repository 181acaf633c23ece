// Panes are swapped while the page lives on, so nothing may be looked up once and for ever:
//   onMount("#composer", (composer) => ...)  runs for each such element, now and whenever one comes, once per element.
//   onMount(selector, begin, { later: true })  the same, but panes that come are painted first: for what nobody sees.
// What listens on the document and asks `event.target.closest(...)` needs none of this.
const watched = [];

function look(isPainted = true) {
  for (const { selector, begin, later, seen } of watched) {
    if (later && !isPainted) continue;
    for (const element of document.querySelectorAll(selector)) {
      if (seen.has(element)) continue;
      seen.add(element);
      begin(element);
    }
  }
}

/** Calls `begin(element)` once for every element that matches, also for those that come later. */
export function onMount(selector, begin, { later = false } = {}) {
  watched.push({ selector, begin, later, seen: new WeakSet() });
  look();
}

/** To be called by whoever put new elements on the page without htmx. */
export const mounted = () => look();
/** The same before they are painted. What may come later then follows with `mounted` or any swap. */
export const mountedUnpainted = () => look(false);

document.addEventListener("htmx:load", mounted);
document.addEventListener("htmx:afterSettle", mounted);
