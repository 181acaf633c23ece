"""The form of a rule: rows of conditions as people type them, and back. It works without scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from flask_babel import gettext as _
from pydantic import ValidationError
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.fact_changes import OWN
from helpdesk.models import Organisation, Rule
from helpdesk.models.definitions import FieldDefinition, definitions
from helpdesk.models.field_values import read_value
from helpdesk.models.fields import About, FieldKind
from helpdesk.rules import (
    BARE,
    MOST_CONDITIONS,
    MOST_RULE_FIELDS,
    MOST_RULE_VALUES,
    Actions,
    Condition,
    Feature,
)
from queues import rule_words

BLANK_ROWS = 3


@dataclass
class Line:
    """One row of the form; `fault` is what is wrong with it, as a sentence."""

    test: str = ""
    negated: bool = False
    value: str = ""
    fault: str = ""


@dataclass
class RuleForm:
    """What the form holds, right or wrong, with what is wrong."""

    name: str = ""
    lines: list[Line] = dataclass_field(default_factory=list)
    queue_id: int | None = None
    priority: int | None = None
    tags: str = ""
    request_type: str = ""
    fields: dict[str, Any] = dataclass_field(default_factory=dict)
    no_acknowledgement: bool = False
    fate: str = ""
    go_on: bool = False
    faults: list[str] = dataclass_field(default_factory=list)
    conditions: tuple[Condition, ...] = ()
    actions: Actions | None = None

    @property
    def valid(self) -> bool:
        """Whether it can be saved or tried."""
        return self.actions is not None and not self.faults and not any(line.fault for line in self.lines)

    def with_blank_rows(self, more: int = BLANK_ROWS) -> list[Line]:
        """The rows, and empty ones to fill in."""
        room = MOST_CONDITIONS - len(self.lines)
        return [*self.lines, *(Line() for _row in range(min(more, room)))]


def from_rule(rule: Rule) -> RuleForm:
    """The form of a stored rule."""
    conditions = [Condition.model_validate(one) for one in rule.conditions]
    actions = Actions.model_validate(rule.actions) if rule.actions else None
    names = organisations(conditions)
    form = RuleForm(
        name=rule.name or "",
        lines=[Line(one.test.value, one.negated, rule_words.value_text(one, names)) for one in conditions],
        go_on=bool(rule.go_on),
        conditions=tuple(conditions),
        actions=actions,
    )
    if actions is not None:
        form.queue_id, form.priority = actions.queue_id, actions.priority
        form.tags, form.request_type = ", ".join(actions.tags), actions.request_type
        form.fields = dict(actions.fields)
        form.no_acknowledgement, form.fate = actions.no_acknowledgement, actions.fate or ""
    return form


def from_request(
    sent: "MultiDict[str, str]", queue_ids: Sequence[int], before: Mapping[str, Any] | None = None
) -> RuleForm:
    """The form as it was sent, read and checked. `queue_ids` may be chosen; `before` are own fields that the rule has
    set so far, which it may go on setting though they are switched off.
    """
    rows = list(zip(sent.getlist("test"), sent.getlist("negated"), sent.getlist("value"), strict=False))
    lines = [
        Line(test, negated == "1", value.strip()[:4000])
        for test, negated, value in rows[: MOST_CONDITIONS + 1]
        if test in set(Feature)
    ]
    form = RuleForm(
        name=sent.get("name", "")[:300],
        lines=lines,
        queue_id=sent.get("queue_id", type=int),
        priority=sent.get("priority", type=int),
        tags=sent.get("tags", "")[:1000],
        request_type=sent.get("request_type", "")[:300],
        no_acknowledgement="no_acknowledgement" in sent,
        fate=sent.get("fate", ""),
        go_on="go_on" in sent,
    )
    if len(lines) > MOST_CONDITIONS:
        form.faults.append(_("A rule has at most %(count)s conditions.", count=MOST_CONDITIONS))
    if not form.name.strip():
        form.faults.append(_("Give the rule a name: it is shown in the history of tickets and in the ledger."))
    form.conditions = tuple(filter(None, [_condition(line) for line in lines]))
    if sum(len(one.values) for one in form.conditions) > MOST_RULE_VALUES:
        form.faults.append(_("A rule looks for at most %(count)s things. Write two rules.", count=MOST_RULE_VALUES))
    _read_fields(form, sent, before or {})
    if form.queue_id is not None and form.queue_id not in queue_ids:
        form.faults.append(_("Choose an open queue of this project."))
    else:
        form.actions = _actions(form)
    return form


def _condition(line: Line) -> Condition | None:
    """A row as a condition, or None with its fault said on the row."""
    test = Feature(line.test)
    header, values = "", _split(line.value)
    if test == Feature.HEADER:
        header, _colon, rest = line.value.partition(":")
        values = _split(rest)
    elif test in BARE:
        line.value, values = "", []
    elif test == Feature.ORGANISATION:
        found = _organisation_id(line.value)
        values = [str(found)] if found is not None else []
    try:
        given = {"test": test, "negated": line.negated, "header": header, "values": values}
        return Condition.model_validate(given)
    except ValidationError:
        line.fault = {
            Feature.SENDER: _("Write addresses, @domains or patterns with *, separated by commas."),
            Feature.RECIPIENT: _("Write addresses, @domains or patterns with *, separated by commas."),
            Feature.HEADER: _("Write the name of a header, a colon, and what it should contain."),
            Feature.SIZE: _("Write a number of kilobytes."),
            Feature.SPAM_SCORE: _("Write a number, such as 5 or 7.5."),
            Feature.ORGANISATION: _("There is no organisation of this name."),
        }.get(test, _("Write what to look for: up to 30 pieces of text, separated by commas."))
        return None


def _actions(form: RuleForm) -> Actions | None:
    given = {
        "queue_id": form.queue_id,
        "priority": form.priority,
        "tags": _split(form.tags),
        "request_type": form.request_type,
        "fields": form.fields,
        "no_acknowledgement": form.no_acknowledgement,
        "fate": form.fate or None,
    }
    try:
        return Actions.model_validate(given)
    except ValidationError as error:
        wrong = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
        if "tags" in wrong:
            form.faults.append(_("A rule gives at most 10 tags of up to 50 characters."))
        elif "request_type" in wrong:
            form.faults.append(_("The type has up to 100 characters."))
        elif "fields" in wrong:
            form.faults.append(_("A rule fills in at most %(count)s fields.", count=MOST_RULE_FIELDS))
        else:
            form.faults.append(_("Say what the rule should do: at least one thing."))
        return None


def offered_fields(used: Mapping[str, Any]) -> list[FieldDefinition]:
    """The ticket's own fields that a rule may fill in: those that are on, and those that it fills in already."""
    known = definitions().fields.values()
    return [one for one in known if one.about == About.TICKET and (one.active or one.key in used)]


