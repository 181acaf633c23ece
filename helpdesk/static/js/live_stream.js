// One event stream for all tabs of the browser. The tab that holds the Web Lock "live" owns the EventSource and repeats
// what comes to the others over a BroadcastChannel; when it closes, the lock passes to another tab by itself.
// Web Locks need a secure context: on plain http each tab has a stream of its own, and only while it is visible.

const REGROW_MS = 300;
const RETRY_MS = [2_000, 5_000, 10_000, 30_000];

/**
 * Follow the stream at `url`. `topics()` gives the topics that this tab wants now; `hear(name, data)` gets each event
 * ("change", "versions", "figures", "writers") parsed, and "lost" when the connection broke. Returns a function to call when topics change.
 */
export function follow(url, topics, hear) {
  const me = Math.random().toString(36).slice(2);
  const wants = new Map();
  let source = null;
  let asked = new Set();
  let failures = 0;
  let growing = null;
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("live") : null;
  const sharing = channel !== null && "locks" in navigator;

  const tell = (name, data) => {
    hear(name, data);
    if (sharing) channel.postMessage({ name, data });
  };

  const wanted = () => new Set([...topics(), ...[...wants.values()].flat()]);

  function open() {
    growing = null;
    source?.close();
    asked = wanted();
    const query = new URLSearchParams([...asked].sort().map((topic) => ["topic", topic]));
    source = new EventSource(`${url}?${query}`);
    for (const name of ["change", "versions", "figures", "writers"]) {
      source.addEventListener(name, (event) => {
        failures = 0;
        tell(name, JSON.parse(event.data));
      });
    }
    source.onerror = () => {
      tell("lost");
      // The browser reconnects by itself unless the server refused; then we try again, later and later.
      if (source.readyState !== EventSource.CLOSED) return;
      const pause = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)];
      setTimeout(() => source && open(), pause * (0.75 + Math.random() / 2));
    };
  }

  function close() {
    source?.close();
    source = null;
  }

  /** Reopen the stream when somebody wants a topic that it was not asked for. */
  function grow() {
    if (!source || growing) return;
    if ([...wanted()].some((topic) => !asked.has(topic))) growing = setTimeout(open, REGROW_MS);
  }

  if (!sharing) {
    const follows = () => (document.hidden ? close() : open());
    document.addEventListener("visibilitychange", follows);
    follows();
    return grow;
  }

  const sayWants = () => channel.postMessage({ name: "wants", tab: me, topics: [...topics()] });
  channel.onmessage = ({ data: message }) => {
    if (message.name === "wants") {
      if (message.topics) wants.set(message.tab, message.topics);
      else wants.delete(message.tab);
      grow();
    } else if (message.name === "who") sayWants();
    else if (!source) hear(message.name, message.data);
  };
  addEventListener("pagehide", () => channel.postMessage({ name: "wants", tab: me }));
  sayWants();
  // The lock is held until this page goes: its promise never resolves.
  navigator.locks.request("live", () => {
    channel.postMessage({ name: "who" });
    setTimeout(open, REGROW_MS);
    return new Promise(() => {});
  });
  return () => (source ? grow() : sayWants());
}
