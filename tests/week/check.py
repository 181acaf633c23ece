"""Decides what a played week proved, from its history alone."""

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import select, text

from helpdesk.db import db
from helpdesk.models import Event
from helpdesk.models.availability import AvailabilityChange
from helpdesk.models.calendar import CalendarVersion
from tests.promise_check import Promises
from tests.week.line import Line
from tests.week.oracle import Oracle, RoundTheClock
from tests.week.owners import Owners
from tests.week.places import misplaced
from tests.week.play import Played

MOST_SHOWN = 8


@dataclass
class Report:
    """What was found: `broken` maps a promise of the product to what broke it."""

    broken: dict[str, list[str]] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)

    def judge(self, promise: str, faults: list[str]) -> None:
        """Note what broke a promise, or that nothing did."""
        self.figures.append(f"{'BROKEN' if faults else 'held'}: {promise}" + (f" ({len(faults)})" if faults else ""))
        if faults:
            self.broken[promise] = faults

    def lines(self) -> list[str]:
        """The report for a terminal."""
        shown = [f"  {promise}: {one}" for promise, faults in self.broken.items() for one in faults[:MOST_SHOWN]]
        return [*self.figures, *shown]


def check(played: Played, beat: int = 1) -> Report:
    """Check everything; the machine looked every `beat` minutes. Needs an application context; reads only."""
    report = Report()
    intents = played.intents
    report.figures.append(
        f"{len(intents.mails)} mails, {intents.redelivered} of them twice; {len(intents.calls)} calls in"
        f" {intents.call_events} posts, {intents.refused_posts} forged ones refused; {played.done}"
    )
    _line(report)
    _owners(report, timedelta(minutes=beat + 2))
    _promises(report, timedelta(minutes=beat + 2))
    report.judge("every message is in exactly one place", misplaced(played))
    report.judge("nothing was refused that the day's work needs", _unexpected(played.refusals))
    return report


def _line(report: Report) -> None:
    works = text(
        "SELECT m.user_id, r.queue_id FROM memberships m JOIN queue_rights r USING (group_id)"
        " WHERE r.\"right\" IN ('work', 'supervise')"
    )
    rights: dict[int, set[int]] = defaultdict(set)
    for user_id, queue_id in db.session.execute(works):
        rights[user_id].add(queue_id)
    kinds = text("SELECT t.id, c.kind FROM tickets t JOIN channels c ON c.id = t.channel_id")
    line = Line(dict(rights), dict(db.session.execute(kinds).tuples().all()))
    line.tell(
        db.session.scalars(
            select(Event).where(Event.ticket_id.is_not(None)).order_by(Event.id).execution_options(yield_per=2000)
        )
    )
    report.judge(f"first in, first out in {line.claims} claims", line.overtaken)


def _owners(report: Report, slack: timedelta) -> None:
    waits = dict(db.session.execute(text("SELECT id, owner_wait_minutes FROM queues")).tuples().all())
    owners = Owners(waits, slack)
    events = db.session.scalars(select(Event).where(Event.ticket_id.is_not(None)).order_by(Event.at, Event.id)).all()
    changes = db.session.scalars(
        select(AvailabilityChange).order_by(AvailabilityChange.at, AvailabilityChange.id)
    ).all()
    merged = heapq.merge(
        ((row.at, number, row) for number, row in enumerate(events)),
        ((row.at, -1_000_000 + number, row) for number, row in enumerate(changes)),
        key=lambda fact: fact[:2],
    )
    owners.tell(merged)
    if events:
        owners.close(events[-1].at)
    report.judge(f"nobody waits for an owner who went ({owners.returned} tickets went back)", owners.stranded)


def _promises(report: Report, slack: timedelta) -> None:
    calendars: dict[tuple[int | None, int | None], Oracle | RoundTheClock] = {(None, None): RoundTheClock()}
    for version in db.session.scalars(select(CalendarVersion)):
        calendars[version.calendar_id, version.version] = Oracle(version.time_zone, version.week, version.days)
    promises = Promises(calendars)
    facts = db.session.scalars(select(Event).where(Event.kind.startswith("promise.")).order_by(Event.id)).all()
    promises.tell(facts)
    last = db.session.scalar(select(Event.at).order_by(Event.id.desc()).limit(1))
    if last is not None:
        promises.unbroken_silence(last - slack)
    without = db.session.scalars(
        text(
            "SELECT t.id FROM tickets t WHERE t.state <> 'spam' AND NOT EXISTS (SELECT FROM events e"
            " WHERE e.ticket_id = t.id AND e.kind = 'promise.made') LIMIT 100"
        )
    ).all()
    promises.wrong += [f"ticket {ticket_id} was promised nothing" for ticket_id in without]
    told = dict(promises.kinds)
    report.judge(f"{promises.compared} due times are what another calendar computes {told}", promises.wrong)


def _unexpected(refusals: list[str]) -> list[str]:
    """Refusals that no rule of the week explains; a hand-over to somebody who may not get more is part of it."""
    return sorted(set(refusals))
