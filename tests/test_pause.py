"""Pausing what leaves: by hand, and after a restore, where people decide about what waited."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import clock
from helpdesk.db import db
from helpdesk.errors import Conflict
from helpdesk.models import Event, InboundEvent, OutboxItem, Reply, SystemMail, Ticket, write_setting
from queues import after_restore, outbox, pause
from tests.clients import sign_in
from tests.test_intake import Post, ticket_of


@pytest.fixture
def replied(make: Any, cast: Any, session: Any) -> Any:
    """A ticket of ann with a reply that waits."""
    ticket = make.ticket(cast.support, cast.eve, channel=cast.mailbox)
    ticket.claim(cast.ann)
    cast.ticket, cast.message = ticket, ticket.reply(cast.ann, Reply(body="Код выслан"))
    session.commit()
    return cast


def restored(session: Any, **more: Any) -> None:
    """As `helpdesk restore` leaves it: paused, showing this moment."""
    now = clock.now()
    write_setting(pause.KEY, {"since": now.isoformat(), "why": "restored", "backup_at": now.isoformat(), **more})
    session.commit()


def item(session: Any, message: Any) -> OutboxItem:
    return session.scalars(select(OutboxItem).where(OutboxItem.message_id == message.id)).one()


def test_nothing_is_taken_while_paused(session: Any, replied: Any) -> None:
    pause.begin(replied.dora)
    session.commit()
    assert outbox.take(10) == [] and outbox.drain() == 0
    pause.end(replied.dora)
    session.commit()
    assert [one.item_id for one in outbox.take(10)] == [item(session, replied.message).id]


def test_pausing_twice_is_a_conflict_and_both_are_written_down(session: Any, replied: Any) -> None:
    pause.begin(replied.dora)
    with pytest.raises(Conflict):
        pause.begin(replied.dora)
    pause.end(replied.dora)
    session.flush()
    changes = session.scalars(select(Event.payload).where(Event.kind == "admin.changed")).all()
    assert [one["changes"]["paused"] for one in changes if one["what"] == "outbox"] == [[False, True], [True, False]]


def test_what_waited_at_the_backup_is_held_with_honest_words(session: Any, replied: Any) -> None:
    restored(session)
    after_restore.finish()
    held = item(session, replied.message)
    assert (held.state, replied.message.delivery) == ("unknown", "unknown")
    assert "may have sent it since" in replied.message.delivery_note
    assert pause.waiting().held == 1
    assert after_restore.finish() == 0


def test_what_is_written_after_the_restore_leaves_when_sending_goes_on(session: Any, replied: Any) -> None:
    restored(session)
    after_restore.finish()
    later = replied.ticket.reply(replied.ann, Reply(body="После восстановления"))
    session.commit()
    pause.end(replied.dora)
    session.commit()
    assert [one.item_id for one in outbox.take(10)] == [item(session, later).id]


def test_sending_cannot_go_on_before_doubtful_messages_are_set_aside(session: Any, replied: Any) -> None:
    restored(session)
    with pytest.raises(Conflict):
        pause.end(replied.dora)


def test_a_held_message_is_sent_or_left_by_a_person(session: Any, replied: Any) -> None:
    other = replied.ticket.reply(replied.ann, Reply(body="Второе"))
    session.commit()
    restored(session)
    after_restore.finish()
    first, second = item(session, replied.message), item(session, other)
    assert pause.send_held(replied.dora, [first.id]) == 1
    assert pause.leave_held(replied.dora, [second.id]) == 1
    session.commit()
    assert (first.state, second.state, other.delivery) == ("queued", "cancelled", "cancelled")
    assert pause.waiting().held == 0
    after_restore.finish()
    pause.end(replied.dora)
    session.commit()
    assert [one.item_id for one in outbox.take(10)] == [first.id]


def test_system_mails_of_before_are_not_sent(session: Any, replied: Any) -> None:
    mail = SystemMail(to="ann@desk.example", subject="Приглашение", body="https://desk.example/password/x")
    session.add(mail)
    session.commit()
    restored(session)
    after_restore.finish()
    session.refresh(mail)
    assert (mail.state, mail.body) == ("failed", "")


def test_mailboxes_are_read_again_and_nothing_of_before_is_acknowledged(session: Any, cast: Any) -> None:
    cast.mailbox.settings = {"imap_host": "imap.desk.example"}
    session.commit()
    restored(session)
    after_restore.finish()
    session.refresh(cast.mailbox)
    assert cast.mailbox.rescan_since < clock.now() - timedelta(hours=23)
    assert cast.mailbox.reading["connected_at"]


def test_mail_marked_old_is_not_acknowledged(session: Any, cast: Any) -> None:
    event: InboundEvent = Post(session, cast.mailbox).raw(
        b"From: eve@customer.example\r\nSubject: hello\r\n\r\nhello\r\n", envelope={"old": True}
    )
    assert isinstance(ticket_of(session, event), Ticket)
    assert session.scalars(select(OutboxItem)).all() == []


def test_administrators_see_a_bar_and_decide_on_a_page(app: Any, session: Any, replied: Any) -> None:
    restored(session)
    after_restore.finish()
    assert "nothing is sent until you say so" not in sign_in(app, replied.ann).get("/queues").text
    client = sign_in(app, replied.dora)
    assert "nothing is sent until you say so" in client.get("/queues").text
    page = client.get("/admin/sending").text
    assert "Held since the restore" in page and "Код выслан" in page
    held = item(session, replied.message).id
    assert client.post("/admin/sending/decisions", data={"what": "nonsense"}).status_code == 422
    assert client.post("/admin/sending/decisions", data={"what": "leave", "item_id": held}).status_code == 303
    assert client.post("/admin/sending/decisions", data={"what": "leave", "item_id": held}).status_code == 404
    assert client.post("/admin/sending/resumption").status_code == 303
    assert "Messages leave as they are written" in client.get("/admin/sending").text
    assert db.session.scalars(select(OutboxItem.state)).all() == ["cancelled"]
