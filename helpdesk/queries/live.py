"""What event streams ask of the database: who may follow which topics, and versions for when Redis is away."""

from collections.abc import Iterable

from sqlalchemy import func, select

from helpdesk.db import db
from helpdesk.models import Event, Queue, Ticket, User
from helpdesk.permissions import queue_ids, visible

RECENT_EVENTS = 1000

Topics = frozenset[str]


def allowed(user: User, wanted: Topics) -> Topics:
    """Those of the wanted topics that `user` may follow: visible queues and tickets, and what is their own.

    Supervisors may follow who is here.
    """
    ids = _by_kind(wanted)
    found = {f"{kind}:{user.id}" for kind in ("user", "presence", "notices", "tasks")} & wanted
    if user.is_supervisor:
        found |= {topic for topic in wanted if topic.startswith("presence:")}
    if ids["queue"]:
        seen = select(Queue.id).where(Queue.id.in_(ids["queue"]), Queue.id.in_(queue_ids(user)))
        found |= {f"queue:{id_}" for id_ in db.session.scalars(seen)}
    tickets = [*ids["ticket"], *ids["viewers"]]
    if tickets:
        rows = db.session.scalars(select(Ticket.id).where(Ticket.id.in_(tickets), visible(user)))
        found |= {f"{kind}:{id_}" for id_ in rows for kind in ("ticket", "viewers")} & wanted
    if ids["customer"]:
        theirs = select(Ticket.customer_id).where(Ticket.customer_id.in_(ids["customer"]), visible(user)).distinct()
        found |= {f"customer:{id_}" for id_ in db.session.scalars(theirs)}
    return frozenset(found)


def allowed_by_user(wanted: dict[int, Topics]) -> dict[int, Topics]:
    """`allowed` for many users by their ids; those who are not active any more may follow nothing."""
    users = db.session.scalars(select(User).where(User.id.in_(wanted), User.active))
    return dict.fromkeys(wanted, frozenset[str]()) | {user.id: allowed(user, wanted[user.id]) for user in users}


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
