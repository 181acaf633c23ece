"""A door in Support, and another system that signs what it posts there."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select

from helpdesk import signatures
from helpdesk.db import db
from helpdesk.models import Channel, Message, Ticket
from queues import intake
from queues.channels.http.settings import HttpSettings

SECRET = "hds_test"
EVE = {"namespace": "crm:shop", "value": "4711", "name": "Ева Иванова"}


def message(**fields: Any) -> dict[str, Any]:
    """A message of Eve in her chat."""
    said = {"type": "message", "id": "m-1", "conversation": "chat-1", "sender": EVE, "text": "Где мой заказ?"}
    return {name: value for name, value in (said | fields).items() if value is not None}


def call(phase: str, second: int = 0, **fields: Any) -> dict[str, Any]:
    """News of the call c-1, so many seconds after it began."""
    minutes, seconds = divmod(second, 60)
    told = {
        "type": "call",
        "id": f"c-1-{phase}-{second}",
        "call": "c-1",
        "phase": phase,
        "at": f"2030-01-01T09:{minutes:02}:{seconds:02}Z",
        "from": "+380441234567",
        "to": "200",
    }
    return {name: value for name, value in (told | fields).items() if value is not None}


@dataclass
class System:
    """The other system. `post` signs and posts a JSON event, `post_raw` whatever it is given."""

    app: Any
    channel: Channel
    secret: str = SECRET
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"/hooks/{self.channel.door}"

    def post(self, event: Any, **changes: Any) -> Any:
        return self.post_raw(json.dumps(event, ensure_ascii=False).encode(), **changes)

    def post_raw(self, body: bytes, address: str = "", at: int | None = None, **changes: str | None) -> Any:
        """`changes` are headers, with underscores; None leaves one out."""
        moment = int(time.time()) if at is None else at
        headers = {
            "Content-Type": "application/json",
            "Helpdesk-Timestamp": str(moment),
            "Helpdesk-Signature": signatures.sign(self.secret.encode(), body, moment),
        }
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}  # type: ignore[misc]
        sent = {name: value for name, value in headers.items() if value is not None}
        db.session.commit()
        with self.app.app_context():
            answer = self.app.test_client().post(address or self.address, data=body, headers=sent)
        db.session.expire_all()
        return answer


def open_door(make: Any, queue: Any, **settings: Any) -> Channel:
    """A channel of the kind http with a secret."""
    known = HttpSettings(**{"callback_url": "https://shop.example/hook", **settings})
    channel = make.channel(
        queue, "http", name="Shop", address="", door="door-of-the-shop", settings=known.model_dump(mode="json")
    )
    channel.keep_secrets({"secret": SECRET})
    make.session.flush()
    return channel


@pytest.fixture
def system(app: Any, session: Any, make: Any, cast: Any) -> System:
    return System(app, open_door(make, cast.support))


@pytest.fixture
def hear(system: System) -> Callable[..., Ticket]:
    """Post an event, have it understood, and give the newest ticket."""

    def act(event: dict[str, Any]) -> Ticket:
        answer = system.post(event)
        assert answer.status_code == 202, answer.json
        intake.drain()
        db.session.expire_all()
        return db.session.scalars(select(Ticket).order_by(Ticket.id.desc())).first()

    return act


def lines(ticket: Ticket, kind: str = "") -> list[str]:
    """What was said on a ticket, in order."""
    query = select(Message).where(Message.ticket_id == ticket.id).order_by(Message.seq)
    return [one.text for one in db.session.scalars(query) if not kind or one.kind == kind]
