"""Who a customer is: found by any address, never made twice, merged and parted again."""

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk import addresses
from helpdesk.db import db
from helpdesk.errors import Conflict, Refused
from helpdesk.models import Customer, Event, Identity, InboundEvent, Organisation, OrganisationDomain, Ticket
from helpdesk.models.customer_merge import likely_duplicates, merge_into, open_merges, undo_merge
from helpdesk.queries.counters import count_of
from queues import intake
from queues.channels.base import Inbound


@pytest.mark.parametrize(
    ("namespace", "typed", "stored"),
    [
        ("email", " Eve.Smith@Customer.EXAMPLE ", "eve.smith@customer.example"),
        ("email", "<eve@customer.example>", "eve@customer.example"),
        ("email", "ева@Пошта.УКР", "ева@xn--80a1acn3a.xn--j1amh"),
        ("email", "first.last+tag@gmail.com", "first.last+tag@gmail.com"),
        ("email", "no-address", "no-address"),
        ("email", "a@-bad-.example", "a@-bad-.example"),
        ("phone", "(067) 123-45-67", "+380671234567"),
        ("phone", "+38 067 123 45 67", "+380671234567"),
        ("phone", "00380671234567", "+380671234567"),
        ("phone", "+7 (912) 345-67-89", "+79123456789"),
        ("phone", "044/123-45-67", "+380441234567"),
        ("phone", "anonymous", "anonymous"),
        ("telegram:1", " 42 ", "42"),
    ],
)
def test_one_way_to_write_an_address(namespace: str, typed: str, stored: str) -> None:
    assert addresses.normalise(namespace, typed) == stored
    assert addresses.normalise(namespace, stored) == stored


def test_an_address_finds_its_customer_however_it_is_written(session: Any) -> None:
    eve = Customer.for_identity("email", "Eve@Customer.Example", "Ева Иванова")
    assert Customer.for_identity("email", "eve@customer.example", "Somebody Else") is eve
    assert eve.name == "Ева Иванова"
    assert [identity.value for identity in eve.identities] == ["eve@customer.example"]


def test_a_name_is_learned_only_where_there_was_none(session: Any) -> None:
    eve = Customer.for_identity("email", "eve@customer.example")
    assert eve.name == "eve@customer.example"
    Customer.for_identity("email", "eve@customer.example", "EVE@customer.example")
    assert eve.name == "eve@customer.example"
    Customer.for_identity("email", "eve@customer.example", "  «Ева»\u202e \x07 Иванова ")
    assert eve.name == "«Ева» Иванова"
    Customer.for_identity("email", "eve@customer.example", "Mallory")
    assert eve.name == "«Ева» Иванова"


def test_many_writers_make_one_customer(committed: Any, app: Any) -> None:
    start, found = threading.Barrier(8), []

    def write() -> None:
        with app.app_context():
            start.wait()
            found.append(Customer.for_identity("email", "race@customer.example", "Ева").id)
            db.session.commit()
            db.session.remove()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert committed.scalar(sa.select(sa.func.count()).select_from(Customer)) == 1


def test_the_domain_says_the_organisation(cast: Any, session: Any) -> None:
    early = Customer.for_identity("email", "early@acme.example")
    acme = Organisation.found(cast.ann, "ACME", ["acme.example", "*.Пошта.укр"])
    session.expire_all()
    assert early.organisation is acme
    assert Customer.for_identity("email", "late@sales.acme.example").organisation is acme
    assert Customer.for_identity("email", "ева@пошта.укр").organisation is acme
    assert Customer.for_identity("email", "x@other.example").organisation is None
    assert Customer.for_identity("email", "x@notacme.example").organisation is None


def test_domains_of_everybody_and_of_others_are_refused(cast: Any) -> None:
    Organisation.found(cast.ann, "ACME", ["acme.example"])
    other = Organisation.found(cast.ann, "Other")
    for wrong in ("gmail.com", "localhost", "a b.example ", "x" * 70 + ".example"):
        with pytest.raises(Refused):
            other.serve(cast.ann, [wrong])
    with pytest.raises(Conflict, match=r"acme\.example"):
        other.serve(cast.ann, ["acme.example"])
    with pytest.raises(Conflict):
        Organisation.found(cast.ann, "ACME")
    with pytest.raises(Refused):
        other.edit(cast.ann, "  ", "")


def test_an_organisation_can_lose_a_domain(cast: Any, session: Any) -> None:
    acme = Organisation.found(cast.ann, "ACME", ["acme.example", "acme.test"])
    acme.serve(cast.ann, ["acme.test"])
    assert [row.domain for row in session.scalars(sa.select(OrganisationDomain))] == ["acme.test"]


def test_a_shared_address_decides_nothing(cast: Any, session: Any) -> None:
    switchboard = Customer.for_identity("phone", "+380441234567")
    switchboard.share_identity(cast.ann, switchboard.identities[0], True)
    assert Customer.for_identity("phone", "044 123 45 67", "Иван Петров") is switchboard
    assert switchboard.name == "+380441234567"


