"""Rules on the way in, in words: what conditions look at, and what is done."""

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from helpdesk import words
from helpdesk.models.definitions import definitions
from helpdesk.models.field_values import show_value
from helpdesk.rules import Actions, Condition, Feature
from queues.routing import Route

# What a condition looks at, and how its value is written.
FEATURES = {
    Feature.SENDER: (_l("Sender"), _l("eve@shop.example, @shop.example, *@*.shop.example")),
    Feature.RECIPIENT: (_l("To or Cc"), _l("sales@example.com, *+orders@example.com")),
    Feature.SUBJECT: (_l("Subject contains"), _l("invoice, bill*2026")),
    Feature.TEXT: (_l("Text contains"), _l("refund, money back")),
    Feature.HEADER: (_l("Header"), _l("X-Shop: gold, vip")),
    Feature.ATTACHMENT: (_l("Has a file"), _l("pdf, *.xls*, image/*; empty: any file")),
    Feature.SIZE: (_l("Larger than (KB)"), _l("5000")),
    Feature.LANGUAGE: (_l("Language"), _l("ru, uk, en")),
    Feature.KNOWN_CUSTOMER: (_l("Customer has had a ticket"), ""),
    Feature.ORGANISATION: (_l("Organisation"), _l("its name")),
    Feature.AUTOMATIC: (_l("Sent by a program or list"), ""),
    Feature.SPAM_MARK: (_l("Server marked it as spam"), ""),
    Feature.SPAM_SCORE: (_l("Spam score over"), _l("5")),
    Feature.DMARC_FAIL: (_l("Sender’s domain is forged (DMARC)"), ""),
    Feature.BLOCKED: (_l("Sender is blocked"), ""),
}
COMMON_HEADERS = (
    "List-Id", "List-Unsubscribe", "Auto-Submitted", "Precedence", "Reply-To", "Return-Path", "Sender", "Importance",
    "X-Priority", "X-Mailer", "X-Spam-Status", "X-Spam-Score", "Authentication-Results", "Delivered-To",
)  # fmt: skip
FATES = {
    "": _l("Leave as it is"),
    "trusted": _l("Never spam: no mark, no block and no flood counts"),
    "spam": _l("File it as spam"),
    "drop": _l("Leave it out: no ticket, only a line in the ledger"),
}


def condition(one: Condition, organisations: Mapping[int, str]) -> str:
    """A condition in a few words."""
    label = str(FEATURES[one.test][0])
    value = value_text(one, organisations)
    said = f"{label}: {value}" if value else label
    return _("if not %(condition)s", condition=said) if one.negated else said


def value_text(one: Condition, organisations: Mapping[int, str]) -> str:
    """The value of a condition as people type it."""
    if one.test == Feature.ORGANISATION:
        return organisations.get(int(one.values[0]), "?")
    values = ", ".join(one.values)
    if one.test == Feature.HEADER:
        name = "-".join(part.capitalize() for part in one.header.split("-"))
        return f"{name}: {values}" if values else name
    return values


def actions(what: Actions, queues: Mapping[int, str]) -> list[str]:
    """What a rule does, one phrase for each thing."""
    said = []
    if what.queue_id is not None:
        said.append(_("queue %(queue)s", queue=queues.get(what.queue_id, "?")))
    if what.priority is not None:
        said.append(_("priority %(priority)s", priority=words.priority_name(what.priority)))
    if what.tags:
        said.append(_("tags %(tags)s", tags=", ".join(what.tags)))
    if what.request_type:
        said.append(_("type %(type)s", type=what.request_type))
    said += own_fields(what.fields)
    if what.no_acknowledgement:
        said.append(_("no acknowledgement"))
    if what.fate is not None:
        said.append({"spam": _("spam"), "trusted": _("never spam"), "drop": _("left out")}[what.fate])
    return said


def own_fields(values: Mapping[str, Any]) -> list[str]:
    """Values of own fields in words, those of fields that are gone left out."""
    known = definitions().fields
    found = [(known.get(int(key)), value) for key, value in values.items()]
    return [f"{field.label}: {show_value(field, value)}" for field, value in found if field is not None]


def outcome(where: Route, queues: Mapping[int, str]) -> str:
    """What becomes of a mail, in a few words."""
    if where.dropped_by is not None:
        return _("left out by “%(rule)s”", rule=where.dropped_by)
    said = [queues.get(where.queue_id, "?")]
    if where.spam is not None:
        said.append(_("spam: %(cause)s", cause=words.spam_cause(where.spam)))
    if where.priority != 3:
        said.append(words.priority_name(where.priority))
    said += [f"#{tag}" for tag in where.tags]
    if where.request_type:
        said.append(where.request_type)
    said += own_fields(where.fields)
    if not where.acknowledge:
        said.append(_("no acknowledgement"))
    return ", ".join(said)
