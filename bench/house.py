"""A full house for `bench.crowd`: operators, five queues with signed doors, an open ticket for each operator."""

import json
from typing import Any

from bench.stage import Stage

QUEUES = 5


class House:
    """People, queues, doors and conversations of the crowd, on a stage."""

    def __init__(self, stage: Stage, operators: int) -> None:
        self.stage, self.count = stage, operators
        self.people: list[int] = []
        self.queues: list[int] = []
        self.doors: list[dict[str, Any]] = []

    def furnish(self) -> None:
        """Operators in one group that works in all queues, each queue with a door of its own."""
        from helpdesk.db import transaction
        from helpdesk.models import Channel, Group, Queue, QueueRight, User
        from queues.channels.http.settings import HttpSettings

        with self.stage.app.app_context(), transaction() as session:
            people = [User(name=f"Оператор {n}", email=f"crowd{n}@desk.example") for n in range(self.count)]
            project_id = self.stage.ids["project"]
            queues = [Queue(project_id=project_id, name=f"Линия {n}", acknowledge=False) for n in range(QUEUES)]
            groups = [Group(name=f"Смена {n}", users=people[n::QUEUES]) for n in range(QUEUES)]
            session.add_all([*people, *groups, *queues])
            session.flush()
            for n, queue in enumerate(queues):
                session.add(QueueRight(group_id=groups[n].id, queue_id=queue.id, right="work"))
                settings = HttpSettings(requests_per_minute=100_000).model_dump(mode="json")
                channel = Channel(
                    project_id=project_id, queue_id=queue.id, kind="http", name=f"Дверь {n}", door=f"crowd-door-{n}",
                    settings=settings,
                )  # fmt: skip
                session.add(channel)
                session.flush()
                channel.keep_secrets({"secret": f"hds_crowd_{n}"})
                self.doors.append({"door": f"crowd-door-{n}", "secret": f"hds_crowd_{n}", "chats": []})
            self.people, self.queues = [one.id for one in people], [queue.id for queue in queues]

    def open_tickets(self) -> list[int]:
        """A conversation for each operator, taken by them; gives the tickets in the order of the people."""
        from helpdesk.db import transaction
        from helpdesk.models import Availability
        from helpdesk.models.availability import Cause, change
        from queues import intake
        from queues.channels.base import Inbound

        with self.stage.app.app_context():
            for place in range(self.count):
                door = self.doors[place % QUEUES]
                door["chats"].append(f"chat-{place}")
                event = {
                    "type": "message", "id": f"first-{place}", "conversation": f"chat-{place}", "text": "Здравствуйте!",
                    "sender": {"namespace": "crm:crowd", "value": f"chat-{place}", "name": f"Клиент {place}"},
                }  # fmt: skip
                raw = json.dumps(event, ensure_ascii=False).encode()
                intake.accept(self._channel(door["door"]), Inbound(f"first-{place}", raw, {"key": f"first-{place}"}))
            while intake.drain():
                pass
            with transaction() as session:
                from helpdesk.models import Conversation, Ticket, User

                tickets = []
                for place, user_id in enumerate(self.people):
                    ticket = (
                        session.query(Ticket)
                        .join(Conversation, Conversation.id == Ticket.conversation_id)
                        .filter(Conversation.key.like(f"%chat-{place}"), Ticket.queue_id.in_(self.queues))
                        .one()
                    )
                    user = session.get_one(User, user_id)
                    change(user, Availability.AVAILABLE, by=user, cause=Cause.SIGN_IN)  # who is away gives back
                    ticket.claim(user)
                    tickets.append(ticket.id)
                return tickets

    def sessions(self, tickets: list[int]) -> list[dict[str, Any]]:
        """A signed-in browser for each, at their ticket beside the line of their queue."""
        from helpdesk.auth import cookie_name
        from helpdesk.db import transaction
        from helpdesk.models import User
        from helpdesk.models.session import Stage as Step
        from helpdesk.models.session import UserSession

        found = []
        with self.stage.app.app_context(), transaction() as session:
            for place, (user_id, ticket_id) in enumerate(zip(self.people, tickets, strict=True)):
                _row, token = UserSession.begin(session.get_one(User, user_id), Step.FULL, "127.0.0.1", "bench")
                path = f"/tickets/{ticket_id}?in=queue:{self.queues[place % QUEUES]}"
                found.append({"path": path, "cookie_name": cookie_name(), "cookie": token})
        return found

    def _channel(self, door: str) -> int:
        return int(self.stage.one("SELECT id FROM channels WHERE door = %(door)s", door=door))
