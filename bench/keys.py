"""`python -m bench.keys [--tickets 100000] [--acts 40]`: from a key to what is painted, in Chromium.

An installation of its own with that many tickets, gunicorn as in production, one operator at a keyboard. Also how far
things jump when others' work comes in, and what a first visit weighs. Prints a table, keeps it as JSON.
"""

import argparse
import os
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import Page, sync_playwright

from bench import data
from bench.measure import percentile
from bench.parts import told
from bench.results import keep
from bench.screen import Act, Travelled, Typist, chromium, first_load, signed_in
from bench.server_cost import Cost, costs
from bench.stage import Stage

AIM_MS, AIM_CLS, AIM_KB = 100, 0.02, 200
REST_MS = 300
PARTS = ("before", "wait", "body", "show")


class Keys:
    """One operator of the stage who works through four queues."""

    def __init__(self, stage: Stage, page: Page, acts: int) -> None:
        self.stage, self.page, self.acts = stage, page, acts
        self.typist = Typist(page)
        with stage.connect() as connection:
            rows = connection.execute("SELECT id FROM queues WHERE name LIKE 'Bench %' ORDER BY id").fetchall()
        self.queues = [row[0] for row in rows]
        self.taken: dict[str, list[Act]] = {}

    def all(self) -> dict[str, list[Act]]:
        """Every act, after a first one each that warms everything up."""
        kinds: dict[str, Callable[[int], Act]] = {
            "move in the list (j, k)": self._move,
            "open a ticket at once (Enter)": self._open,
            "open a ticket after a look (j, Enter)": self._open_after_a_look,
            "switch the queue (Enter on it)": self._switch,
            "take the next one (n)": self._next,
        }
        for name, act in kinds.items():
            self._show_queue(0)
            act(0)
            self.taken[name] = [self._rested(act, number) for number in range(1, self.acts + 1)]
        return self.taken

    def _rested(self, act: Callable[[int], Act], number: int) -> Act:
        """Let the act before come to its end: people look at what they opened."""
        self.page.wait_for_timeout(REST_MS)
        return act(number)

    def _show_queue(self, place: int) -> None:
        self.page.goto(f"/queues/{self.queues[place]}")
        self.page.locator("#list-pane .row-link").first.wait_for()

    def _focus_row(self, number: int) -> str:
        """Put the focus on a row, without measuring; gives where it leads."""
        script = "n => { const rows = [...document.querySelectorAll('#list-pane .row-link')];"
        script += " const row = rows[n % rows.length]; row.focus(); return row.href }"
        return str(self.page.evaluate(script, number))

    def _move(self, number: int) -> Act:
        down = number % 20 < 10
        self._focus_row(10 + number % 5)
        to = self.page.evaluate(
            "step => { const rows = [...document.querySelectorAll('#list-pane .row-link')];"
            " return rows[rows.indexOf(document.activeElement) + step].href }",
            1 if down else -1,
        )
        return self.typist.measure("j" if down else "k", "moved", to)

    def _open(self, number: int) -> Act:
        href = self._focus_row(number)
        return self.typist.measure("Enter", "ticket", href.partition("/tickets/")[2].partition("?")[0])

    def _open_after_a_look(self, number: int) -> Act:
        """As people do: the row has the focus for a moment before it is opened."""
        href = self._focus_row(number + 3)
        self.page.wait_for_timeout(400)
        return self.typist.measure("Enter", "ticket", href.partition("/tickets/")[2].partition("?")[0])

    def _switch(self, number: int) -> Act:
        queue = self.queues[(number + 1) % len(self.queues)]
        self.page.locator(f'#rail a.rail-link[href="/queues/{queue}"]').focus()
        return self.typist.measure("Enter", "list", f"queue:{queue}")

    def _next(self, _number: int) -> Act:
        here = self.page.evaluate("() => document.querySelector('#ticket-bar')?.dataset.ticket ?? ''")
        self.page.evaluate("() => document.activeElement?.blur()")
        return self.typist.measure("n", "other", here)


