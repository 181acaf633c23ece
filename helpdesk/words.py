"""Words of the trade in the reader's language: states, priorities, kinds of messages."""

from flask_babel import format_datetime
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from helpdesk.models.absence import Absence
from helpdesk.models.availability import LEFT, OUT_OF_OFFICE, Availability
from helpdesk.models.ticket.states import KIND, State

# Lazy, so that a word costs one look into the catalog and not one for each of its neighbours: lists ask often.
STATES = {
    State.NEW: _l("New"),
    State.OPEN: _l("Open"),
    State.PENDING: _l("Pending"),
    State.WAITING: _l("Waiting for the customer"),
    State.SOLVED: _l("Solved"),
    State.UNSOLVED: _l("Not solved"),
    State.SPAM: _l("Spam"),
    State.MERGED: _l("Merged"),
}
PRIORITIES = {1: _l("Urgent"), 2: _l("High"), 3: _l("Normal"), 4: _l("Low")}
NATURES = {
    "auto-reply": _l("automatic reply"),
    "auto-generated": _l("sent by a program"),
    "bounce": _l("delivery report"),
    "report": _l("report"),
    "list": _l("mailing list"),
    "bulk": _l("bulk mail"),
}
SPAM_CAUSES = {
    "person": _l("by a colleague"),
    "rule": _l("by a rule"),
    "blocked": _l("the sender is blocked"),
    "server": _l("the mail server marked it"),
    "flood": _l("too much from one sender"),
}
DELIVERIES = {
    "queued": _l("waiting to be sent"),
    "sending": _l("being sent"),
    "deferred": _l("not accepted yet"),
    "sent": _l("sent"),
    "delivered": _l("delivered"),
    "read": _l("read"),
    "unknown": _l("outcome unknown"),
    "cancelled": _l("taken back"),
    "failed": _l("failed"),
    "bounced": _l("came back"),
}


AVAILABILITIES = {
    Availability.AVAILABLE: _l("Available"),
    Availability.AWAY: _l("Away"),
    Availability.OFFLINE: _l("Offline"),
}
AVAILABILITY_TONES = {Availability.AVAILABLE: "green", Availability.AWAY: "amber", Availability.OFFLINE: ""}
# What is offered as a reason at first is stored in English and told in each reader's language.
AWAY_REASONS = {
    "Break": _l("Break"),
    "Lunch": _l("Lunch"),
    "Training": _l("Training"),
    "Meeting": _l("Meeting"),
    LEFT: _l("no open page"),
    OUT_OF_OFFICE: _l("out of office"),
}


def availability(state: str, reason: str = "") -> dict[str, str]:
    """Whether somebody is here, as templates show it: code, name, tone of a chip, reason."""
    code = Availability(state)
    return {
        "code": code.value,
        "name": str(AVAILABILITIES[code]),
        "tone": AVAILABILITY_TONES[code],
        "reason": away_reason(reason),
    }


def away_reason(reason: str) -> str:
    """A reason to be away in the reader's language, where it is one of those offered at first."""
    return str(AWAY_REASONS.get(reason, reason))


def absence_words(absence: Absence) -> str:
    """Until when somebody is out of office, who stands in for them, and what they say about it."""
    parts = [_("out until %(time)s", time=format_datetime(absence.until_at, "short")) if absence.until_at else _("out")]
    if absence.stand_in is not None:
        parts.append(_("%(name)s stands in", name=absence.stand_in.name))
    return ", ".join(parts) + (f". {absence.words}" if absence.words else "")


def state_name(code: str) -> str:
    """The name of a ticket's state."""
    return str(STATES[State(code)])


def state(code: str) -> dict[str, str]:
    """A state as templates show it: name, kind, code."""
    return {"code": code, "kind": KIND[State(code)], "name": state_name(code)}


def spam_cause(code: str | None) -> str:
    """Why a ticket was filed as spam; a person's doing where nothing else is known."""
    return str(SPAM_CAUSES.get(code or "person", code))


def priority_name(priority: int) -> str:
    """The name of a priority."""
    return str(PRIORITIES[priority])


PRIORITY_TONE = {1: "red", 2: "amber", 4: ""}


def priority_chip(priority: int) -> dict[str, str] | None:
    """A priority worth showing: normal is silent."""
    return {"name": priority_name(priority), "tone": PRIORITY_TONE[priority]} if priority in PRIORITY_TONE else None


def entry_name(way: str, direction: str) -> str:
    """What was written down by hand: a call or a visit, and who came to whom."""
    if way == "visit":
        return _("visit, they came to us") if direction == "in" else _("visit, we went to them")
    return _("call, they called us") if direction == "in" else _("call, we called them")


def role_name(role: str) -> str:
    """How somebody came into a conversation."""
    return {"from": _("wrote"), "to": _("addressed"), "cc": _("in copy")}.get(role, role)


def nature_name(nature: str) -> str:
    """What kind of automatic message it is; empty for a person's own words."""
    return str(NATURES.get(nature, ""))


def clock_rule(clock: str, by_priority: bool) -> str:
    """How a queue is ordered, as a sentence."""
    sentence = {
        "first_unanswered": _("Ordered by the first message that nobody has answered, oldest first."),
        "arrived": _("Ordered by arrival, oldest first."),
        "last_customer": _("Ordered by the customer's last message, oldest first."),
    }[clock]
    return (_("Higher priority goes first.") + " " + sentence) if by_priority else sentence


def identity_kind(namespace: str) -> str:
    """What kind of address it is, such as "email" or "telegram:<bot>"."""
    kind = namespace.partition(":")[0]
    return {"email": _("E-mail"), "phone": _("Phone"), "telegram": "Telegram"}.get(kind, kind)


CHANNEL_ICONS = {
    "email": "mail",
    "webchat": "messages",
    "voice": "phone",
    "telegram": "send",
    "http": "api",
}


def channel(kind: str, name: str) -> dict[str, str]:
    """A channel as templates show it: its name and the icon of its kind."""
    return {"name": name, "icon": CHANNEL_ICONS.get(kind, "inbox")}


def delivery_word(state: str) -> str:
    """One or two words for a delivery state."""
    return str(DELIVERIES.get(state, state))
