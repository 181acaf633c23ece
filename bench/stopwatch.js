// A stopwatch inside the page, from a key to what is painted. It survives a page load: what is waited for lies in the
// tab's own storage, and the next document goes on looking.
(() => {
  const KEY = "stopwatch";
  const absolute = (at) => performance.timeOrigin + at;
  const said = () => document.querySelector("#thread [data-message]");
  const there = {
    moved: (href) => document.activeElement?.matches?.(".row-link") && document.activeElement.href === href,
    ticket: (id) => document.querySelector(`#ticket-bar[data-ticket="${id}"]`) && said(),
    other: (id) => {
      const shown = document.querySelector("#ticket-bar")?.dataset.ticket;
      return shown && shown !== id && said();
    },
    list: (key) => document.querySelector(`#list-pane[data-list-key="${key}"] .row-item`),
  };
  let wanted = JSON.parse(sessionStorage.getItem(KEY) ?? "null");

  function finish(seen) {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      const painted = absolute(performance.now());
      const since = (entry) => absolute(entry.startTime) >= wanted.began - 1;
      const fetched = [...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")]
        .filter((entry) => since(entry) && ["fetch", "xmlhttprequest", "navigation"].includes(entry.initiatorType))
        .filter((entry) => absolute(entry.responseEnd) <= seen + 1);
      const last = fetched.sort((a, b) => a.responseEnd - b.responseEnd).at(-1);
      const parts = last && {
        name: new URL(last.name).pathname, kind: last.initiatorType, asks: fetched.length,
        before: absolute(last.startTime) - wanted.began,
        wait: last.responseStart - last.startTime, body: last.responseEnd - last.responseStart,
        show: seen - absolute(last.responseEnd), bytes: last.encodedBodySize,
        server: Object.fromEntries((last.serverTiming ?? []).map((one) => [one.name, one.duration])),
      };
      const focused = Boolean(document.activeElement?.closest?.("#composer"));
      window.__measured = { ms: painted - wanted.began, paint: painted - seen, parts: parts ?? null, focused };
      wanted = null;
      sessionStorage.removeItem(KEY);
    };
    channel.port2.postMessage(null);
  }

  function look() {
    if (!wanted?.began) return;
    if (there[wanted.kind](wanted.value)) finish(absolute(performance.now()));
    else requestAnimationFrame(look);
  }

  window.__expect = (kind, value) => {
    window.__measured = null;
    wanted = { kind, value, began: 0 };
  };
  addEventListener("keydown", (event) => {
    if (!wanted || wanted.began || ["Shift", "Control", "Alt"].includes(event.key)) return;
    wanted.began = absolute(event.timeStamp);
    sessionStorage.setItem(KEY, JSON.stringify(wanted));
    requestAnimationFrame(look);
  }, true);
  if (wanted?.began) requestAnimationFrame(look);

  // How far things jumped that nobody touched: all layout shifts that no key or click explains.
  window.__shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      const name = (node) => node && (node.id ? `#${node.id}` : `${node.nodeName.toLowerCase()}.${node.className}`);
      const who = entry.sources.map(({ node }) => name(node));
      window.__shifts.push({ value: entry.value, at: entry.startTime, who });
    }
  }).observe({ type: "layout-shift", buffered: true });
})();