def jumps(stage: Stage, page: Page, queue_id: int, mails: int) -> dict[str, Any]:
    """How far things jump while mails come in to the queue, and to the ticket that is open."""
    page.goto(f"/queues/{queue_id}")
    page.locator("#list-pane .row-link").nth(3).focus()
    page.keyboard.press("Enter")
    page.locator("#thread [data-message]").first.wait_for()
    page.wait_for_timeout(2500)  # the stream is open, and nothing of the first paint counts any more
    page.evaluate("() => { window.__shifts.length = 0 }")
    ticket_id = int(page.evaluate("() => document.querySelector('#ticket-bar').dataset.ticket"))
    before = page.locator("#thread [data-message]").count()
    for number in range(mails):
        new_mail(stage, queue_id, number)
        if number % 3 == 0:
            new_mail(stage, queue_id, number, ticket_id)
        page.wait_for_timeout(500)
    page.wait_for_timeout(2500)
    shifts = page.evaluate("() => window.__shifts")
    seen = page.locator("#thread [data-message]").count() - before
    worst = max(shifts, key=lambda shift: shift["value"], default=None)
    return {"cls": sum(shift["value"] for shift in shifts), "shifts": len(shifts), "worst": worst, "arrived": seen}


def new_mail(stage: Stage, queue_id: int, number: int, ticket_id: int | None = None) -> None:
    """A customer writes: a new ticket at the end of a queue's line, or more on a ticket that is there."""
    from helpdesk.db import transaction
    from helpdesk.models import Channel, Customer, MessageKind, Queue, Ticket
    from helpdesk.models.writing import begin_conversation, lock_conversation, say

    with stage.app.app_context(), transaction() as session:
        words = f"Здравствуйте! Вопрос {number}: где мой заказ?"
        if ticket_id is None:
            queue = session.get_one(Queue, queue_id)
            channel = session.get_one(Channel, stage.ids["channel"])
            customer = session.get_one(Customer, 1 + number)
            conversation = begin_conversation(queue.project_id, channel, customer, f"Вопрос {number}", "keys:{id}")
            session.flush()
            from helpdesk import clock

            ticket = Ticket.open(conversation, queue, f"Вопрос {number}", clock.now(), by=customer)
        else:
            ticket = session.get_one(Ticket, ticket_id)
            conversation = lock_conversation(ticket.conversation_id)
        message = say(conversation, MessageKind.INBOUND, None, words, "", ticket)
        message.customer = ticket.customer
        session.flush()
        ticket.hear(message, "human", message.at)


def server_costs(stage: Stage, queues: list[int]) -> list[Cost]:
    """What the pages behind the keys cost without a browser."""
    with stage.connect() as connection:
        query = b"SELECT id, queue_id FROM tickets WHERE kind = 'active' AND owner_id IS NULL ORDER BY id DESC LIMIT 60"
        tickets = connection.execute(query).fetchall()

    def ticket(number: int) -> str:
        return f"/tickets/{tickets[number][0]}"

    def list_of(number: int) -> str:
        return f"queue:{tickets[number][1]}"

    paths: dict[str, Callable[[int], tuple[str, str]]] = {
        "ticket beside its list": lambda n: (f"{ticket(n)}?in={list_of(n)}", list_of(n)),
        "ticket and its list": lambda n: (f"{ticket(n)}?in={list_of(n)}", ""),
        "queue": lambda n: (f"/queues/{queues[n % len(queues)]}", ""),
        "thread fragment": lambda n: (f"{ticket(n)}/thread", ""),
        "bar fragment": lambda n: (f"{ticket(n)}/bar", ""),
        "card fragment": lambda n: (f"{ticket(n)}/card", ""),
    }
    return costs(stage, paths)


