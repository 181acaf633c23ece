"""Named conditions in a search: `queue:billing state:open owner:me from:2026-03-01 code`.

A condition is a name, a colon and a value, in quotation marks where it has several words. The names are known in all
three languages of the desk. What stands outside is searched for as words. Lists are narrowed by the same conditions and
saved views are made of them; there a chosen thing stands as `#` and its id (`queue:#3`), several with commas between.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, func, or_, select

from helpdesk import clock, words
from helpdesk.customer_kinds import CustomerKind, customers_of_kind, kind_name
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import (
    Category,
    Channel,
    Identity,
    ListName,
    Participant,
    Project,
    Queue,
    SearchDocument,
    State,
    Tag,
    Ticket,
    TicketTag,
    User,
)
from helpdesk.models.message import Message, MessageKind
from helpdesk.models.ticket.states import KIND, Kind
from helpdesk.numbers import number_key
from helpdesk.permissions import queue_ids, visible
from helpdesk.queries.field_filters import field_condition, item_condition
from helpdesk.queries.search_terms import customer_ids, tsquery
from helpdesk.search_text import terms

MOST_FILTERS = 12
MOST_MET = 5000
EARLIEST_YEAR, LATEST_YEAR = 1970, 9000

NAMES = {
    "queue": ("queue", "очередь", "черга"),
    "state": ("state", "состояние", "стан"),
    "owner": ("owner", "владелец", "власник"),
    "customer": ("customer", "клиент", "клієнт"),
    "number": ("number", "номер"),
    "from": ("from", "от", "від"),
    "to": ("to", "до", "кому"),
    "project": ("project", "проект", "проєкт"),
    "channel": ("channel", "канал"),
    "priority": ("priority", "приоритет", "пріоритет"),
    "category": ("category", "категория", "категорія"),
    "tag": ("tag", "тег", "метка", "мітка"),
    "kind": ("kind", "вид"),
    "has": ("has", "есть", "є"),
    "due": ("due", "срок", "термін"),
    "who": ("who", "кто", "хто"),
    "field": ("field", "поле"),
    "type": ("type", "тип"),
    "reason": ("reason", "причина"),
    "component": ("component", "компонент"),
}
_CODE = {alias: code for code, aliases in NAMES.items() for alias in aliases}
_FILTER = re.compile(r'(?<!\S)([^\W\d_]{2,12}):(?:"([^"]*)"|“([^”]*)”|«([^»]*)»|(\S+))')
ME = frozenset({"me", "я"})
NOBODY = frozenset({"none", "nobody", "никто", "нікого", "ніхто"})
SOMEBODY = frozenset({"any", "somebody", "кто-то", "хтось"})
KINDS = {
    Kind.ACTIVE: ("active", "активные", "активні"),
    Kind.PAUSED: ("paused", "отложенные", "відкладені"),
    Kind.FINISHED: ("finished", "closed", "закрытые", "закриті"),
}
_IDS = re.compile(r"#\d{1,18}(?:,#\d{1,18})*")
HAS = {
    "phone": ("phone", "телефон"),
    "email": ("email", "mail", "почта", "пошта"),
}
DUE = {"late": ("late", "просрочено", "прострочено"), "soon": ("soon", "скоро", "незабаром")}
_DAY = re.compile(r"(?:(\d{4})-(\d{1,2})(?:-(\d{1,2}))?|(\d{1,2})\.(\d{1,2})\.(\d{4})|(\d{1,2})\.(\d{4}))")
_RELATIVE = {
    "today": 0,
    "сегодня": 0,
    "сьогодні": 0,
    "yesterday": 1,
    "вчера": 1,
    "вчора": 1,
}


@dataclass(frozen=True)
class Question:
    """A question taken apart: free words, and pairs of a condition's code (a key of NAMES) and its value."""

    words: str
    filters: list[tuple[str, str]] = field(default_factory=list)


def read_question(question: str) -> Question:
    """Take a question apart. A name that is no condition (`re:`, `http:`) stays a word."""
    found: list[tuple[str, str]] = []

    def take(match: re.Match[str]) -> str:
        code = _CODE.get(match[1].lower())
        value = next((part for part in match.groups()[1:] if part is not None), "").strip()
        if code is None or not value or len(found) >= MOST_FILTERS:
            return match[0]
        found.append((code, value))
        return " "

    rest = _FILTER.sub(take, question)
    return Question(" ".join(rest.split()), found)


def write_condition(code: str, value: str) -> str:
    """A condition as `read_question` takes it apart again; "" for an empty value."""
    value = " ".join(value.replace('"', " ").split())
    if not value:
        return ""
    return f'{code}:"{value}"' if " " in value or value[0] in "“«" else f"{code}:{value}"


def read_ids(value: str) -> list[int] | None:
    """The ids behind `#3,#4`; None where it is no such value."""
    return [int(part[1:]) for part in value.split(",")] if _IDS.fullmatch(value) else None


