"""`python -m bench.crowd [--operators 200] [--minutes 5] [--rate 20]`: a full house at its screens.

Simulated operators with open workspaces over five queues (see `bench.people`), customers who write through signed
doors, the real web server, workers and timetable; and a real Chromium at one of the tickets. Tells how long it took
from an event to the fetched pane and to the repainted page, what that cost, and whether memory grows.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

from bench import data
from bench.house import House
from bench.measure import percentile
from bench.meter import Meter
from bench.parts import told
from bench.results import keep
from bench.screen import chromium
from bench.stage import ROOT, Stage

AIM_SECONDS = 1.0

# Notes when a text of the form mark-N was painted for the first time, in seconds since 1970.
MARKS = r"""
(() => {
  window.__marks = {};
  const painted = (numbers) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      const now = (performance.timeOrigin + performance.now()) / 1000;
      for (const number of numbers) window.__marks[number] ??= now;
    };
    channel.port2.postMessage(null);
  });
  new MutationObserver(() => {
    const text = document.getElementById("thread")?.textContent ?? "";
    const fresh = [...text.matchAll(/mark-(\d+)/g)].map((match) => match[1]).filter((one) => !(one in window.__marks));
    if (fresh.length) painted(fresh);
  }).observe(document, { subtree: true, childList: true, characterData: true });
})();
"""


@contextmanager
def crew() -> Iterator[psutil.Process]:
    """Workers, listen and timetable of the stage, as `helpdesk run` has them."""
    process = subprocess.Popen([sys.executable, "-m", "wsgi", "crew"], cwd=ROOT, start_new_session=True)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(90)


@contextmanager
def people(order: dict[str, Any]) -> Iterator["subprocess.Popen[str]"]:
    """The process of the simulated operators and customers, once all of them are at work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.people"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        first = process.stdout.readline()
        if not first:
            raise RuntimeError("the operators could not open their pages")
        ready = json.loads(first)
        print(f"each operator follows {ready['topics']} topics; panes: {'; '.join(ready['panes'])}", flush=True)
        yield process
    finally:
        process.kill()
        process.wait()


