"""One person under two names: merging customers, and parting them again.

A merge moves addresses, conversations and tickets to the customer who stays, and writes down which. The other one
remains as a pointer. What was filled in about them in fields of one's own comes along where the other had nothing;
what was different is written into the note. Undoing moves the same rows back, wherever they still are, and with them
the conversations that began meanwhile from one of the addresses. Messages are never touched: each keeps the customer
who wrote it.
"""

from collections.abc import Collection
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ForeignKey, Index, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from helpdesk import clock, live
from helpdesk.db import Id, Model, Moment, Now, db
from helpdesk.errors import Conflict, Refused
from helpdesk.models.conversation import Conversation, Participant
from helpdesk.models.customer import Customer, Identity
from helpdesk.models.definitions import definitions
from helpdesk.models.event import Event, FieldChanged, record_change
from helpdesk.models.field_values import plain_value, show_value
from helpdesk.models.inbound import Tally
from helpdesk.models.ticket import Ticket
from helpdesk.models.ticket.core import actor_columns
from helpdesk.models.user import User

MOST_LIVE = 200
MOST_DUPLICATES = 10


class CustomerMerge(Model):
    """One merge: who became whom, what moved (lists of ids), and whether it was undone."""

    __tablename__ = "customer_merges"
    __table_args__ = (
        Index("ix_customer_merges_target_id", "target_id", "id"),
        Index("ix_customer_merges_source_id", "source_id", "id"),
    )

    id: Mapped[Id]
    source_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    target_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    at: Mapped[Now]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    moved: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    undone_at: Mapped[Moment | None]
    undone_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    source: Mapped[Customer] = relationship(foreign_keys=[source_id])
    target: Mapped[Customer] = relationship(foreign_keys=[target_id])


def merge_into(source: Customer, target: Customer, by: User) -> CustomerMerge:
    """Let `source` become `target`, in the present transaction. Raises Refused when that makes no sense."""
    _lock(source, target)
    if source.id == target.id:
        raise Refused(_("These two are the same customer already."))
    if source.merged_into_id is not None or target.merged_into_id is not None:
        raise Conflict(_("One of the two was merged meanwhile. Look at them again."))
    merge = CustomerMerge(source_id=source.id, target_id=target.id, by_id=by.id, moved={})
    moved: dict[str, Any] = {
        "identities": _ids(Identity, source),
        "conversations": _ids(Conversation, source),
        "note_before": target.note,
        "note_after": _joined_note(target, source),
        "organisation_before": target.organisation_id,
        "fields": {key: value for key, value in source.fields.items() if key not in target.fields},
    }
    moved["tickets"] = _hand_over(moved["identities"], moved["conversations"], source, target, by)
    target.note = moved["note_after"]
    target.organisation_id = target.organisation_id or source.organisation_id
    _fill_in(target, moved["fields"], by)
    source.merged_into_id = target.id
    merge.moved = moved
    db.session.add(merge)
    _finish(source, target, by, {"merged_into": target.name})
    return merge


def undo_merge(merge: CustomerMerge, by: User) -> Customer:
    """Part two customers again, in the present transaction; returns the one who comes back.

    Raises Conflict when it was undone already or the one who stayed has itself been merged since.
    """
    source, target = merge.source, merge.target
    _lock(source, target)
    db.session.refresh(merge)
    if merge.undone_at is not None:
        raise Conflict(_("This merge has been undone already."))
    if target.merged_into_id is not None:
        raise Conflict(_("Undo the later merge of %(name)s first.", name=target.name))
    identities = _still(Identity, merge.moved["identities"], target)
    conversations = {
        *_still(Conversation, merge.moved["conversations"], target),
        *_begun_meanwhile(merge, identities, target),
    }
    _check_apart(conversations)
    _hand_over(identities, sorted(conversations), target, source, by)
    if target.note == merge.moved["note_after"]:
        target.note = merge.moved["note_before"]
    if merge.moved["organisation_before"] is None and target.organisation_id == source.organisation_id:
        target.organisation_id = None
    _take_out(target, merge.moved.get("fields", {}), by)
    source.merged_into_id = None
    merge.undone_at, merge.undone_by_id = clock.now(), by.id
    _finish(source, target, by, {"parted_from": target.name})
    return source


