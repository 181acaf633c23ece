"""A rule tried before it goes live: what the last mails would have become, compared with the rules as they stand.

Nothing is read again and nothing is changed: the facts that rules look at are kept with the events.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, and_, func, or_, select, union

from helpdesk.db import db
from helpdesk.models import Channel, InboundEvent, InboundState, Message, Rule
from helpdesk.rule_changes import list_of
from helpdesk.rules import Actions, Condition, LiveRule
from queues.mail_facts import LONGEST_TEXT, from_row
from queues.routing import MailFacts, Route, route
from queues.way_in import live, open_queues, rule_name

LATEST = 100
SPARE = 100  # events that no rule was asked about are passed over
LOOKED_THROUGH = 1000
SHOWN = 20


@dataclass(frozen=True)
class Draft:
    """A rule as somebody is writing it: where it stands, and what it says. `id` is None for a new one."""

    project_id: int
    channel_id: int | None
    id: int | None
    name: str
    conditions: tuple[Condition, ...]
    actions: Actions
    go_on: bool = False


@dataclass(frozen=True)
class Tried:
    """One mail that would have gone another way: what it is, and both ways."""

    event_id: int
    ticket_id: int | None
    at: datetime
    sender: str
    subject: str
    before: Route
    after: Route


@dataclass(frozen=True)
class Trial:
    """The result: who moves where (queue id to number), and how many of the latest mails were not asked about."""

    changed: list[Tried]
    moved: dict[int, int]
    dropped: int
    spam: int
    kept: int
    otherwise: int
    same: int
    joined: int
    forgotten: int

    @property
    def met(self) -> int:
        """How many would have gone another way."""
        return len(self.changed)


def run(draft: Draft) -> Trial:
    """Try the draft, as if it were switched on, on the latest mails of its channel or of its project's channels."""
    query = select(Channel).where(Channel.project_id == draft.project_id)
    if draft.channel_id is not None:
        query = query.where(Channel.id == draft.channel_id)
    channels = {channel.id: channel for channel in db.session.scalars(query)}
    before = {id_: _rules(channel, None) for id_, channel in channels.items()}
    after = {id_: _rules(channel, draft) for id_, channel in channels.items()}
    changed, same, joined, forgotten = [], 0, 0, 0
    for row in _latest(channels):
        if row.facts is None:
            forgotten += 1
        elif row.facts.get("joined"):
            joined += 1
        else:
            facts, channel = from_row(row.facts, row.text or ""), channels[row.channel_id]
            tried = _tried(
                row, facts, _way(facts, before[channel.id], channel), _way(facts, after[channel.id], channel)
            )
            if _outcome(tried.before) == _outcome(tried.after):
                same += 1
            else:
                changed.append(tried)
    return _summed(changed, same, joined, forgotten)


def left_out(rule: Rule) -> list[tuple[datetime, str, str]]:
    """The last mails that a rule left out, among the latest of its project: when, sender, subject."""
    siblings = select(Channel.id).where(Channel.project_id == rule.project_id)
    recent = select(InboundEvent.id).where(InboundEvent.channel_id.in_(siblings))
    recent_ids = recent.order_by(InboundEvent.id.desc()).limit(LOOKED_THROUGH).subquery()
    query = (
        select(InboundEvent.received_at, InboundEvent.facts)
        .where(InboundEvent.id.in_(select(recent_ids.c.id)), InboundEvent.facts.is_not(None))
        .where(InboundEvent.state == InboundState.DROPPED, InboundEvent.reason == rule_name(rule.name))
        .order_by(InboundEvent.id.desc())
        .limit(SHOWN)
    )
    rows = db.session.execute(query).tuples()
    return [(at, facts.get("sender", ""), facts.get("subject", "")) for at, facts in rows if facts is not None]


