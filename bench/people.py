"""Simulated operators at open workspaces, and the customers who write to them: `python -m bench.people < order.json`.

Each operator has a page, one event stream over its topics, and fetches its panes again exactly as `live.js` does, with
the same pauses; their presence is told as `presence.js` does. Started by `bench.crowd`, in a process of its own.

When something happened is when it was published: this process hears the same channel of Redis as the web server does.
"""

import asyncio
import contextlib
import json
import random
import re
import resource
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urlencode

import redis.asyncio

from bench.panes import About, Pane, Rows, both
from bench.wire import Line, Lines
from helpdesk import signatures
from helpdesk.live import CHANNEL

TAG = re.compile(r"<[a-z]+ [^>]*data-live=[^>]*>")
ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')
META = re.compile(r'<meta name="(live-topics|csrf-token)" content="([^"]*)"')
FIGURES = re.compile(r'data-figures="([^"]*)"')
PRESENCE = re.compile(r'data-presence-url="([^"]*)"')
GAP, PERSON_GAP = 0.5, 0.2  # seconds; MIN_GAP_MS and PERSON_GAP_MS of live.js
LATE = 20.0  # seconds that the last messages get to be stored
PATIENCE, LONGEST_PAUSE = 20.0, 10.0  # times the last answer, seconds; of list.js
GATHER, PATIENCE_TOGETHER = 0.015, 3.0  # seconds, times the last answer; of together.js
BEAT, QUIET, TRUSTED = 10.0, 60.0, 20.0  # seconds; of presence.js and live_contact.js


@dataclass
class Heard:
    """What all operators together saw and how long it took, in seconds."""

    published: dict[tuple[str, int], float] = field(default_factory=dict)
    streamed: list[float] = field(default_factory=list)
    fetched: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    asked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    sizes: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    spared: int = 0  # lists that a change did not concern