def conditions(user: User, question: Question) -> list[ColumnElement[bool]]:
    """The conditions on `Ticket` that a question puts. Raises Refused where a value means nothing here."""
    return [_CONDITIONS[code](user, value) for code, value in question.filters]


def _named(model: type[Queue] | type[Project] | type[Channel] | type[Category], value: str) -> list[int]:
    """Ids of the rows that the value names by id, or whose name contains it, in whatever case."""
    if (ids := read_ids(value)) is not None:
        return ids
    query = select(model.id).where(func.strpos(func.sort_key(model.name), func.sort_key(value)) > 0)
    return list(db.session.scalars(query.limit(MOST_MET)))


def _queue(user: User, value: str) -> ColumnElement[bool]:
    known = set(db.session.scalars(queue_ids(user)))
    ids = [one for one in _named(Queue, value) if one in known]
    if not ids:
        raise Refused(_("No queue that you may see has “%(value)s” in its name.", value=value))
    return Ticket.queue_id.in_(ids)


def _state(_user: User, value: str) -> ColumnElement[bool]:
    parts = [part for part in value.split(",") if part] or [value]
    return or_(*(_one_state(part) for part in parts))


def _one_state(value: str) -> ColumnElement[bool]:
    asked = value.lower()
    for kind, names in KINDS.items():
        if asked in names:
            return Ticket.kind == kind
    states = [state for state in State if asked in (state.value, words.state_name(state).lower())]
    if not states:
        known = ", ".join([*(names[0] for names in KINDS.values()), *(state.value for state in State)])
        raise Refused(_("There is no state “%(value)s”. Use one of these: %(known)s.", value=value, known=known))
    return and_(Ticket.state == states[0], Ticket.kind == KIND[states[0]])


def _owner(user: User, value: str) -> ColumnElement[bool]:
    asked = value.lower()
    if asked in ME:
        return Ticket.owner_id == user.id
    if asked in NOBODY:
        return Ticket.owner_id.is_(None)
    if asked in SOMEBODY:
        return Ticket.owner_id.is_not(None)
    if (known := read_ids(value)) is not None:
        return Ticket.owner_id.in_(known)
    by_name = func.strpos(func.sort_key(User.name), func.sort_key(value)) > 0
    ids = list(db.session.scalars(select(User.id).where(or_(by_name, func.lower(User.email) == asked)).limit(MOST_MET)))
    if not ids:
        raise Refused(_("Nobody here is called “%(value)s”.", value=value))
    return Ticket.owner_id.in_(ids)


def _customer(_user: User, value: str) -> ColumnElement[bool]:
    found = customer_ids(value)
    if found is None:
        raise Refused(_("“%(value)s” has no word to look for.", value=value))
    return Ticket.customer_id.in_(found)


def _number(_user: User, value: str) -> ColumnElement[bool]:
    key = number_key(value)
    if not key:
        raise Refused(_("“%(value)s” is not a ticket number.", value=value))
    return Ticket.number_key.contains(key, autoescape=True)


def _from(user: User, value: str) -> ColumnElement[bool]:
    if (period := _period(user, value)) is not None:
        return Ticket.arrived_at >= period[0]
    sent = _word_of(value)
    said_so = [column.icontains(value, autoescape=True) for column in (Message.sender, Message.sender_name)]
    senders = (
        select(SearchDocument.ticket_id)
        .join(Message, and_(SearchDocument.kind == "message", SearchDocument.ref_id == Message.id))
        .join(Ticket, Ticket.id == SearchDocument.ticket_id)
        .where(SearchDocument.tsv.op("@@")(sent), Message.kind == MessageKind.INBOUND)
        .where(or_(*said_so), visible(user))  # here already: what is hidden must not use up what may be met
        .order_by(Message.id.desc())
    )
    return Ticket.id.in_(senders.limit(MOST_MET))


def _to(user: User, value: str) -> ColumnElement[bool]:
    if (period := _period(user, value)) is not None:
        return Ticket.arrived_at < period[1]
    if "@" not in value:
        raise Refused(_("After “to:” stands a mail address, its beginning, or a day such as 2026-03-31."))
    address = func.lower(Participant.address)
    there = (
        select(Participant.conversation_id)
        .join(Ticket, Ticket.conversation_id == Participant.conversation_id)
        .where(address.startswith(value.lower(), autoescape=True), visible(user))
        .order_by(Participant.id.desc())
    )
    return Ticket.conversation_id.in_(there.limit(MOST_MET))


def _project(_user: User, value: str) -> ColumnElement[bool]:
    return Ticket.project_id.in_(_some(_named(Project, value), value))


