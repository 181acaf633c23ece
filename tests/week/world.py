"""The contact centre of the week: two brands, three queues, operators in shifts, calendars, targets and rules."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from helpdesk.db import db, transaction
from helpdesk.models import Channel, Group, Project, Queue, QueueRight, Right, Role, User
from helpdesk.models.calendar import Calendar, CalendarVersion
from helpdesk.models.promise import Target
from queues.channels.http.settings import HttpSettings
from tests.week.size import Size

ZONE = ZoneInfo("Europe/Kyiv")
SHIFTS = {"early": (6, 14), "day": (9, 17), "late": (14, 22), "night": (22, 30)}
DOOR, SECRET = "door-of-the-exchange", "hds_week"
TEAMS = ("Поддержка", "Расчёты", "Магазин")


@dataclass(frozen=True)
class Mailbox:
    """One of our addresses: its channel, and the names by which the checker knows what belongs where."""

    channel_id: int
    address: str
    brand: str


@dataclass
class Worker:
    """An operator and when they work: pairs of moments, begin and end of each shift."""

    user_id: int
    team: str
    shifts: list[tuple[datetime, datetime]] = field(default_factory=list)


@dataclass
class World:
    """What the week is played with."""

    mailboxes: list[Mailbox]
    workers: list[Worker]
    supervisor_id: int
    door: str
    secret: bytes


def build(size: Size, random: Random) -> World:
    """Make everybody and everything. Needs an application context on an empty database."""
    with transaction() as session:
        brand = session.query(Project).order_by(Project.id).first()
        assert brand is not None
        brand.name, brand.language, brand.time_zone = "Причал", "ru", "Europe/Kyiv"
        other = Project(name="Vesna", language="uk", time_zone="Europe/Kyiv")
        session.add(other)
        session.flush()
        queues = {
            "Поддержка": Queue(project_id=brand.id, name="Поддержка", owner_wait_minutes=15),
            "Расчёты": Queue(project_id=brand.id, name="Расчёты", strict=True, owner_wait_minutes=30),
            "Магазин": Queue(
                project_id=other.id, name="Магазин", by_priority=True, longest_pass_minutes=180, owner_wait_minutes=15
            ),
        }
        session.add_all(queues.values())
        session.flush()
        _promise(brand, other, queues)
        mailboxes = [
            _mailbox(queues["Поддержка"], "help@prichal.example", "Причал"),
            _mailbox(queues["Расчёты"], "bills@prichal.example", "Причал"),
            _mailbox(queues["Магазин"], "shop@vesna.example", "Vesna"),
        ]
        _exchange(queues["Поддержка"])
        supervisor = User(email="sue@prichal.example", name="Сюзанна", role=Role.SUPERVISOR)
        session.add(supervisor)
        workers = _workers(size, random, queues, supervisor)
        return World(mailboxes, workers, supervisor.id, DOOR, SECRET.encode())


def _exchange(queue: Queue) -> None:
    channel = Channel(project_id=queue.project_id, queue_id=queue.id, kind="http", name="АТС", door=DOOR)
    channel.settings = HttpSettings(callback_url="").model_dump(mode="json")
    db.session.add(channel)
    db.session.flush()
    channel.keep_secrets({"secret": SECRET})


def _promise(brand: Project, other: Project, queues: dict[str, Queue]) -> None:
    """Hours on weekdays with a night shift on Saturdays, a holiday, and targets of different reach."""
    open_hours = [[8 * 60, 20 * 60]]
    weekly = [open_hours] * 5 + [[[22 * 60, 30 * 60]], []]
    brand.calendar_id = _calendar("Причал", weekly, {"2026-10-27": {"name": "День причала", "hours": []}}).id
    other.calendar_id = _calendar("Vesna", [[[9 * 60, 13 * 60], [14 * 60, 21 * 60]]] * 7, {}).id
    hour = 3600
    db.session.add_all(
        [
            Target(first_seconds=8 * hour, next_seconds=8 * hour, solution_seconds=40 * hour),
            Target(queue_id=queues["Поддержка"].id, first_seconds=4 * hour, next_seconds=4 * hour, warn_percent=50),
            Target(queue_id=queues["Магазин"].id, priority=1, first_seconds=hour, real_time=True),
        ]
    )
    db.session.flush()


def _calendar(name: str, week: list[list[list[int]]], days: dict[str, object]) -> Calendar:
    calendar = Calendar(name=name)
    db.session.add(calendar)
    db.session.flush()
    db.session.add(CalendarVersion(calendar_id=calendar.id, version=1, time_zone="Europe/Kyiv", week=week, days=days))
    db.session.flush()
    return calendar


def _mailbox(queue: Queue, address: str, brand: str) -> Mailbox:
    channel = Channel(
        project_id=queue.project_id,
        queue_id=queue.id,
        kind="email",
        name=f"Mail {address}",
        address=address,
        settings={"address": address, "from_name": brand},
    )
    db.session.add(channel)
    db.session.flush()
    return Mailbox(channel.id, address, brand)


def _workers(size: Size, random: Random, queues: dict[str, Queue], supervisor: User) -> list[Worker]:
    groups = {team: Group(name=team) for team in TEAMS}
    db.session.add_all(groups.values())
    db.session.flush()
    for team, group in groups.items():
        db.session.add(QueueRight(group_id=group.id, queue_id=queues[team].id, right=Right.WORK))
        group.users.append(supervisor)
    # people of accounts help out in support: they take the older of two heads, whichever queue it stands in
    db.session.add(QueueRight(group_id=groups["Расчёты"].id, queue_id=queues["Поддержка"].id, right=Right.WORK))
    workers = []
    for number in range(size.operators):
        team = TEAMS[number % 3]
        user = User(email=f"op{number}@prichal.example", name=f"Оператор {number}", role=Role.OPERATOR)
        groups[team].users.append(user)
        db.session.flush()
        workers.append(Worker(user.id, team, _shifts(size, random, number)))
    return workers


def _shifts(size: Size, random: Random, number: int) -> list[tuple[datetime, datetime]]:
    """Five days of seven, one kind of shift a person, hours by the clock on the wall."""
    kinds = ["early", "day", "day", "late", "late", "night"]
    first, last = SHIFTS[kinds[number // 3 % len(kinds)]]
    begins = size.begins.astimezone(ZONE).date()
    free = set(random.sample(range(7), 2))
    return [
        (_wall(begins + timedelta(days=day), first), _wall(begins + timedelta(days=day), last))
        for day in range(size.days)
        if day % 7 not in free
    ]


def _wall(day: date, hour: int) -> datetime:
    return datetime.combine(day + timedelta(days=hour // 24), time(hour % 24), ZONE)
