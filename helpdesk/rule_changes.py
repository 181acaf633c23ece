"""What administrators do with the rules on the way in. Every change is written into the history, with who made it."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import inspect, select

from helpdesk.db import db, forget
from helpdesk.errors import Refused
from helpdesk.models import Channel, ListName, Rule, User
from helpdesk.models.definitions import ensure_item
from helpdesk.models.event import record_change
from helpdesk.rules import LONGEST_NAME, MOST_CONDITIONS, MOST_RULE_VALUES, MOST_RULES, Actions, Condition
from helpdesk.staff import apply


def list_of(project_id: int, channel_id: int | None) -> list[Rule]:
    """The rules of one list in their order: those of a channel, or without one those of a project."""
    query = select(Rule).where(Rule.channel_id == channel_id)
    if channel_id is None:
        query = select(Rule).where(Rule.channel_id.is_(None), Rule.project_id == project_id)
    return list(db.session.scalars(query.order_by(Rule.position, Rule.id)))


def save_rule(by: User, rule: Rule, name: str, conditions: Sequence[Condition], actions: Actions, go_on: bool) -> None:
    """Write down a rule, new or not. A new one is a draft and stands last in its list.

    Raises Refused without a name, with too many conditions, or when the list is full.
    """
    name = check(name, conditions)
    if actions.request_type:
        ensure_item(ListName.TYPE, actions.request_type)
    if not inspect(rule).persistent:
        others = list_of(rule.project_id, rule.channel_id)
        if len(others) >= MOST_RULES:
            raise Refused(_("A list has at most %(count)s rules. Remove one first.", count=MOST_RULES))
        rule.position = max((other.position for other in others), default=0) + 1
        rule.active = False
    changes = apply(
        rule,
        {
            "name": name,
            "conditions": [one.model_dump(mode="json", exclude_defaults=True) for one in conditions],
            "actions": actions.model_dump(mode="json", exclude_defaults=True),
            "go_on": go_on,
        },
    )
    db.session.add(rule)
    db.session.flush()
    if changes:
        _note(by, rule, changes)


def check(name: str, conditions: Sequence[Condition]) -> str:
    """The name of a rule as it is stored. Raises Refused for what no rule may be."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME:
        raise Refused(_("Give the rule a name of up to %(count)s characters.", count=LONGEST_NAME))
    if len(conditions) > MOST_CONDITIONS:
        raise Refused(_("A rule has at most %(count)s conditions.", count=MOST_CONDITIONS))
    if sum(len(one.values) for one in conditions) > MOST_RULE_VALUES:
        raise Refused(_("A rule looks for at most %(count)s things. Write two rules.", count=MOST_RULE_VALUES))
    return name


def switch(by: User, rule: Rule, active: bool) -> None:
    """Let the rule work from the next mail on, or make it a draft again."""
    if rule.active != active:
        rule.active = active
        _note(by, rule, {"active": [not active, active]})


def move(by: User, rule: Rule, step: int) -> None:
    """Let the rule change places with the one before (-1) or after (+1) it in its list; at the ends it stays."""
    query = select(Rule.id).where(Rule.project_id == rule.project_id).with_for_update()
    db.session.execute(query.order_by(Rule.id))  # two people who sort at once shall not mix two orders
    rules = list_of(rule.project_id, rule.channel_id)
    here = rules.index(rule)
    there = here + step
    if not 0 <= there < len(rules):
        return
    rules[here], rules[there] = rules[there], rules[here]
    for position, one in enumerate(rules, 1):
        one.position = position
    _note(by, rule, {"place": [here + 1, there + 1]})


def remove(by: User, rule: Rule) -> None:
    """Take the rule away. What it did stays in the history of the tickets, with its name."""
    _note(by, rule, {"removed": True, "conditions": rule.conditions, "actions": rule.actions})
    db.session.delete(rule)


def believe_marks(by: User, channel: Channel, believes: bool) -> None:
    """Say whether what the server before us marked as spam goes among the spam, or into the line like all else."""
    if channel.files_marked_spam != believes:
        channel.files_marked_spam = believes
        record_change(by.id, "channel", channel.id, channel.name, {"files_marked_spam": [not believes, believes]})


def _note(by: User, rule: Rule, changes: Mapping[str, Any]) -> None:
    forget("live_rules")
    record_change(by.id, "rule", rule.id, rule.name, dict(changes))