def _channel(_user: User, value: str) -> ColumnElement[bool]:
    by_address = select(Channel.id).where(func.lower(Channel.address) == value.lower())
    return Ticket.channel_id.in_(_some([*_named(Channel, value), *db.session.scalars(by_address)], value))


def _category(_user: User, value: str) -> ColumnElement[bool]:
    return Ticket.category_id.in_(_some(_named(Category, value), value))


def _priority(_user: User, value: str) -> ColumnElement[bool]:
    asked = value.lower()
    for priority, name in words.PRIORITIES.items():
        if asked in (str(priority), str(name).lower(), ("urgent", "high", "normal", "low")[priority - 1]):
            return Ticket.priority == priority
    raise Refused(_("The priority is urgent, high, normal or low."))


def _tag(_user: User, value: str) -> ColumnElement[bool]:
    tagged = select(TicketTag.ticket_id).join(Tag, Tag.id == TicketTag.tag_id).where(Tag.name == value.lower())
    return Ticket.id.in_(tagged)


def _kind(_user: User, value: str) -> ColumnElement[bool]:
    """The kind of channel, such as a messenger."""
    asked = [part for part in value.lower().split(",") if part]
    return Ticket.channel_id.in_(select(Channel.id).where(Channel.kind.in_(asked)))


def _has(_user: User, value: str) -> ColumnElement[bool]:
    """The customer has a phone, an email address."""
    asked = value.lower()
    for namespace, names in HAS.items():
        if asked in names:
            theirs = select(Identity.id).where(Identity.customer_id == Ticket.customer_id)
            return theirs.where(Identity.namespace == namespace).exists()
    raise Refused(_("After “has:” stands phone or email."))


def _due(_user: User, value: str) -> ColumnElement[bool]:
    """What was promised is overdue, or will be soon."""
    asked = value.lower()
    if asked in DUE["late"]:
        return Ticket.due_at <= clock.SQL_NOW
    if asked in DUE["soon"]:
        return and_(Ticket.due_warn_at <= clock.SQL_NOW, Ticket.due_at > clock.SQL_NOW)
    raise Refused(_("After “due:” stands late or soon."))


def _item(name: ListName) -> Callable[[User, str], ColumnElement[bool]]:
    return lambda _user, value: item_condition(name, value, read_ids(value))


def _who(_user: User, value: str) -> ColumnElement[bool]:
    """The type of the customer."""
    for kind in CustomerKind:
        if value.lower() in (kind.value, kind_name(kind).lower()):
            return customers_of_kind(kind, Ticket.customer_id)
    known = ", ".join(CustomerKind)
    raise Refused(_("After “who:” stands one of these: %(known)s.", known=known))


def _some(ids: list[int], value: str) -> list[int]:
    if not ids:
        raise Refused(_("Nothing here is called “%(value)s”.", value=value))
    return ids


def _word_of(value: str) -> ColumnElement[bool]:
    asked = terms(value)
    if not asked:
        raise Refused(_("“%(value)s” has no word to look for.", value=value))
    return tsquery(asked)


def _period(user: User, value: str) -> tuple[datetime, datetime] | None:
    """Begin and end of the day or month that a value names, in the user's time zone; None where it names none."""
    zone = ZoneInfo(user.time_zone)
    if (days_ago := _RELATIVE.get(value.lower())) is not None:
        day = clock.now().astimezone(zone).date() - timedelta(days=days_ago)
        begin = datetime.combine(day, time(), zone)
        return begin, datetime.combine(day + timedelta(days=1), time(), zone)
    match = _DAY.fullmatch(value)
    if match is None:
        return None
    year, month, day_of_month, d, m, y, only_month, its_year = match.groups()
    number, whole_year = int(day_of_month or d or 0), int(year or y or its_year)
    try:
        if not EARLIEST_YEAR <= whole_year <= LATEST_YEAR:
            raise ValueError(whole_year)  # no ticket is there, and the calendar ends not far from there
        begin = datetime(whole_year, int(month or m or only_month), number or 1, tzinfo=zone)
    except ValueError as error:
        raise Refused(_("There is no day “%(value)s”.", value=value)) from error
    if number:
        return begin, datetime.combine(begin.date() + timedelta(days=1), time(), zone)
    following = (begin.replace(day=28) + timedelta(days=4)).replace(day=1)
    return begin, following


_CONDITIONS: dict[str, Callable[[User, str], ColumnElement[bool]]] = {
    "queue": _queue,
    "state": _state,
    "owner": _owner,
    "customer": _customer,
    "number": _number,
    "from": _from,
    "to": _to,
    "project": _project,
    "channel": _channel,
    "priority": _priority,
    "category": _category,
    "tag": _tag,
    "kind": _kind,
    "has": _has,
    "due": _due,
    "who": _who,
    "field": field_condition,
    "type": _item(ListName.TYPE),
    "reason": _item(ListName.REASON),
    "component": _item(ListName.COMPONENT),
}