def _read_fields(form: RuleForm, sent: "MultiDict[str, str]", before: Mapping[str, Any]) -> None:
    """What is empty is left to whoever works on the ticket. What was typed wrong stays in the form with its fault."""
    for field in offered_fields(before):
        name = f"{OWN}{field.key}"
        typed = sent.getlist(name) if field.kind == FieldKind.CHOICES else sent.get(name, "")
        try:
            value = read_value(field, typed, before.get(field.key))
        except Refused as refusal:
            form.faults.append(refusal.message)
            value = typed
        if value is None:
            continue
        form.fields[field.key] = value
        if form.queue_id is not None and field.queue_ids and form.queue_id not in field.queue_ids:
            form.faults.append(_("Tickets of that queue have no field “%(field)s”.", field=field.label))


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(" ".join(part.split()) for part in text.split(",") if part.strip()))


def _organisation_id(name: str) -> int | None:
    query = select(Organisation.id).where(func.lower(Organisation.name) == name.strip().lower())
    return db.session.scalar(query.order_by(Organisation.id).limit(1))


def organisations(conditions: Sequence[Condition]) -> Mapping[int, str]:
    """The names of the organisations that conditions speak of."""
    ids = {int(float(one.values[0])) for one in conditions if one.test == Feature.ORGANISATION}
    if not ids:
        return {}
    rows = db.session.execute(select(Organisation.id, Organisation.name).where(Organisation.id.in_(ids))).tuples()
    return dict(rows.all())