def test_addresses_are_added_and_removed(cast: Any, session: Any) -> None:
    eve = Customer.for_identity("email", "eve@customer.example", "Ева")
    phone = eve.add_identity(cast.ann, "phone", "067 123 45 67")
    assert phone.value == "+380671234567"
    assert phone.shown == "+380 67 123 4567"
    assert Customer.for_identity("phone", "+380671234567") is eve
    eve.remove_identity(cast.ann, phone)
    assert [identity.value for identity in eve.identities] == ["eve@customer.example"]
    with pytest.raises(Refused, match="only address"):
        eve.remove_identity(cast.ann, eve.identities[0])
    for namespace, wrong in [("email", "x"), ("email", "a b@c.example"), ("phone", "12"), ("telegram:1", "42")]:
        with pytest.raises(Refused):
            eve.add_identity(cast.ann, namespace, wrong)


def test_an_address_of_somebody_else_is_named(cast: Any, session: Any) -> None:
    eve = Customer.for_identity("email", "eve@customer.example", "Ева")
    other = Customer.for_identity("email", "other@customer.example", "Олена")
    with pytest.raises(Conflict, match="Ева") as refusal:
        other.add_identity(cast.ann, "email", "EVE@customer.example")
    assert refusal.value.details == {"customer": eve.id}
    with pytest.raises(Conflict, match="already"):
        eve.add_identity(cast.ann, "email", "EVE@customer.example")


def test_editing_is_guarded_and_recorded(cast: Any, session: Any) -> None:
    eve = Customer.for_identity("email", "eve@customer.example", "Ева")
    version = eve.version
    eve.edit(cast.ann, "Ева Иванова", "Просит звонить утром", None, version)
    with pytest.raises(Conflict):
        eve.edit(cast.bob, "Иванова", "", None, version)
    eve.block(cast.ann, True)
    facts = session.scalars(sa.select(Event.payload).where(Event.kind == "admin.changed").order_by(Event.id)).all()
    assert [fact["changes"] for fact in facts] == [{"name": ["Ева", "Ева Иванова"], "note": True}, {"blocked": True}]


# --- merging


def owned(ticket: Ticket) -> str:
    db.session.refresh(ticket)
    return ticket.customer.name


def tickets_of(customer: Customer) -> int:
    db.session.flush()
    return count_of(f"customer:{customer.id}", "tickets")


def test_merge_moves_and_undo_moves_back(cast: Any, make: Any, session: Any) -> None:
    eve = make.customer("Ева", "eve@customer.example", note="любит чай")
    other = make.customer("Е. Иванова", "e.ivanova@customer.example", note="звонить утром")
    hers, others = make.ticket(cast.support, eve), make.ticket(cast.support, other)
    message = session.scalar(sa.text("SELECT customer_id FROM messages WHERE ticket_id = :id"), {"id": others.id})

    merge = merge_into(other, eve, cast.ann)
    assert (owned(hers), owned(others)) == ("Ева", "Ева")
    assert (tickets_of(eve), tickets_of(other)) == (2, 0)
    assert eve.note == "любит чай\n\nзвонить утром"
    assert Customer.for_identity("email", "e.ivanova@customer.example") is eve
    assert other.as_merged() is eve
    assert message == other.id
    assert open_merges(eve) == [merge]
    kinds = [event.payload for event in session.scalars(sa.select(Event).where(Event.ticket_id == others.id))]
    assert {"field": "customer", "before": "Е. Иванова", "after": "Ева"} in kinds

    # While merged, a new conversation begins from the moved address, and one from her own.
    later = make.ticket(cast.support, eve)
    conversation = later.conversation
    conversation.participants[0].address = "E.Ivanova@customer.example"
    own = make.ticket(cast.support, eve)
    session.flush()

    assert undo_merge(merge, cast.bob) is other
    assert [owned(ticket) for ticket in (hers, others, later, own)] == ["Ева", "Е. Иванова", "Е. Иванова", "Ева"]
    assert (tickets_of(eve), tickets_of(other)) == (2, 2)
    assert eve.note == "любит чай"
    assert [i.value for i in eve.identities] == ["eve@customer.example"]
    assert [i.value for i in other.identities] == ["e.ivanova@customer.example"]
    assert Customer.for_identity("email", "e.ivanova@customer.example") is other
    assert open_merges(eve) == []
    with pytest.raises(Conflict, match="undone already"):
        undo_merge(merge, cast.bob)


