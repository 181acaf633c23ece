"""Senders who are kept out of people's sight: their new mail to a project is filed as spam, nothing of it is lost."""

from flask_babel import gettext as _
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import joinedload

from helpdesk.addresses import normalise_email, parent_domains
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import BlockedSender, Message, MessageKind, Tally, Ticket, User
from helpdesk.models.channel import is_own_address, own_addresses
from helpdesk.models.event import record_change
from helpdesk.models.organisation import PUBLIC_DOMAINS
from helpdesk.rules import address_pattern

PAGE = 100


def block(by: User, project_id: int, typed: str) -> BlockedSender:
    """Block an address, or with `@domain` all of a domain. What is blocked already stays as it is.

    Raises Refused for what is neither, for an address of ours, and for a domain that everybody may have an address at.
    """
    value = _checked(typed)
    made = db.session.scalar(
        insert(BlockedSender)
        .values(project_id=project_id, value=value, by_id=by.id)
        .on_conflict_do_nothing()
        .returning(BlockedSender)
    )
    if made is not None:
        record_change(by.id, "blocked sender", made.id, value, {"blocked": True})
        return made
    same = (BlockedSender.project_id == project_id, BlockedSender.value == value)
    return db.session.scalars(select(BlockedSender).where(*same)).one()


def unblock(by: User, row: BlockedSender) -> None:
    """Hear the sender again, from the next mail on."""
    record_change(by.id, "blocked sender", row.id, row.value, {"blocked": False})
    db.session.delete(row)


def blocks_of(project_id: int, address: str) -> list[BlockedSender]:
    """The rows by which an address is blocked in a project: itself, its domain, a domain above."""
    query = select(BlockedSender).where(BlockedSender.project_id == project_id, BlockedSender.value.in_(forms(address)))
    return list(db.session.scalars(query))


def forms(address: str) -> list[str]:
    """What an address may be blocked as, the nearest first: itself, then its domain and those above as `@domain`."""
    address = normalise_email(address)
    domain = address.rpartition("@")[2]
    return [address, *(f"@{each}" for each in parent_domains(domain))] if domain else []


def sender_of(ticket: Ticket) -> str:
    """The address that the ticket's latest message of its customer came from; "" where there is none."""
    query = select(Message.sender).where(
        Message.ticket_id.in_(ticket.family), Message.kind == MessageKind.INBOUND, Message.sender != ""
    )
    return db.session.scalar(query.order_by(Message.id.desc()).limit(1)) or ""


def blockable(address: str) -> list[str]:
    """How the sender of a mail may be blocked: the address, and the domain where not everybody may have one at it."""
    found = []
    for value in (address, f"@{address.rpartition('@')[2]}"):
        try:
            found.append(_checked(value))
        except Refused:
            continue
    return found


def page(before: int | None) -> Select[tuple[BlockedSender, int]]:
    """Blocked senders with how often each was met, the newest first; PAGE + 1 of them."""
    met = select(func.coalesce(func.sum(Tally.delta), 0)).where(
        Tally.scope == func.concat("blocked:", BlockedSender.id), Tally.name == "met"
    )
    query = select(BlockedSender, met.scalar_subquery())
    query = query.options(joinedload(BlockedSender.by), joinedload(BlockedSender.project))
    if before is not None:
        query = query.where(BlockedSender.id < before)
    return query.order_by(BlockedSender.id.desc()).limit(PAGE + 1)


def _checked(typed: str) -> str:
    try:
        value = address_pattern(typed)
    except ValueError as error:
        raise Refused(_("Give an address, such as win@spam.example, or a domain, such as @spam.example.")) from error
    if "*" in value:
        raise Refused(_("Here a * stands for itself. Write a rule to block by a pattern."))
    domain = value.rpartition("@")[2]
    if value.startswith("@") and domain in PUBLIC_DOMAINS:
        raise Refused(_("Everybody may have an address at %(domain)s. Block the one address.", domain=domain))
    ours = {own.rpartition("@")[2] for own in own_addresses()}
    if is_own_address(value) or (value.startswith("@") and domain in ours):
        raise Refused(_("That is an address of ours."))
    return value