class Operator:
    """One open workspace."""

    def __init__(self, order: dict[str, Any], heard: Heard) -> None:
        self.heard, self.path = heard, order["path"]
        headers = {"Cookie": f"{order['cookie_name']}={order['cookie']}", "User-Agent": "bench"}
        self.lines = Lines(order["port"], headers)
        self.stream = Line(order["port"], headers)
        self.panes: list[Pane] = []
        self.topics: list[str] = []
        self.known: dict[str, int | None] = {}
        self.shown: dict[tuple[str, str], int] = {}
        self.told: dict[str, float] = {}
        self.waiting: set[str] = set()
        self.untold: dict[str, About] = {}
        self.token = self.presence_url = ""
        self.heard_at = 0.0
        self.jobs: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Load the page, and learn what is live on it."""
        answer = await self.lines.get(self.path)
        if answer.status != 200:
            raise RuntimeError(f"{self.path} answered {answer.status}: {answer.text[:300]}")
        page = answer.text
        metas = {name: unescape(value) for name, value in META.findall(page)}
        self.token = metas.get("csrf-token", "")
        found = PRESENCE.search(page)
        self.presence_url = unescape(found[1]) if found else ""
        topics = set(metas.get("live-topics", "").split())
        for figures in FIGURES.findall(page):
            topics |= set(figures.split())
        for tag in TAG.findall(page):
            told = {name: unescape(value) for name, value in ATTRIBUTE.findall(tag)}
            names = told["data-live"].split()
            topics |= set(names)
            self._learn(names, told.get("data-version", ""))
            if "data-together" in told:
                self._share(told["data-together"], told["id"], names)
            elif "hx-get" in told:
                self.panes.append(Pane(told["hx-get"], names, told.get("hx-trigger", "")))
            elif "data-refresh" in told:
                self.panes.append(Pane(told["data-refresh"], names, "", Rows(page), " data-line" in tag))
        self.topics = sorted(topics)

    def _share(self, url: str, name: str, topics: list[str]) -> None:
        """Panes that are asked for together count as one, with the topics of all: here they change together."""
        shared = next((pane for pane in self.panes if pane.url.partition("?")[0] == url), None)
        if shared is None:
            self.panes.append(Pane(f"{url}?of={name}", topics, "", together=True))
        else:
            shared.url += f",{name}"
            shared.topics = list(dict.fromkeys(shared.topics + topics))

    async def work(self) -> None:
        """Follow the stream until cancelled."""
        self._begin(self._beat())
        query = urlencode([("topic", topic) for topic in self.topics])
        while True:
            try:
                async for name, data in self.stream.events(f"/live?{query}"):
                    self._hear(name, json.loads(data))
                self.heard.errors["a stream ended"] += 1
            except (OSError, asyncio.IncompleteReadError, ConnectionError) as error:
                self.heard.errors[f"stream: {type(error).__name__} {error}"[:80]] += 1
            self.stream.close()
            await asyncio.sleep(1)

    def _hear(self, name: str, data: dict[str, Any]) -> None:
        self.heard.events[name] += 1
        self.heard_at = time.monotonic()
        if name == "versions":
            for topic, version in data.items():
                self._note(topic, version)
        elif name == "change":
            topic, version = data["topic"], data["version"]
            at = self.heard.published.get((topic, version))
            if at is not None:
                self.heard.streamed.append(time.monotonic() - at)
            self.known.setdefault(topic, None)
            self._note(topic, version, data.get("about"), data.get("since"))

    def _note(self, topic: str, version: int, about: About = None, since: int | None = None) -> None:
        new = topic not in self.known
        before = self.known.get(topic)
        self.known[topic] = version
        if new or before == version:
            return
        whole = about if since is not None and since == before else None
        self.untold[topic] = both(self.untold[topic], whole) if topic in self.untold else whole
        if topic in self.waiting:
            return
        self.waiting.add(topic)
        gap = PERSON_GAP if topic.startswith("viewers:") else GAP
        pause = max(0.0, self.told.get(topic, 0.0) + gap - time.monotonic())
        asyncio.get_running_loop().call_later(pause, self._tell, topic)

    def _tell(self, topic: str) -> None:
        self.waiting.discard(topic)
        now = self.told[topic] = time.monotonic()
        about = self.untold.pop(topic, None)
        for pane in self.panes:
            if topic not in pane.topics:
                continue
            if f"live:{topic} " in pane.trigger:
                self._begin(self._fetch(pane))
                continue
            pane.about = about if isinstance(pane.about, bool) else both(pane.about, about)
            if pane.due <= now:
                pane.due = max(now, pane.due + GAP)
                self._begin(self._fetch(pane, pane.due - now))

    async def _fetch(self, pane: Pane, pause: float = 0.0) -> None:
        await asyncio.sleep(pause + GATHER if pane.together else pause)
        if pane.asking:  # htmx asks once more when the answer is there, however often it was told meanwhile
            pane.again = True
            return
        about, pane.about = pane.about, False
        if pane.is_line and pane.rows and not isinstance(about, bool) and not pane.rows.concerns(about):
            self.heard.spared += 1
            for topic in pane.topics:  # it shows all that it has to
                self.shown[pane.url, topic] = self.known.get(topic) or 0
            return
        pane.asking = True
        try:
            took = await self._ask(pane)
        finally:
            pane.asking = False
        if pane.again:
            pane.again = False
            if pane.rows is not None or pane.together:
                patience = PATIENCE_TOGETHER if pane.together else PATIENCE
                await asyncio.sleep(min(LONGEST_PAUSE, patience * took))
            self._begin(self._fetch(pane))

    async def _ask(self, pane: Pane) -> float:
        """Fetch a pane; gives how long that took."""
        began = time.monotonic()
        seen = {topic: self.known.get(topic) for topic in pane.topics}
        headers, url = {"HX-Request": "true", "X-Background": "1"}, pane.url
        if pane.rows is not None:
            url += f"{'&' if '?' in url else '?'}span={len(pane.rows.stamps)}"
            headers["X-Rows"] = pane.rows.named
        try:
            answer = await self.lines.get(url, headers)
        except (OSError, asyncio.IncompleteReadError, ConnectionError) as error:
            self.heard.errors[f"{pane.kind}: {type(error).__name__}"] += 1
            return time.monotonic() - began
        ended = time.monotonic()
        if answer.status != 200:
            self.heard.errors[f"{pane.kind}: status {answer.status}"] += 1
            return ended - began
        self.heard.asked[pane.kind].append(ended - began)
        self.heard.sizes[pane.kind] += len(answer.body)
        self._learn_fragment(answer.text)
        if pane.rows is not None:
            pane.rows = Rows(answer.text, pane.rows)
        self._count(pane, seen, ended)
        return ended - began

    def _count(self, pane: Pane, seen: dict[str, int | None], ended: float) -> None:
        """Each change that this fragment shows for the first time: how long it took from its publishing."""
        for topic, version in seen.items():
            shown = self.shown.get((pane.url, topic))
            self.shown[pane.url, topic] = max(shown or 0, version or 0)
            if shown is None:
                continue  # from where to count is known from now on
            for number in range(shown + 1, (version or 0) + 1):
                at = self.heard.published.get((topic, number))
                if at is not None:
                    self.heard.fetched[pane.kind].append(ended - at)

    def _learn_fragment(self, text: str) -> None:
        tag = TAG.search(text)
        if tag:
            told = {name: unescape(value) for name, value in ATTRIBUTE.findall(tag[0])}
            self._learn(told["data-live"].split(), told.get("data-version", ""))

    def _learn(self, topics: list[str], versions: str) -> None:
        for topic, version in zip(topics, versions.split(), strict=False):
            self.known[topic] = int(version)

    async def _beat(self) -> None:
        """Say that this ticket is open here: every ten seconds, or every minute while the stream tells it."""
        said_at = 0.0
        while self.presence_url:
            now = time.monotonic()
            if now - self.heard_at < TRUSTED and now - said_at < QUIET - BEAT / 2:
                await asyncio.sleep(BEAT)
                continue
            said_at = now
            body = urlencode({"tab": f"{id(self):018d}"[-18:], "doing": "viewing"}).encode()
            headers = {
                "X-CSRFToken": self.token, "X-Background": "1", "Content-Type": "application/x-www-form-urlencoded",
            }  # fmt: skip
            began = time.monotonic()
            answer = await self.lines.post(self.presence_url, body, headers)
            self.heard.asked["presence"].append(time.monotonic() - began)
            if answer.status >= 400:
                self.heard.errors[f"presence: status {answer.status}"] += 1
            await asyncio.sleep(BEAT)

    def _begin(self, job: Any) -> None:
        task = asyncio.ensure_future(job)
        self.jobs.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self.jobs.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.heard.errors[f"{type(task.exception()).__name__}: {task.exception()}"[:120]] += 1


class Customers:
    """Those who write: so many messages a second, half of them in conversations that somebody has open."""

    def __init__(self, order: dict[str, Any], heard: Heard) -> None:
        self.doors, self.rate, self.heard = order["doors"], order["rate"], heard
        self.lines = Lines(order["port"], {"Content-Type": "application/json"}, most=8)
        self.marked = order["marked"]  # {"door": place in `doors`, "chat": key}: what a real browser looks at
        self.marks: dict[int, tuple[float, float]] = {}
        self.sent = 0
        self.random = random.Random(5)

    async def write(self, seconds: float) -> None:
        """Write for so long, evenly."""
        began, number = time.monotonic(), 0
        jobs: set[asyncio.Task[None]] = set()
        while number < self.rate * seconds:
            await asyncio.sleep(max(0.0, began + number / self.rate - time.monotonic()))
            number += 1
            job = asyncio.ensure_future(self._post(number))
            jobs.add(job)
            job.add_done_callback(jobs.discard)
        _done, late = await asyncio.wait(jobs, timeout=LATE) if jobs else (set(), set())
        self.heard.errors["messages that no answer came to"] += len(late)
        for job in late:
            job.cancel()

    async def _post(self, number: int) -> None:
        every = max(1, round(self.rate * 2))  # the marked one every two seconds
        marked = number % every == 0
        door = self.doors[self.marked["door"]] if marked else self.doors[number % len(self.doors)]
        old = number % 2 == 0
        chat = self.marked["chat"] if marked else self.random.choice(door["chats"]) if old else f"new-{number}"
        text = f"mark-{number} " if marked else ""
        event = {
            "type": "message", "id": f"crowd-{number}", "conversation": chat, "text": f"{text}Где мой заказ? {number}",
            "sender": {"namespace": "crm:crowd", "value": chat, "name": f"Клиент {chat}"},
        }  # fmt: skip
        body = json.dumps(event, ensure_ascii=False).encode()
        began = time.time()
        signed = signatures.headers([door["secret"].encode()], body, int(began))
        answer = await self.lines.post(f"/hooks/{door['door']}", body, signed)
        took = time.time() - began
        self.heard.asked["a message at the door"].append(took)
        if answer.status != 202:
            self.heard.errors[f"door: status {answer.status} {answer.text[:80]}"] += 1
            return
        self.sent += 1
        if marked:
            self.marks[number] = (began, began + took)


async def listen(url: str, heard: Heard) -> None:
    """Note when each version of each topic was published."""
    connection = redis.asyncio.Redis.from_url(url)
    async with connection, connection.pubsub(ignore_subscribe_messages=True) as subscription:
        await subscription.subscribe(CHANNEL)
        async for message in subscription.listen():
            now = time.monotonic()
            for topic, (version, _about) in json.loads(message["data"]).items():
                heard.published[topic, version] = now


async def run(order: dict[str, Any]) -> dict[str, Any]:
    """Everybody works for `seconds`; gives what they saw."""
    heard = Heard()
    operators = [Operator({**one, "port": order["port"]}, heard) for one in order["operators"]]
    jobs = [asyncio.ensure_future(listen(order["redis_url"], heard))]
    for operator in operators:
        await operator.open()
    for operator in operators:
        jobs.append(asyncio.ensure_future(operator.work()))
        await asyncio.sleep(BEAT / len(operators))  # nobody opens all browsers of a house in the same moment
    for kept in (heard.events, heard.errors, heard.sizes):
        kept.clear()
    heard.asked.clear()
    print(json.dumps({"ready": True, "topics": len(operators[0].topics), "panes": _panes(operators[0])}), flush=True)
    customers = Customers(order, heard)
    before = time.process_time()
    await customers.write(order["seconds"])
    await asyncio.sleep(3)  # the last ones arrive
    cpu = time.process_time() - before
    for job in [*jobs, *(job for operator in operators for job in operator.jobs)]:
        job.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*jobs)
    return {
        "sent": customers.sent, "marks": customers.marks, "published": len(heard.published), "cpu": cpu,
        "spared": heard.spared,
        "streamed": heard.streamed, "fetched": heard.fetched, "asked": heard.asked, "sizes": heard.sizes,
        "events": heard.events, "errors": +heard.errors,
    }  # fmt: skip


def _panes(operator: Operator) -> list[str]:
    return [f"{pane.kind} on {' '.join(pane.topics)[:80]}" for pane in operator.panes]


def main() -> None:
    """Read the order, work, tell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    print(json.dumps(asyncio.run(run(json.loads(sys.stdin.readline())))), flush=True)


if __name__ == "__main__":
    main()
