"""What event streams ask of the database: who may follow which topics, and versions for when Redis is away."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import func, select

from helpdesk.db import db
from helpdesk.models import Event, Membership, Queue, QueueRight, Ticket, TicketPerson, User
from helpdesk.permissions import visible

RECENT_EVENTS = 1000

Topics = frozenset[str]


def allowed(user: User, wanted: Topics) -> Topics:
    """Those of the wanted topics that `user` may follow: visible queues and tickets, and what is their own.

    Supervisors may follow who is here.
    """
    return _allowed([user], {user.id: wanted})[user.id]


def allowed_by_user(wanted: Mapping[int, Topics]) -> dict[int, Topics]:
    """`allowed` for many users by their ids; those who are not active any more may follow nothing.

    The warden of all streams asks this every few seconds: a handful of statements, however many users there are.
    """
    users = list(db.session.scalars(select(User).where(User.id.in_(wanted), User.active)))
    nothing: dict[int, Topics] = dict.fromkeys(wanted, frozenset())
    return nothing | _allowed(users, wanted)


def _allowed(users: Sequence[User], wanted: Mapping[int, Topics]) -> dict[int, Topics]:
    ids = _by_kind(frozenset[str]().union(*(wanted[user.id] for user in users)))
    held = _queues_seen(users, ids["queue"])
    places, called = _tickets_among({*ids["ticket"], *ids["viewers"]})
    found: dict[int, Topics] = {}
    for user in users:
        queues = held[user.id]
        mine = {f"{kind}:{user.id}" for kind in ("user", "presence", "notices", "tasks")}
        mine |= {f"queue:{id_}" for id_ in ids["queue"] if id_ in queues}
        tickets = [
            id_
            for id_, queue_id in places.items()
            if user.is_administrator or queue_id in queues or (id_, user.id) in called
        ]
        mine |= {f"{kind}:{id_}" for id_ in tickets for kind in ("ticket", "viewers")}
        if user.is_supervisor:
            mine |= {topic for topic in wanted[user.id] if topic.startswith("presence:")}
        found[user.id] = frozenset(mine & wanted[user.id]) | _customers(user, wanted[user.id])
    return found


def _queues_seen(users: Sequence[User], asked: Sequence[int]) -> dict[int, set[int]]:
    """The queues that each user sees; of an administrator those among `asked` that exist."""
    query = select(Membership.user_id, QueueRight.queue_id).join(QueueRight, QueueRight.group_id == Membership.group_id)
    seen: dict[int, set[int]] = {user.id: set() for user in users}
    for user_id, queue_id in db.session.execute(query.where(Membership.user_id.in_(seen))):
        seen[user_id].add(queue_id)
    if asked and any(user.is_administrator for user in users):
        existing = set(db.session.scalars(select(Queue.id).where(Queue.id.in_(asked))))
        seen |= {user.id: existing for user in users if user.is_administrator}
    return seen


def _tickets_among(ids: Collection[int]) -> tuple[dict[int, int], set[tuple[int, int]]]:
    """The queue of each of these tickets, and who takes part in which: (ticket, user)."""
    if not ids:
        return {}, set()
    places = select(Ticket.id, Ticket.queue_id).where(Ticket.id.in_(ids))
    people = select(TicketPerson.ticket_id, TicketPerson.user_id).where(TicketPerson.ticket_id.in_(ids))
    return dict(db.session.execute(places).tuples().all()), set(db.session.execute(people).tuples())


def _customers(user: User, wanted: Topics) -> Topics:
    ids = _by_kind(wanted)["customer"]
    if not ids:
        return frozenset()
    theirs = select(Ticket.customer_id).where(Ticket.customer_id.in_(ids), visible(user)).distinct()
    return frozenset(f"customer:{id_}" for id_ in db.session.scalars(theirs))


def stored_versions(topics: Iterable[str]) -> dict[str, int]:
    """Versions from PostgreSQL: a ticket's own, and for all else a figure that changes with every event anywhere.

    The number of the newest event alone would miss one that is committed late, so the newest are counted as well.
    """
    topics = frozenset(topics)
    tickets = _by_kind(topics)["ticket"]
    found = {
        f"ticket:{id_}": version
        for id_, version in db.session.execute(select(Ticket.id, Ticket.version).where(Ticket.id.in_(tickets)))
    }
    newest = db.session.scalar(select(func.max(Event.id))) or 0
    recent = select(func.count()).select_from(Event).where(Event.id > newest - RECENT_EVENTS)
    anywhere = newest * (RECENT_EVENTS + 1) + (db.session.scalar(recent) or 0)
    return {topic: found.get(topic, anywhere) for topic in topics}


def _by_kind(topics: Topics) -> dict[str, list[int]]:
    """Ids of topics like `queue:3` by kind; whatever does not look like that is left out."""
    ids: dict[str, list[int]] = {"queue": [], "ticket": [], "viewers": [], "user": [], "customer": []}
    for topic in topics:
        kind, _, number = topic.partition(":")
        if kind in ids and number.isdecimal() and len(number) < 19:
            ids[kind].append(int(number))
    return ids
