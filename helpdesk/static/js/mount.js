// Panes are swapped while the page lives on, so nothing may be looked up once and for ever:
//   onMount("#composer", (composer) => ...)  runs for each such element, now and whenever one comes, once per element.
// What listens on the document and asks `event.target.closest(...)` needs none of this.
const watched = [];

function look() {
  for (const { selector, begin, seen } of watched) {
    for (const element of document.querySelectorAll(selector)) {
      if (seen.has(element)) continue;
      seen.add(element);
      begin(element);
    }
  }
}

/** Calls `begin(element)` once for every element that matches, also for those that come later. */
export function onMount(selector, begin) {
  watched.push({ selector, begin, seen: new WeakSet() });
  look();
}

/** To be called by whoever put new elements on the page without htmx. */
export const mounted = look;

document.addEventListener("htmx:load", look);
document.addEventListener("htmx:afterSettle", look);
