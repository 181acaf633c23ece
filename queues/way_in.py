"""The rules on the way in, applied: which of them hold for a mail, and what they do to the ticket that it opens.

They are asked only where a mail opens a new ticket, or would bring one back that was filed as spam. A mail that
provably belongs to a ticket follows its ticket and is never left out.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from helpdesk.db import db, remembered
from helpdesk.models import Channel, Customer, InboundEvent, Queue, Rule, State, Tally, Ticket
from helpdesk.models.event import RuleFired
from helpdesk.rules import Actions, Condition, LiveRule
from queues.channels.base import Understood
from queues.follow_up import Way
from queues.mail_facts import Gathered, gather, to_row
from queues.routing import Fired, Route, SpamCause, route


class WayIn:
    """The rules as they stand, and what they need to know of the mails of a batch."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered

    @classmethod
    def load(cls, items: Sequence[tuple[InboundEvent, Understood, Customer]]) -> "WayIn":
        """Ask for all mails of a batch at once."""
        return cls(gather(items))

    def route(
        self,
        event: InboundEvent,
        message: Understood,
        customer: Customer,
        channel: Channel,
        previous: Ticket | None = None,
        proved: bool = False,
    ) -> Route:
        """Where the mail goes if it opens a ticket; the event keeps what was looked at.

        A ticket that follows `previous` goes into its queue, not the channel's, unless that was closed meanwhile.
        """
        facts = self._gathered.facts(event, message, customer)
        follows = previous is not None and previous.queue.active
        where = route(
            facts,
            rules_of(channel),
            previous.queue_id if previous is not None and follows else channel.queue_id,
            open_queues(channel.project_id),
            channel.files_marked_spam,
            keep=proved,
        )
        event.facts = to_row(facts, keep_text=where.dropped_by is not None)
        if channel.id != event.channel_id:  # the mail came by one of our addresses and is for another
            event.facts["channel_id"] = channel.id
        if where.dropped_by is not None:
            _count_rules(where)
        elif where.spam == SpamCause.BLOCKED:
            _count("blocked", self._gathered.block_of(event, facts.sender))
        return where

    def settle(self, ticket: Ticket, where: Route) -> None:
        """Let the rules that fired do their work on the ticket that was just opened, and file spam away."""
        for fired in where.fired:
            ticket.follow_rule(_fact(fired), fired.fields)
        _count_rules(where)
        if where.spam is not None:
            ticket.file_as_spam(None, where.spam)
        else:
            self._gathered.known_customers.add(ticket.customer_id)


JOINED: dict[str, Any] = {"joined": True}  # the facts of an event that belonged to a ticket: no rule was asked


def is_new(way: Way, ticket: Ticket | None) -> bool:
    """Whether rules are asked: for a new ticket, and before something is done to one that is spam."""
    return way == Way.NEW or (ticket is not None and ticket.state == State.SPAM and way != Way.ATTACH)


def rule_name(name: str) -> str:
    """The reason in the ledger for what a rule left out."""
    return f"rule “{name}”"


def rules_of(channel: Channel) -> list[LiveRule]:
    """The active rules of a channel in their order: its own, then those of its project. Read once a transaction."""
    lists = remembered("live_rules", _read_rules)
    return [*lists.get(f"channel-{channel.id}", []), *lists.get(f"project-{channel.project_id}", [])]


def live(rule: Rule) -> LiveRule:
    """A stored rule as it is applied. Raises ValidationError when it was not stored by us."""
    conditions = tuple(Condition.model_validate(one) for one in rule.conditions)
    return LiveRule(rule.id, rule.name, conditions, Actions.model_validate(rule.actions), rule.go_on)


def _read_rules() -> dict[str, list[LiveRule]]:
    lists: dict[str, list[LiveRule]] = {}
    for rule in db.session.scalars(select(Rule).where(Rule.active).order_by(Rule.position, Rule.id)):
        lists.setdefault(rule.list_key, []).append(live(rule))
    return lists


def open_queues(project_id: int) -> frozenset[int]:
    """The active queues of a project, which its rules may choose among. Read once a transaction."""

    def read() -> dict[int, int]:
        rows = db.session.execute(select(Queue.id, Queue.project_id).where(Queue.active)).tuples()
        return dict(rows.all())

    found = remembered("open_queues", read)
    return frozenset(queue_id for queue_id, project in found.items() if project == project_id)


def _fact(fired: Fired) -> RuleFired:
    return RuleFired(
        fired.rule_id,
        fired.name,
        fired.queue_id,
        fired.queue_refused,
        fired.priority,
        list(fired.tags) or None,
        fired.request_type or None,
        fired.no_acknowledgement or None,
        fired.fate,
    )


def _count_rules(where: Route) -> None:
    for fired in where.fired:
        _count("rule", fired.rule_id)


def _count(what: str, id_: int | None) -> None:
    Tally.add(f"{what}:{id_}", "met", 1)