def open_merges(customer: Customer) -> list[CustomerMerge]:
    """The merges into this customer that can be undone, latest first, fifty at most."""
    query = (
        select(CustomerMerge)
        .where(CustomerMerge.target_id == customer.id, CustomerMerge.undone_at.is_(None))
        .order_by(CustomerMerge.id.desc())
        .limit(50)
    )
    return list(db.session.scalars(query))


def likely_duplicates(customer: Customer) -> list[Customer]:
    """Up to ten customers who may be the same person: the same name at the same organisation or mail domain, or the
    same name where one of the two has only a phone. Nothing is concluded from it; a person decides.
    """
    if not customer.name_key or "@" in customer.name_key:
        return []
    other_domains = select(func.split_part(Identity.value, "@", 2)).where(
        Identity.customer_id == Customer.id, Identity.namespace == "email"
    )
    domains = [i.value.rpartition("@")[2] for i in customer.identities if i.namespace == "email"]
    reasons = [~other_domains.exists()]
    if customer.organisation_id is not None:
        reasons.append(Customer.organisation_id == customer.organisation_id)
    if domains:
        reasons.append(
            select(Identity.id)
            .where(
                Identity.customer_id == Customer.id,
                Identity.namespace == "email",
                func.split_part(Identity.value, "@", 2).in_(domains),
            )
            .exists()
        )
    same_name = (
        select(Customer.id)
        .where(Customer.name_key == customer.name_key, Customer.id != customer.id, Customer.merged_into_id.is_(None))
        .order_by(Customer.id)
        .limit(500)
    )
    any_other = or_(*reasons) if domains else Customer.id.is_not(None)
    query = select(Customer).where(Customer.id.in_(same_name), any_other).order_by(Customer.id).limit(MOST_DUPLICATES)
    return list(db.session.scalars(query))


def _lock(*customers: Customer) -> None:
    """Lock the rows in the order of their ids, so that two merges never wait for each other in a circle."""
    ids = sorted({customer.id for customer in customers})
    db.session.flush()
    query = select(Customer).where(Customer.id.in_(ids)).order_by(Customer.id).with_for_update()
    db.session.execute(query.execution_options(populate_existing=True)).all()


def _ids(model: type[Identity] | type[Conversation], customer: Customer) -> list[int]:
    return list(db.session.scalars(select(model.id).where(model.customer_id == customer.id).order_by(model.id)))


def _still(model: type[Identity] | type[Conversation], ids: list[int], target: Customer) -> list[int]:
    """Those of the moved rows that are still where the merge put them."""
    return list(db.session.scalars(select(model.id).where(model.id.in_(ids), model.customer_id == target.id)))


def _begun_meanwhile(merge: CustomerMerge, identities: list[int], target: Customer) -> list[int]:
    """Conversations that began since the merge from one of the addresses that go back."""
    values = select(Identity.value).where(Identity.id.in_(identities))
    query = (
        select(Conversation.id)
        .join(Participant, Participant.conversation_id == Conversation.id)
        .where(
            Conversation.customer_id == target.id,
            Conversation.created_at >= merge.at,
            Participant.role == "from",
            func.lower(Participant.address).in_(values),
        )
    )
    return list(db.session.scalars(query))


