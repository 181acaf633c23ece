"""Several workers at once: one conversation for a key, one ticket in it, nothing lost."""

import threading
from typing import Any

from sqlalchemy import func, select

from helpdesk.db import db
from helpdesk.models import Conversation, InboundEvent, Message, Ticket
from queues import intake
from tests.http.conftest import System, call, message, open_door

WORKERS = 4


def drain_together(app: Any) -> None:
    """Have several workers understand what waits, each event in a batch of its own, until nothing does."""

    def work() -> None:
        with app.app_context():
            while db.session.scalar(select(func.count()).where(InboundEvent.state == "waiting")):
                db.session.rollback()
                intake.drain()
            db.session.remove()

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    db.session.expire_all()


def test_first_messages_of_a_chat_understood_at_once(app: Any, make_committed: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(intake, "BATCH", 1)
    system = System(app, open_door(make_committed, make_committed.cast().support))
    for number in range(24):
        sent = system.post(message(id=f"m-{number}", conversation=f"chat-{number % 3}", text=f"слово {number}"))
        assert sent.status_code == 202
    drain_together(app)
    assert db.session.scalar(select(func.count()).select_from(Conversation)) == 3
    assert db.session.scalar(select(func.count()).select_from(Ticket)) == 3
    assert sorted(db.session.scalars(select(Message.text))) == sorted(f"слово {n}" for n in range(24))


def test_news_of_a_call_understood_at_once(app: Any, make_committed: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(intake, "BATCH", 1)
    system = System(app, open_door(make_committed, make_committed.cast().support))
    story = [call("ringing"), call("answered", 5, agent="204"), call("ended", 60)]
    for number in range(6):
        for event in story:
            told = {**event, "id": f"{event['id']}-{number}", "call": f"c-{number % 2}"}
            assert system.post(told).status_code == 202
    drain_together(app)
    assert db.session.scalar(select(func.count()).select_from(Ticket)) == 2
    assert db.session.scalar(select(func.count()).where(InboundEvent.state == "quarantined")) == 0


def test_the_same_event_posted_at_once_is_stored_once(app: Any, make_committed: Any) -> None:
    system = System(app, open_door(make_committed, make_committed.cast().support))
    address, found = system.address, list[int]()
    db.session.commit()

    def post() -> None:
        with app.app_context():
            mine = System(app, system.channel)
            found.append(mine.post_raw(body, address=address).status_code)
            db.session.remove()

    body = b'{"type":"message","id":"x","conversation":"c","sender":{"namespace":"email","value":"e@x.y"},"text":"!"}'
    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == [200] * 5 + [202]
    assert db.session.scalar(select(func.count()).select_from(InboundEvent)) == 1
