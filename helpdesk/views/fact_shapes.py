"""The facts of a ticket as the panel beside the conversation shows them, to read and to change."""

from typing import Any

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk import words
from helpdesk.db import db
from helpdesk.fact_changes import OWN, next_states
from helpdesk.models import Group, ListName, Ticket, User
from helpdesk.models.definitions import FieldDefinition, definitions
from helpdesk.models.field_values import missing_on_close, show_value
from helpdesk.models.fields import FieldKind
from helpdesk.models.ticket.states import Kind

Rows = list[dict[str, Any]]


def panel(ticket: Ticket, works: bool, people: list[str]) -> dict[str, Any]:
    """What `tickets/_facts.html` expects; one query where the ticket has a group, else none."""
    edit = url_for("facts.form", ticket_id=ticket.id) if works else None
    rows = [*_sorted_rows(ticket), *_work_rows(ticket, works, people), *_own_rows(ticket)]
    shown = [row for row in rows if row.get("value") or row.get("missing") or (works and row.get("always"))]
    return {"rows": shown, "moments": _moments(ticket), "edit_url": edit, "number": ticket.number_text}


def _sorted_rows(ticket: Ticket) -> Rows:
    known = definitions()
    category = known.lists[ListName.CATEGORY].get(ticket.category_id or 0)
    return [
        {"name": "state", "label": _("State"), "value": words.state_name(ticket.state)},
        {"name": "request_type", "label": _("Type"), "value": ticket.request_type, "always": True},
        {"name": "category", "label": _("Category"), "value": category.name if category else "", "always": True},
        {"name": "reasons", "label": _("Reasons"), "value": _names(ListName.REASON, ticket.reason_ids)},
        {"name": "components", "label": _("Components"), "value": _names(ListName.COMPONENT, ticket.component_ids)},
    ]


def _work_rows(ticket: Ticket, works: bool, people: list[str]) -> Rows:
    def dialog(name: str) -> str | None:
        return url_for("dialogs.show", name=name, ticket_id=ticket.id) if works else None

    owner = ticket.owner.name if ticket.owner else ""
    channel = words.channel(ticket.conversation.channel.kind, ticket.conversation.channel.name)
    projects = definitions().projects
    project = projects.get(ticket.project_id, "") if len(projects) > 1 else ""
    return [
        {"label": _("Owner"), "value": owner, "dialog_url": dialog("assign"), "always": True},
        {"name": "people", "label": _("Taking part"), "value": ", ".join(people)},
        {"name": "group", "label": _("Group"), "value": ticket.group.name if ticket.group_id and ticket.group else ""},
        {"name": "priority", "label": _("Priority"), "value": words.priority_name(ticket.priority)},
        {"name": "tags", "label": _("Tags"), "value": ", ".join(ticket.tags)},
        {"label": _("Queue"), "value": ticket.queue.name, "dialog_url": dialog("move")},
        {"label": _("Channel"), "value": channel["name"]},
        {"label": _("Project"), "value": project},
    ]


def _own_rows(ticket: Ticket) -> Rows:
    missing = {field.id for field in missing_on_close(ticket.queue_id, ticket.fields)}
    return [
        {
            "name": f"{OWN}{field.key}",
            "label": field.label,
            "value": show_value(field, ticket.fields.get(field.key)),
            "missing": field.id in missing and ticket.kind != Kind.FINISHED,
        }
        for field in definitions().of_ticket(ticket.queue_id)
        if field.key in ticket.fields or field.id in missing
    ]


def _moments(ticket: Ticket) -> Rows:
    shown: Rows = [
        {"label": _("Opened"), "at": ticket.arrived_at},
        {"label": _("Waits since"), "at": ticket.first_unanswered_at, "lasts": True},
        {"label": _("Customer wrote"), "at": ticket.last_customer_at},
        {"label": _("We answered"), "at": ticket.last_reply_at},
        {"label": _("Wakes at"), "at": ticket.pending_until},
        {"label": _("Finished"), "at": ticket.finished_at},
        {"label": _("Closing reason"), "value": ticket.closing_reason},
    ]
    return [one for one in shown if one.get("at") or one.get("value")]


def _names(name: ListName, ids: list[int]) -> str:
    return ", ".join(item.name for item in definitions().items(name, ids)) if ids else ""