def _summed(changed: Sequence[Tried], same: int, joined: int, forgotten: int) -> Trial:
    """Each mail is counted once, by the greatest thing that happens to it."""
    moved: Counter[int] = Counter()
    dropped = spam = kept = otherwise = 0
    for tried in changed:
        before, after = tried.before, tried.after
        if after.dropped_by is not None and before.dropped_by is None:
            dropped += 1
        elif after.spam and not before.spam:
            spam += 1
        elif (before.dropped_by is not None and after.dropped_by is None) or (before.spam and not after.spam):
            kept += 1
        elif before.queue_id != after.queue_id:
            moved[after.queue_id] += 1
        else:
            otherwise += 1
    return Trial(list(changed), dict(moved), dropped, spam, kept, otherwise, same, joined, forgotten)


Latest = Row[tuple[int, int, datetime, dict[str, object], str, int]]


def _latest(channels: dict[int, Channel]) -> Sequence[Latest]:
    """The last events for these channels that came to an end, the newest first; what waits is not understood yet.

    A mail may have come by a channel and be for another one of its project: such are looked for among the last ones.
    """
    own = InboundEvent.facts["channel_id"].as_integer()
    came = select(InboundEvent.id).where(InboundEvent.channel_id.in_(channels), own.is_(None))
    projects = {channel.project_id for channel in channels.values()}
    siblings = select(Channel.id).where(Channel.project_id.in_(projects))
    recent = select(InboundEvent.id, own.label("own")).where(InboundEvent.channel_id.in_(siblings))
    recent_ones = recent.order_by(InboundEvent.id.desc()).limit(LOOKED_THROUGH).subquery()
    ids = union(
        came.order_by(InboundEvent.id.desc()).limit(LATEST + SPARE),
        select(recent_ones.c.id).where(recent_ones.c.own.in_(channels)),
    ).subquery()
    understood = and_(InboundEvent.state == InboundState.DROPPED, InboundEvent.facts.is_not(None))
    query = (
        select(
            InboundEvent.id,
            func.coalesce(own, InboundEvent.channel_id).label("channel_id"),
            InboundEvent.received_at,
            InboundEvent.facts,
            func.left(Message.text, LONGEST_TEXT).label("text"),
            Message.ticket_id,
        )
        .join(ids, ids.c.id == InboundEvent.id)
        .outerjoin(Message, Message.id == InboundEvent.message_id)
        .where(or_(InboundEvent.state == InboundState.TICKETED, understood))
        .order_by(InboundEvent.id.desc())
        .limit(LATEST)
    )
    return db.session.execute(query).all()


def _rules(channel: Channel, draft: Draft | None) -> list[LiveRule]:
    """The rules of a channel in their order, with the draft in its place; without one, as they stand."""
    found: list[LiveRule] = []
    for channel_id in (channel.id, None):
        here = draft is not None and draft.channel_id == channel_id
        for rule in list_of(channel.project_id, channel_id):
            if draft is not None and here and rule.id == draft.id:
                found.append(_as_rule(draft))
            elif rule.active:
                found.append(live(rule))
        if draft is not None and here and draft.id is None:
            found.append(_as_rule(draft))
    return found


def _as_rule(draft: Draft) -> LiveRule:
    return LiveRule(draft.id or 0, draft.name, draft.conditions, draft.actions, draft.go_on)


def _way(facts: MailFacts, rules: list[LiveRule], channel: Channel) -> Route:
    return route(facts, rules, channel.queue_id, open_queues(channel.project_id), channel.files_marked_spam)


def _tried(row: Latest, facts: MailFacts, *ways: Route) -> Tried:
    return Tried(row.id, row.ticket_id, row.received_at, facts.sender, facts.subject, *ways)


def _outcome(where: Route) -> tuple[object, ...]:
    """What becomes of the mail, whichever rules say so."""
    if where.dropped_by is not None:
        return ("dropped",)
    said = (where.queue_id, where.priority, frozenset(where.tags), where.request_type, where.acknowledge, where.spam)
    return (*said, where.fields)
