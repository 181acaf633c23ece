"""Words of the trade in the reader's language: states, priorities, kinds of messages."""

from flask_babel import gettext as _

from helpdesk.models.ticket.states import KIND, State


def state_name(code: str) -> str:
    """The name of a ticket's state."""
    return {
        State.NEW: _("New"),
        State.OPEN: _("Open"),
        State.PENDING: _("Pending"),
        State.WAITING: _("Waiting for the customer"),
        State.SOLVED: _("Solved"),
        State.UNSOLVED: _("Not solved"),
        State.SPAM: _("Spam"),
        State.MERGED: _("Merged"),
    }[State(code)]


def state(code: str) -> dict[str, str]:
    """A state as templates show it: name, kind, code."""
    return {"code": code, "kind": KIND[State(code)], "name": state_name(code)}


def priority_name(priority: int) -> str:
    """The name of a priority."""
    return {1: _("Urgent"), 2: _("High"), 3: _("Normal"), 4: _("Low")}[priority]


PRIORITY_TONE = {1: "red", 2: "amber", 4: ""}


def priority_chip(priority: int) -> dict[str, str] | None:
    """A priority worth showing: normal is silent."""
    return {"name": priority_name(priority), "tone": PRIORITY_TONE[priority]} if priority in PRIORITY_TONE else None


def nature_name(nature: str) -> str:
    """What kind of automatic message it is; empty for a person's own words."""
    return {
        "auto-reply": _("automatic reply"),
        "auto-generated": _("sent by a program"),
        "bounce": _("delivery report"),
        "report": _("report"),
        "list": _("mailing list"),
        "bulk": _("bulk mail"),
    }.get(nature, "")


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
    "http": "plug-connected-x",
}


def channel(kind: str, name: str) -> dict[str, str]:
    """A channel as templates show it: its name and the icon of its kind."""
    return {"name": name, "icon": CHANNEL_ICONS.get(kind, "inbox")}


def delivery_word(state: str) -> str:
    """One or two words for a delivery state."""
    return {
        "queued": _("waiting to be sent"),
        "sending": _("being sent"),
        "deferred": _("not accepted yet"),
        "sent": _("sent"),
        "delivered": _("delivered"),
        "read": _("read"),
        "unknown": _("outcome unknown"),
        "cancelled": _("taken back"),
        "failed": _("failed"),
        "bounced": _("came back"),
    }.get(state, state)
