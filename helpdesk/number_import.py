"""Reading the tickets of a former system from a CSV file: any size, line by line, as often as one likes.

The file may come from any program: UTF-8 or Windows-1251, comma, semicolon or tab, with a line of headings in English,
Russian or Ukrainian or without one (then: number, customer's address, title, state, opened, closed). A line that cannot
be used is reported with its number and passed over; a number that a ticket carries already is left as it is.
"""

import codecs
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select

from helpdesk import clock
from helpdesk.db import db, reserve_ids, transaction
from helpdesk.errors import StartError
from helpdesk.former import MOST_NUMBER
from helpdesk.models import Channel, Conversation, Customer, FormerNumber, Project, Ticket
from helpdesk.models.channel import DESK
from helpdesk.models.ticket import State, reserve_numbers
from helpdesk.models.ticket.imported import FormerTicket, import_ticket
from helpdesk.numbers import number_key

BATCH = 200
MOST_FIELD = 100_000
MOST_REPORTED = 1000
COLUMNS = ("number", "customer", "title", "state", "opened", "closed")
HEADINGS = {
    "number": {"number", "old number", "ticket number", "ticketnumber", "ticket#", "tn", "id", "key", "номер",
               "старый номер", "номер заявки", "номер тикета", "старий номер", "номер звернення"},
    "customer": {"customer", "customer address", "email", "e-mail", "address", "customeruserid", "customer email",
                 "from", "requester", "клиент", "адрес клиента", "почта", "адрес", "от", "клієнт", "пошта", "адреса"},
    "title": {"title", "subject", "summary", "тема", "заголовок", "название", "назва"},
    "state": {"state", "status", "статус", "состояние", "стан"},
    "opened": {"opened", "opened at", "created", "created at", "date", "создан", "создана", "дата", "открыт",
               "дата создания", "открыта", "створено", "відкрито"},
    "closed": {"closed", "closed at", "close time", "закрыт", "закрыта", "дата закрытия", "закрито"},
}  # fmt: skip
OPEN_WORDS = ("open", "new", "pending", "waiting", "in progress", "открыт", "нов", "ожида", "в работе", "відкрит",
              "очіку", "в роботі")  # fmt: skip
UNSOLVED_WORDS = ("unsuccessful", "unsolved", "rejected", "removed", "не решен", "неуспешн", "отклон", "не вирішен",
                  "неуспішн", "відхил")  # fmt: skip
DATES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y",
         "%d/%m/%Y %H:%M", "%d/%m/%Y")  # fmt: skip


@dataclass
class Outcome:
    """What an import came to. `faults` are (line, reason), MOST_REPORTED at most; `passed_over` counts them all."""

    made: int = 0
    known: int = 0
    passed_over: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)

    def fault(self, line: int, reason: str) -> None:
        """Note a line that cannot be used."""
        self.passed_over += 1
        if len(self.faults) < MOST_REPORTED:
            self.faults.append((line, reason))


def import_file(path: Path, channel: Channel, progress: Callable[[Outcome], None] = lambda _: None) -> Outcome:
    """Make a ticket of each line, BATCH at a time, each batch in a transaction of its own.

    Raises StartError when the file cannot be read at all.
    """
    outcome, channel_id = Outcome(), channel.id
    with transaction():
        zone, now = ZoneInfo(channel.project.time_zone), clock.now()
    with _opened(path) as file:
        rows = _rows(file, zone, now, outcome)
        while batch := list(islice(rows, BATCH)):
            with transaction():
                _import_batch(batch, channel_id, outcome)
            progress(outcome)
    return outcome


def find_channel(name: str | None, project: str | None) -> Channel:
    """The channel that imported tickets belong to: by its name, else the first of the project (or of the only one).

    Raises StartError in one sentence.
    """
    query = select(Channel).join(Project).where(Channel.kind != DESK).order_by(Channel.id)
    if name is not None:
        query = query.where(Channel.name == name)
    if project is not None:
        query = query.where(Project.name == project)
    found = list(db.session.scalars(query))
    if not found:
        raise StartError("There is no such channel: imported tickets need one, through which answers to them leave.")
    if name is None and len({one.project_id for one in found}) > 1:
        raise StartError("There are several projects: name the one that the tickets belong to with --project.")
    return found[0]