def _check_apart(conversations: Collection[int]) -> None:
    """Raises Conflict where a ticket that goes is merged with one that stays: answers would reach both customers."""
    merged, shown = aliased(Ticket), aliased(Ticket)
    pairs = select(merged.number).join(shown, shown.id == merged.shown_on_id)
    goes, stays = merged.conversation_id.in_(conversations), shown.conversation_id.not_in(conversations)
    number = db.session.scalar(pairs.where(goes, stays).limit(1))
    if number is None:
        stays, goes = merged.conversation_id.not_in(conversations), shown.conversation_id.in_(conversations)
        number = db.session.scalar(pairs.where(goes, stays).limit(1))
    if number is not None:
        raise Conflict(
            _("Ticket %(number)s is merged with one of the other customer. Undo that merge first.", number=number)
        )


def _hand_over(
    identities: list[int], conversations: list[int], before: Customer, after: Customer, by: User
) -> list[int]:
    """Give addresses, conversations and the tickets of the latter to another customer; returns the tickets' ids.

    Set by set, because a customer may have thousands of tickets; each ticket's history says so all the same.
    """
    together = {"synchronize_session": False}
    db.session.execute(
        update(Identity).where(Identity.id.in_(identities)).values(customer_id=after.id), execution_options=together
    )
    db.session.execute(
        update(Conversation).where(Conversation.id.in_(conversations)).values(customer_id=after.id),
        execution_options=together,
    )
    moved = db.session.execute(
        update(Ticket)
        .where(Ticket.conversation_id.in_(conversations), Ticket.customer_id == before.id)
        .values(customer_id=after.id, version=Ticket.version + 1)
        .returning(Ticket.id, Ticket.queue_id, Ticket.project_id),
        execution_options=together,
    ).all()
    if moved:
        fact = FieldChanged("customer", before.name, after.name)
        common = {"kind": fact.kind, "version": fact.version, "payload": fact.payload(), **actor_columns(by)}
        rows = [{"ticket_id": t, "queue_id": q, "project_id": p, **common} for t, q, p in moved]
        db.session.execute(insert(Event), rows)
    for customer, delta in ((before, -len(moved)), (after, len(moved))):
        Tally.add(f"customer:{customer.id}", "tickets", delta)
    live.touch(*(f"ticket:{ticket.id}" for ticket in moved[-MOST_LIVE:]), *(f"queue:{t.queue_id}" for t in moved))
    return [ticket.id for ticket in moved]


def _fill_in(target: Customer, values: dict[str, Any], by: User) -> None:
    """Give the one who stays values that they did not have."""
    if values:
        target.fields = target.fields | values
        _record_fields(target, {key: (None, value) for key, value in values.items()}, by)


def _take_out(target: Customer, values: dict[str, Any], by: User) -> None:
    """Take values away again that a merge gave, where they still are as it gave them."""
    going = {key: value for key, value in values.items() if target.fields.get(key) == value}
    if going:
        target.fields = {key: value for key, value in target.fields.items() if key not in going}
        _record_fields(target, {key: (value, None) for key, value in going.items()}, by)


def _record_fields(target: Customer, changes: dict[str, tuple[Any, Any]], by: User) -> None:
    known = definitions().fields
    told = {
        field.label: [plain_value(field, value) for value in pair]
        for key, pair in changes.items()
        if (field := known.get(int(key))) is not None
    }
    record_change(by.id, "customer", target.id, target.name, told)


def _joined_note(target: Customer, source: Customer) -> str:
    """Both notes, and below them the values of `source` for which `target` has others."""
    known = definitions().fields
    different = [
        f"{field.label}: {show_value(field, value)}"
        for key, value in source.fields.items()
        if target.fields.get(key, value) != value and (field := known.get(int(key))) is not None
    ]
    lines = [_("%(name)s had other values:", name=source.name), *different] if different else []
    return "\n\n".join(part for part in (target.note, source.note, "\n".join(lines)) if part)


def _finish(source: Customer, target: Customer, by: User, changes: dict[str, Any]) -> None:
    source.version += 1
    target.version += 1
    record_change(by.id, "customer", source.id, source.name, changes)
    db.session.flush()
    db.session.expire_all()
    source.reindex()
    target.reindex()