def looking(page: Page, order: dict[str, Any], port: int) -> None:
    """Put a real browser where the last operator's ticket is; it has a session of its own."""
    own = order["browser"]
    page.context.add_cookies([{"name": own["cookie_name"], "value": own["cookie"], "url": f"http://127.0.0.1:{port}"}])
    page.add_init_script(MARKS)
    page.goto(f"http://127.0.0.1:{port}{own['path']}")
    page.locator("#thread [data-message]").first.wait_for()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Make the house, let it work, and gather what everybody saw."""
    with Stage() as stage:
        told(f"{options.tickets:,} tickets made", lambda: data.fill(stage, options.tickets))
        house = House(stage, options.operators + 1)
        house.furnish()
        tickets = told("conversations opened", house.open_tickets)
        browsers = house.sessions(tickets)
        last = options.operators  # the one more is the real browser's
        order = {
            "redis_url": os.environ["REDIS_URL"],
            "operators": browsers[:last],
            "browser": browsers[last],
            "doors": house.doors,
            "marked": {"door": last % len(house.doors), "chat": f"chat-{last}"},
            "rate": options.rate,
            "seconds": options.minutes * 60,
        }
        with stage.serving() as port, crew() as workers:
            return _work(stage, order | {"port": port}, workers)


def _work(stage: Stage, order: dict[str, Any], workers: psutil.Process) -> dict[str, Any]:
    with sync_playwright() as playwright, chromium(playwright) as browser:
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        looking(page, order, order["port"])
        with people(order) as process:
            web = _web_server(order["port"])
            meter = Meter({"web": web, "workers": workers, **_engines(stage)})
            assert process.stdout is not None
            # The browser's own connection to Playwright must be served meanwhile, so nothing may block for long.
            until = time.monotonic() + order["seconds"] + 60
            done: list[str] = []
            reader = _reads(process.stdout, done)
            while reader.is_alive() and time.monotonic() < until:
                page.wait_for_timeout(500)
            cost = meter.stop()
            if not done:
                raise RuntimeError("the operators did not come to an end")
            facts: dict[str, Any] = json.loads(done[0])
        marks = page.evaluate("() => window.__marks")
    painted = {number: marks.get(number) for number in facts["marks"]}
    return facts | {
        "repainted": [at - facts["marks"][number][1] for number, at in painted.items() if at is not None],
        "unseen": sum(at is None for at in painted.values()),
        "cost": cost,
        "memory": meter.memory,
        "growth": {name: meter.slope(name) for name in meter.roots},
    }


def _reads(stream: Any, done: list[str]) -> Any:
    import threading

    def read() -> None:
        line = stream.readline()
        if line:
            done.append(line)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _web_server(port: int) -> psutil.Process:
    """The parent of the gunicorn that listens there."""
    for process in psutil.Process().children(recursive=True):
        if any("gunicorn" in part for part in process.cmdline()) and process.environ().get("PORT") == str(port):
            return process
    raise RuntimeError("the web server is not among our processes")


def _engines(stage: Stage) -> dict[str, psutil.Process]:
    """PostgreSQL and Valkey: whoever was started with the stage's folder in its command."""
    found: dict[str, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if str(stage.folder) not in command:
            continue
        name = process.name()
        if "postgres" in name and "database" not in found:
            found["database"] = process
        elif "valkey" in name or "redis" in name:
            found.setdefault("redis", process)
    return found


def spread(values: list[float], unit: float = 1.0) -> str:
    """p50, p95 and the worst."""
    if not values:
        return "nothing"
    p50, p95 = percentile(values, 0.5) * unit, percentile(values, 0.95) * unit
    return f"p50 {p50:.2f}  p95 {p95:.2f}  worst {max(values) * unit:.2f}  ({len(values):,})"


def report(facts: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """All figures as lines."""
    seconds = options.minutes * 60
    fetched = [one for kind in facts["fetched"].values() for one in kind]
    asked = {kind: times for kind, times in facts["asked"].items() if kind.startswith("/")}
    requests = sum(len(times) for times in facts["asked"].values())
    mark = "" if fetched and percentile(fetched, 0.95) < AIM_SECONDS else "  OVER"
    lines = [
        f"{options.operators} operators, {facts['sent']} messages in {seconds:.0f} s, {facts['published']:,} changes",
        f"event -> on the stream, s:    {spread(facts['streamed'])}",
        f"event -> pane fetched, s:     {spread(fetched)}{mark}",
        f"stored -> repainted, s:       {spread(facts['repainted'])}, {facts['unseen']} not seen",
    ]
    lines += [f"  {kind:40} event -> fetched, s: {spread(times)}" for kind, times in facts["fetched"].items()]
    for kind, times in sorted(asked.items(), key=lambda one: -len(one[1])):
        size = facts["sizes"].get(kind, 0) / len(times) / 1000
        lines.append(
            f"  {kind:40} {len(times) / seconds:6.1f}/s  {size:5.1f} kB  answered in ms: {spread(times, 1000)}"
        )
    lines.append(f"  lists not asked for, because a change did not concern them: {facts['spared'] / seconds:.1f}/s")
    for kind in ("presence", "a message at the door"):
        times = facts["asked"].get(kind, [])
        lines.append(f"  {kind:40} {len(times) / seconds:6.1f}/s            answered in ms: {spread(times, 1000)}")
    cost = ", ".join(f"{name} {100 * used / seconds:.0f} %" for name, used in facts["cost"].items())
    lines.append(f"processor: {cost}, operators {100 * facts['cpu'] / seconds:.0f} % (of one core)")
    if requests and facts["sent"]:
        web = facts["cost"].get("web", 0.0)
        lines.append(
            f"web: {1000 * web / requests:.2f} ms of processor a request, {web / facts['sent'] * 1000:.0f} a message"
        )
    first, last = facts["memory"][0][1], facts["memory"][-1][1]
    sizes = ", ".join(
        f"{name} {first[name]:.0f} -> {last[name]:.0f} MB ({facts['growth'][name]:+.2f} MB/min)" for name in first
    )
    lines.append(f"memory of one's own: {sizes}")
    lines.append(f"errors: {facts['errors'] or 'none'}; stream: {facts['events']}; load {os.getloadavg()[0]:.1f}")
    return lines


def main() -> None:
    """Measure, show, keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description="A full house at its screens.")
    parser.add_argument("--operators", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=20.0, help="messages a second")
    parser.add_argument("--tickets", type=int, default=10_000, help="in the database beforehand")
    options = parser.parse_args()
    began = datetime.now(UTC)
    facts = measure(options)
    print("\n" + "\n".join(report(facts, options)))
    for name in ("streamed", "fetched", "asked"):  # hundreds of thousands of figures: what they come to is enough
        facts[name] = _short(facts[name])
    print(f"Kept in {keep('crowd', began, {'options': vars(options), **facts})}.")


def _short(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _short(one) for name, one in values.items()}
    shares = (0.5, 0.9, 0.95, 0.99, 1.0)
    return {str(share): percentile(values, share) for share in shares} | {"count": len(values)} if values else {}


if __name__ == "__main__":
    main()