def line(name: str, acts: list[Act]) -> str:
    """One act as a line: its times, and of what the middle one consists."""
    times = [act.ms for act in acts]
    parts = [act.parts for act in acts if act.parts]
    made_of = ""
    if parts:
        middle = {part: statistics.median(one[part] for one in parts) for part in PARTS}
        middle["paint"] = statistics.median(act.paint for act in acts)
        made_of = "  ".join(f"{part} {value:.0f}" for part, value in middle.items())
        made_of += f"  {statistics.median(one['bytes'] for one in parts) / 1000:.0f} kB, {parts[0]['kind']}"
    p95 = percentile(times, 0.95)
    made_of += "  | " + " ".join(
        f"{name} {statistics.median(act.work.get(name, 0) for act in acts):.0f}"
        for name in ("script", "style", "layout")
    )
    mark = "" if p95 < AIM_MS else "  OVER"
    return f"{name:38} {percentile(times, 0.5):6.0f} {p95:6.0f} {max(times):6.0f} ms{mark:7} {len(times):4}   {made_of}"


def report(taken: dict[str, list[Act]], jumped: dict[str, Any], weight: Travelled, cost: list[Cost]) -> list[str]:
    """All figures as lines."""
    head = f"{'from the key to what is painted':38} {'p50':>6} {'p95':>6} {'max':>6}"
    lines = [f"{head}            acts   of the middle one"]
    lines += [line(name, acts) for name, acts in taken.items()]
    nexts = taken.get("take the next one (n)", [])
    lines.append(f"composer had the focus after {sum(act.focused for act in nexts)} of {len(nexts)} takings")
    lines += [
        f"server alone: {one.name:32} {one.processor_ms:5.1f} ms of processor, {one.statements:2} statements,"
        f" {one.kilobytes:.0f} kB" + ("" if one.status == 200 else f" STATUS {one.status}")
        for one in cost
    ]
    over = "OVER" if jumped["cls"] >= AIM_CLS else "within"
    lines.append(
        f"layout shift while mail comes in: {jumped['cls']:.4f} in {jumped['shifts']} shifts, {over} {AIM_CLS};"
        f" {jumped['arrived']} messages came; the worst: {jumped['worst']}"
    )
    kinds = ", ".join(f"{kind} {size:.0f}" for kind, size in sorted(weight.packed.items(), key=lambda one: -one[1]))
    over = "OVER" if weight.kilobytes >= AIM_KB else "within"
    lines.append(
        f"first visit: {weight.kilobytes:.0f} kB gz in {len(weight.files)} files, {over} {AIM_KB}"
        f" ({kinds}, heads {weight.heads:.0f})"
    )
    heavy = sorted(weight.files.items(), key=lambda one: -one[1])[:12]
    lines.append("  the heaviest: " + ", ".join(f"{name} {size:.0f}" for name, size in heavy))
    return lines


def measure(tickets: int, acts: int) -> tuple[list[str], dict[str, Any]]:
    """Make the stage, drive the browser; gives lines for people and facts for the file."""
    with Stage() as stage:
        told(f"{tickets:,} tickets made", lambda: data.fill(stage, tickets))
        with stage.serving() as port, sync_playwright() as playwright, chromium(playwright) as browser:
            context = signed_in(browser, port, 0)
            keys = Keys(stage, context.new_page(), acts)
            taken = told("keys", keys.all)
            jumped = told("live updates", lambda: jumps(stage, keys.page, keys.queues[2], 24))
            cost = told("server alone", lambda: server_costs(stage, keys.queues))
            weight = told("first visit", lambda: first_load(context, f"/queues/{keys.queues[0]}"))
    facts = {
        "keys": {name: [vars(act) for act in done] for name, done in taken.items()},
        "layout_shift": jumped,
        "first_load": vars(weight),
        "server": [vars(one) for one in cost],
    }
    return report(taken, jumped, weight, cost), facts


def main() -> None:
    """Measure, show, keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.keys", description=__doc__.partition("\n")[0])
    parser.add_argument("--tickets", type=int, default=100_000)
    parser.add_argument("--acts", type=int, default=40, help="of each kind")
    options = parser.parse_args()
    began = datetime.now(UTC)
    lines, facts = measure(options.tickets, options.acts)
    lines.append(f"at {options.tickets:,} tickets, load {os.getloadavg()[0]:.1f}")
    print("\n" + "\n".join(lines))
    path = keep("keys", began, {"tickets": options.tickets, **facts})
    print(f"Kept in {path}.")


if __name__ == "__main__":
    main()