def form(ticket: Ticket, values: dict[str, Any], colleagues: list[User]) -> list[dict[str, Any]]:
    """The fields of the form: name, label, kind, value, and what can be chosen as (value, label)."""
    known = definitions()

    def pick(name: ListName, chosen: Any) -> list[tuple[int, str]]:
        ids = chosen if isinstance(chosen, list) else [chosen]
        return [(item.id, item.name) for item in known.offered(name, ticket.queue_id, ids)]

    groups = db.session.execute(select(Group.id, Group.name).order_by(func.sort_key(Group.name))).tuples().all()
    states = [(ticket.state, words.state_name(ticket.state)), *((s.value, _turn(s)) for s in next_states(ticket))]
    priorities = [(number, words.priority_name(number)) for number in (1, 2, 3, 4)]
    rows: list[dict[str, Any]] = [
        {"name": "title", "label": _("Title"), "kind": "text", "required": True},
        {"name": "state", "label": _("State"), "kind": "one", "options": states, "must": True},
        {"name": "request_type", "label": _("Type"), "options": pick(ListName.TYPE, values.get("request_type"))},
        {"name": "category", "label": _("Category"), "options": pick(ListName.CATEGORY, values.get("category"))},
        {"name": "reasons", "label": _("Reasons"), "many": True, "options": pick(ListName.REASON, values["reasons"])},
        {
            "name": "components",
            "label": _("Components"),
            "many": True,
            "options": pick(ListName.COMPONENT, values["components"]),
        },
        {"name": "priority", "label": _("Priority"), "options": priorities, "must": True},
        {"name": "group", "label": _("Group"), "options": groups},
        {"name": "people", "label": _("Taking part"), "many": True, "options": [(u.id, u.name) for u in colleagues]},
        {"name": "tags", "label": _("Tags"), "kind": "text", "hint": _("Separated by commas")},
        *(own_field(field, values.get(f"{OWN}{field.key}")) for field in known.of_ticket(ticket.queue_id)),
    ]
    shown = [row for row in rows if "options" not in row or row["options"] or row.get("must")]
    for row in shown:
        row.setdefault("kind", "many" if row.get("many") else "one")
        row["value"] = values.get(row["name"])
    return shown


def opening_rows(chosen: dict[str, Any]) -> list[dict[str, Any]]:
    """What a new ticket can be sorted by at once, as `tickets/_field.html` shows it; without lists that are empty."""
    labels = {
        "request_type": (ListName.TYPE, _("Type")),
        "category": (ListName.CATEGORY, _("Category")),
        "reasons": (ListName.REASON, _("Reasons")),
        "components": (ListName.COMPONENT, _("Components")),
    }
    rows = []
    for name, (list_name, label) in labels.items():
        options = [(item.id, item.name) for item in definitions().lists[list_name].values() if item.active]
        kind = "many" if list_name in {ListName.REASON, ListName.COMPONENT} else "one"
        rows.append({"name": name, "label": label, "kind": kind, "options": options, "value": chosen.get(name)})
    return [row for row in rows if row["options"]]


def own_field(field: FieldDefinition, value: Any, prefix: str = OWN) -> dict[str, Any]:
    """A field of one's own in a form; `value` as stored, or as typed."""
    kept = {str(one) for one in (value if isinstance(value, list) else [value])}
    kinds = {FieldKind.CHOICE: "one", FieldKind.CHOICES: "many"}
    row: dict[str, Any] = {
        "name": f"{prefix}{field.key}",
        "label": field.label,
        "hint": field.hint,
        "kind": kinds.get(field.kind, field.kind.value),
        "long": field.kind == FieldKind.TEXT,
        "wanted": field.required_on_close,
        "value": value,
    }
    if row["kind"] in {"one", "many"}:
        row["options"] = [(one.id, one.label) for one in field.options if one.active or str(one.id) in kept]
    return row


def _turn(state: str) -> str:
    return {
        "waiting": _("Wait for the customer"),
        "open": _("Open"),
        "solved": _("Solved: finish"),
        "unsolved": _("Not solved: finish"),
    }[state]


def told(ticket: Ticket, name: str, value: Any) -> str:
    """A value of `fact_changes.current` in words, for what a colleague changed meanwhile."""
    if value in (None, "", []):
        return "–"
    ids = value if isinstance(value, list) else [value]
    if name.startswith(OWN):
        field = definitions().fields.get(int(name.removeprefix(OWN)))
        return show_value(field, value) if field else str(value)
    lists = {
        "request_type": ListName.TYPE,
        "category": ListName.CATEGORY,
        "reasons": ListName.REASON,
        "components": ListName.COMPONENT,
    }
    if name in lists:
        return _names(lists[name], ids)
    if name in {"group", "people"}:
        model = Group if name == "group" else User
        return ", ".join(db.session.scalars(select(model.name).where(model.id.in_(ids)).order_by(model.name)))
    if name == "state":
        return words.state_name(value)
    return words.priority_name(value) if name == "priority" else ", ".join(map(str, ids))