def test_a_merge_carries_own_fields_and_notes_what_was_different(cast: Any, make: Any, session: Any) -> None:
    contract, city = make.field("text", "Договор", about="customer"), make.field("text", "Город", about="customer")
    plan = make.field("choice", "Тариф", about="customer", options=["Малый", "Большой"])
    vip = make.field("checkbox", "Важный", about="customer")
    session.commit()
    eve, other = make.customer("Ева", note="любит чай"), make.customer("Е. Иванова")
    eve.set_fields(cast.ann, {str(contract.id): "А-1", str(plan.id): 1, str(vip.id): True})
    own = {str(contract.id): "Б-2", str(city.id): "Львов", str(plan.id): 2, str(vip.id): True}
    other.set_fields(cast.ann, own)
    session.flush()
    before = dict(eve.fields)

    merge = merge_into(other, eve, cast.ann)
    assert eve.fields == before | {str(city.id): "Львов"}
    assert other.fields == own
    assert eve.note == "любит чай\n\nЕ. Иванова had other values:\nДоговор: Б-2\nТариф: Большой"
    told = session.scalars(sa.select(Event.payload).where(Event.kind == "admin.changed")).all()
    assert (eve.id, {"Город": [None, "Львов"]}) in [(one["ref_id"], one["changes"]) for one in told]

    undo_merge(merge, cast.ann)
    assert (eve.fields, eve.note, other.fields) == (before, "любит чай", own)

    again = merge_into(other, eve, cast.ann)
    eve.set_fields(cast.ann, {str(city.id): "Одесса"})
    undo_merge(again, cast.ann)
    assert eve.fields == before | {str(city.id): "Одесса"}  # what somebody wrote since is theirs


@pytest.mark.parametrize("goes_into", ["stays", "goes"])
def test_parting_waits_while_tickets_of_both_are_merged(cast: Any, make: Any, session: Any, goes_into: str) -> None:
    eve, other = make.customer("Ева", "eve@customer.example"), make.customer("Ольга", "olga@customer.example")
    hers, others = make.ticket(cast.support, eve), make.ticket(cast.support, other)
    merge = merge_into(other, eve, cast.ann)
    first, second = (others, hers) if goes_into == "stays" else (hers, others)
    first.merge_into(cast.ann, second)
    session.flush()
    with pytest.raises(Conflict, match=first.number):
        undo_merge(merge, cast.ann)
    first.unmerge(cast.ann)
    session.flush()
    assert undo_merge(merge, cast.ann) is other


def test_merges_are_undone_from_the_last(cast: Any, make: Any) -> None:
    a, b, c = make.customer("А"), make.customer("Б"), make.customer("В")
    first = merge_into(a, b, cast.ann)
    second = merge_into(b, c, cast.ann)
    assert a.as_merged() is c
    with pytest.raises(Conflict, match="Undo the later merge of Б first"):
        undo_merge(first, cast.ann)
    undo_merge(second, cast.ann)
    undo_merge(first, cast.ann)
    assert [len(customer.identities) for customer in (a, b, c)] == [1, 1, 1]
    assert a.as_merged() is a


def test_senseless_merges_are_refused(cast: Any, make: Any) -> None:
    a, b, c = make.customer("А"), make.customer("Б"), make.customer("В")
    with pytest.raises(Refused):
        merge_into(a, a, cast.ann)
    merge_into(a, b, cast.ann)
    with pytest.raises(Conflict):
        merge_into(a, c, cast.ann)
    with pytest.raises(Conflict):
        merge_into(c, a, cast.ann)


def test_likely_duplicates_are_suggested(cast: Any, make: Any, session: Any) -> None:
    eve = make.customer("Ева Иванова", "eve@acme.example")
    turned = make.customer("Иванова Ёва".replace("Ё", "Е"), "e.ivanova@acme.example")
    make.customer("Ева Иванова", "eve@elsewhere.example")
    make.customer("Ева Петрова", "petrova@acme.example")
    by_phone = make.customer("Ева Иванова")
    session.execute(
        sa.update(Identity).where(Identity.customer_id == by_phone.id).values(namespace="phone", value="+380671234567")
    )
    session.expire_all()
    assert likely_duplicates(eve) == [turned, by_phone]
    assert len(likely_duplicates(by_phone)) == 4
    merge_into(turned, eve, cast.ann)
    assert likely_duplicates(eve) == [by_phone]


def test_what_a_blocked_customer_sends_is_left_out_by_name(cast: Any, session: Any) -> None:
    mail = b"From: Eve <eve@spam.example>\r\nTo: %s\r\nSubject: x\r\n\r\nx" % cast.mailbox.address.encode()
    eve = Customer.for_identity("email", "eve@spam.example", "Eve")

    def send(key: str) -> tuple[str, str | None]:
        intake.accept(cast.mailbox.id, Inbound(key, mail))
        intake.drain()
        session.expire_all()
        event = session.scalars(sa.select(InboundEvent).order_by(InboundEvent.id.desc())).first()
        return event.state, event.reason

    eve.block(cast.sue, True)
    session.commit()
    assert send("first") == ("dropped", "blocked customer")
    eve.block(cast.sue, False)
    session.commit()
    assert send("second") == ("ticketed", None)