def _import_batch(batch: list[tuple[int, FormerTicket]], channel_id: int, outcome: Outcome) -> None:
    channel = db.session.get_one(Channel, channel_id)
    keys = {former.mark.key for _line, former in batch}
    query = select(FormerNumber.number_key).where(
        FormerNumber.project_id == channel.project_id, FormerNumber.number_key.in_(keys)
    )
    known = set(db.session.scalars(query))
    fresh: list[FormerTicket] = []
    for _line, former in batch:
        if former.mark.key in known:
            outcome.known += 1
        else:
            known.add(former.mark.key)
            fresh.append(former)
    for model in (Conversation, Ticket):
        reserve_ids(model, len(fresh) or 1)
    reserve_numbers(len(fresh) or 1)
    customers = Customer.for_identities([("email", former.address, "") for former in fresh]) if fresh else []
    for former, customer in zip(fresh, customers, strict=True):
        import_ticket(former, channel, customer)
        outcome.made += 1


def _opened(path: Path) -> IO[str]:
    """The file as text. Its encoding is what its first bytes say, else UTF-8 where all of it is, else Windows-1251."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return path.open(encoding="utf-16", newline="", errors="replace")
            file.seek(0)
            decoder = codecs.getincrementaldecoder("utf-8")()
            try:
                while piece := file.read(1 << 20):
                    decoder.decode(piece)
                decoder.decode(b"", final=True)
                return path.open(encoding="utf-8-sig", newline="")
            except UnicodeDecodeError:
                return path.open(encoding="cp1251", newline="", errors="replace")
    except OSError as error:
        raise StartError(f"The file {path} cannot be read: {error.strerror}.") from error


def _rows(file: IO[str], zone: ZoneInfo, now: datetime, outcome: Outcome) -> Iterator[tuple[int, FormerTicket]]:
    csv.field_size_limit(MOST_FIELD)
    first = file.readline(MOST_FIELD)
    file.seek(0)
    delimiter = max(";,\t", key=first.count)
    reader = csv.reader(file, delimiter=delimiter)
    columns: dict[str, int] | None = None
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            outcome.fault(reader.line_num, f"cannot be read: {error}")
            continue
        if cells is None:
            return
        if columns is None:
            columns = _headings(cells)
            if columns:
                continue
            columns = {name: place for place, name in enumerate(COLUMNS)}
        if not any(cell.strip() for cell in cells):
            continue
        plain = [cell.replace("\0", "").strip() for cell in cells]
        told = {name: plain[place] if place < len(plain) else "" for name, place in columns.items()}
        try:
            yield reader.line_num, _ticket(told, zone, now)
        except ValueError as error:
            outcome.fault(reader.line_num, str(error))


def _headings(cells: list[str]) -> dict[str, int]:
    """Which column is what, by the first line; empty where that is a ticket already."""
    names = [" ".join(cell.lower().replace("_", " ").strip(" \ufeff#:").split()) for cell in cells]
    found: dict[str, int] = {}
    for column, words in HEADINGS.items():
        place = next((place for place, name in enumerate(names) if name in words or name + "#" in words), None)
        if place is not None:
            found[column] = place
    return found if {"number", "customer"} <= found.keys() else {}


def _ticket(told: dict[str, str], zone: ZoneInfo, now: datetime) -> FormerTicket:
    """One line's ticket. Raises ValueError with the reason in words."""
    number = told.get("number", "")
    if not number_key(number) or len(number) > MOST_NUMBER or not any(c.isdigit() for c in number):
        raise ValueError(f"{number[:60]!r} is no ticket number")
    try:
        address = validate_email(told.get("customer", ""), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"{told.get('customer', '')[:60]!r} is no mail address") from error
    opened = _moment(told.get("opened", ""), zone) or now
    closed = _moment(told.get("closed", ""), zone)
    if opened > now or (closed is not None and closed > now):
        raise ValueError("its date lies in the future")
    title = " ".join(told.get("title", "").split())[:500]
    return FormerTicket(number, address, title, _state(told.get("state", "")), opened, closed)


def _state(words: str) -> State:
    """What a state of another system means here; whatever is not clearly open is finished."""
    words = words.lower()
    if any(words.startswith(word) for word in UNSOLVED_WORDS) or "unsuccessful" in words or "не реш" in words:
        return State.UNSOLVED
    return State.WAITING if any(words.startswith(word) for word in OPEN_WORDS) else State.SOLVED


def _moment(written: str, zone: ZoneInfo) -> datetime | None:
    if not written:
        return None
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        found = next((moment for form in DATES if (moment := _parsed(written, form)) is not None), None) or _no_date(
            written
        )
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _parsed(written: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(written, form)
    except ValueError:
        return None


def _no_date(written: str) -> datetime:
    raise ValueError(f"{written[:60]!r} is no date; write 2024-01-31 14:00 or 31.01.2024 14:00")
