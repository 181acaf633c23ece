"""Variables in ready answers: a fixed list about the ticket at hand, and the administrators' own.

`{customer_name}` is replaced once, by plain text; nothing of a text is ever executed, a value is not looked at again,
and what is unknown (or has no value here) stays as it is written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from babel.dates import format_date
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from helpdesk import clock
from helpdesk.babel import LANGUAGES
from helpdesk.db import db
from helpdesk.models import Customer, Project, Queue, TextVariable, TextVariableValue, Ticket, User
from helpdesk.queries.thread import last_inbound

# static/js/variables.js has the same; a name of letters, digits and "_" that does not begin with a digit
VARIABLE = re.compile(r"\{([^\W\d]\w{0,59})\}")
NAME = re.compile(r"[^\W\d]\w{0,59}")
MOST_VALUE = 20_000

LABELS: dict[str, LazyString] = {
    "customer_name": _l("Customer's name"),
    "customer_first_name": _l("Customer's first name"),
    "customer_email": _l("Customer's mail address"),
    "organisation": _l("Customer's organisation"),
    "ticket_number": _l("Number of the ticket"),
    "ticket_title": _l("Title of the ticket"),
    "queue": _l("Queue"),
    "project": _l("Project"),
    "agent_name": _l("Your name"),
    "date": _l("Today's date"),
}
_PATRONYMIC = re.compile(r"(вич|вна|ична|инична|івна|ївна)$", re.IGNORECASE)


@dataclass(frozen=True)
class Variable:
    """A variable with what stands for it now; "" where nothing does."""

    name: str
    label: str
    value: str


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with its known variables replaced, once; what is unknown or empty stays as it is written."""
    return VARIABLE.sub(lambda found: values.get(found[1]) or found[0], text)


def unknown(text: str) -> list[str]:
    """Names in braces that are no variables, for whoever writes a ready answer."""
    names = dict.fromkeys(VARIABLE.findall(text))
    own = set(db.session.scalars(select(TextVariable.name).where(TextVariable.name.in_(names)))) if names else set()
    return [name for name in names if name not in LABELS and name not in own]


def of_ticket(ticket: Ticket, user: User) -> list[Variable]:
    """All variables as they stand on this ticket for this author, in the customer's language."""
    language = language_of(ticket)
    project = ticket.queue.project
    today = clock.now().astimezone(ZoneInfo(project.time_zone)).date()
    customer = ticket.customer
    mails = [identity.value for identity in customer.identities if identity.namespace == "email"]
    name = _spoken_name(customer)
    values = {
        "customer_name": name,
        "customer_first_name": first_name(name),
        "customer_email": mails[0] if mails else "",
        "organisation": customer.organisation.name if customer.organisation else "",
        "ticket_number": ticket.number_text,
        "ticket_title": ticket.title,
        "queue": ticket.queue.name,
        "project": project.name,
        "agent_name": user.name,
        "date": format_date(today, "long", locale=language),
    }
    own = of_project(project, language)
    return [Variable(name, str(LABELS[name]), value) for name, value in values.items()] + own


def of_queue(queue: Queue, user: User) -> list[Variable]:
    """What is known before there is a ticket: where, by whom and when, in the project's language."""
    language = queue.project.language
    today = clock.now().astimezone(ZoneInfo(queue.project.time_zone)).date()
    values = {
        "queue": queue.name,
        "project": queue.project.name,
        "agent_name": user.name,
        "date": format_date(today, "long", locale=language),
    }
    here = [Variable(name, str(label), values.get(name, "")) for name, label in LABELS.items()]
    return here + of_project(queue.project, language)


def of_project(project: Project, language: str) -> list[Variable]:
    """The administrators' own variables: the value of this project and language, else of all of either."""
    known = select(TextVariable).options(selectinload(TextVariable.values)).order_by(TextVariable.name)
    return [
        Variable(variable.name, variable.note or variable.name, value_of(variable.values, project.id, language))
        for variable in db.session.scalars(known)
    ]


def value_of(values: list[TextVariableValue], project_id: int, language: str) -> str:
    """The nearest of the values: project before language, and either before what stands for all; "" for none."""
    fitting = [one for one in values if one.project_id in {project_id, None} and one.language in {language, ""}]
    fitting.sort(key=lambda one: (one.project_id is not None, one.language != ""))
    return fitting[-1].value if fitting else ""


def language_of(ticket: Ticket) -> str:
    """The language in which the customer is written to: theirs if it is known, else their message's, the project's."""
    heard = last_inbound(ticket)
    told = heard.facts.get("language") if heard is not None else None
    known = (ticket.customer.language, told, ticket.queue.project.language)
    return next((one for one in known if one in LANGUAGES), "en")


def first_name(name: str) -> str:
    """What to call a person by: the first word of the name, or the second in "surname name patronymic"."""
    words = name.split()
    if len(words) == 3 and _PATRONYMIC.search(words[2]):
        return words[1]
    return words[0] if words else ""


def _spoken_name(customer: Customer) -> str:
    """The name, unless an address stands in its place: nobody is greeted by an address."""
    name = customer.name.strip()
    return "" if "@" in name or not any(letter.isalpha() for letter in name) else name
