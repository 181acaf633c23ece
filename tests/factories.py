"""The cast and the furniture of tests: each function makes one row, flushed, with believable defaults."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from helpdesk import clock
from helpdesk.keyring import keyring
from helpdesk.models import (
    Channel,
    Conversation,
    CrmPanel,
    Customer,
    Field,
    Group,
    Identity,
    ListItem,
    Message,
    Participant,
    Project,
    Queue,
    QueueRight,
    Right,
    Role,
    Ticket,
    User,
)
from helpdesk.models.ticket import header_hash, lock_conversation

counter = itertools.count(1)


class Factories:
    """Makes rows in the given session."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self._gathering = False

    def add(self, row: Any) -> Any:
        self.session.add(row)
        if not self._gathering:
            self.session.flush()
        return row

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is made inside is written at the end, all at once: it has no ids before."""
        self._gathering = True
        yield
        self._gathering = False
        self.session.flush()

    def project(self) -> Project:
        return self.session.query(Project).order_by(Project.id).first()

    def user(self, name: str = "Ann", role: str = Role.OPERATOR, **columns: Any) -> User:
        columns.setdefault("availability", "available")
        email = columns.pop("email", f"{name.lower()}{next(counter)}@desk.example")
        return self.add(User(name=name, email=email, role=role, **columns))

    def item(self, list_name: str, name: str, **columns: Any) -> Any:
        """An item of a managed list: "request_type", "reason" or "component"."""
        return self.add(ListItem(list_name=list_name, name=name, **columns))

    def field(self, kind: str = "text", label: str = "Договор", **columns: Any) -> Field:
        """A field of one's own, of tickets where nothing else is said; options as a list of labels."""
        labels = columns.pop("options", [])
        options = [{"id": number, "label": label, "active": True} for number, label in enumerate(labels, 1)]
        columns.setdefault("about", "ticket")
        return self.add(Field(kind=kind, label=label, options=options, **columns))

    def crm_panel(self, project_id: int, way: str = "frame", url: str = "https://crm.example/card") -> CrmPanel:
        """The outer system of a project, with the secret "secret"."""
        sealed = keyring().seal_json("secret", f"crm:{project_id}")
        return self.add(CrmPanel(project_id=project_id, way=way, title="CRM", url=url, secret=sealed))

    def group(self, name: str, *users: User) -> Group:
        return self.add(Group(name=f"{name} {next(counter)}", users=list(users)))

    def queue(self, name: str = "Support", project_id: int = 0, **columns: Any) -> Queue:
        project_id = project_id or self.project().id
        return self.add(Queue(project_id=project_id, name=f"{name} {next(counter)}", **columns))

    def allow(self, group: Group, queue: Queue, right: str = Right.WORK) -> QueueRight:
        return self.add(QueueRight(group_id=group.id, queue_id=queue.id, right=right))

    def channel(self, queue: Queue, kind: str = "email", **columns: Any) -> Channel:
        columns.setdefault("address", f"support{next(counter)}@desk.example")
        return self.add(
            Channel(
                project_id=queue.project_id,
                queue_id=queue.id,
                kind=kind,
                name=columns.pop("name", f"Mail {next(counter)}"),
                **columns,
            )
        )

    def customer(self, name: str = "Ева Иванова", address: str | None = None, **columns: Any) -> Customer:
        identity = Identity(namespace="email", value=address or f"eve{next(counter)}@customer.example")
        return self.add(Customer(name=name, identities=[identity], **columns))

    def conversation(self, channel: Channel, customer: Customer) -> Conversation:
        first = Participant(address=customer.identities[0].value, name=customer.name, role="from")
        return self.add(
            Conversation(
                project_id=channel.project_id,
                channel_id=channel.id,
                customer_id=customer.id,
                key=f"thread-{next(counter)}",
                participants=[first],
            )
        )

    def ticket(
        self,
        queue: Queue,
        customer: Customer | None = None,
        title: str = "Не приходит код подтверждения",
        minutes_ago: float = 10,
        channel: Channel | None = None,
        **columns: Any,
    ) -> Ticket:
        """A ticket with one message of the customer, arrived `minutes_ago`."""
        customer = customer or self.customer()
        channel = channel or self.channel(queue)
        conversation = self.conversation(channel, customer)
        at = clock.now() - timedelta(minutes=minutes_ago)
        ticket = Ticket.open(conversation, queue, title, at, by=customer, **columns)
        self.hear(ticket, "Здравствуйте! Помогите, пожалуйста.", at=at)
        return ticket

    def hear(self, ticket: Ticket, text: str, at: datetime | None = None, nature: str = "human") -> Message:
        """A message of the customer on the ticket."""
        conversation = lock_conversation(ticket.conversation_id)
        conversation.last_seq += 1
        header = f"<{next(counter)}@customer.example>"
        message = self.add(
            Message(
                conversation_id=conversation.id,
                ticket_id=ticket.id,
                seq=conversation.last_seq,
                kind="inbound",
                customer_id=ticket.customer_id,
                subject=ticket.title,
                text=text,
                visible_text=text,
                nature=nature,
                sender=ticket.customer.identities[0].value,
                header_id=header,
                header_hash=header_hash(header),
                at=at or clock.now(),
            )
        )
        ticket.hear(message, nature, message.at)
        self.session.flush()
        return message

    def cast(self) -> Any:
        """The people that tests speak of, two queues with their groups, and one customer."""
        project_id = self.project().id
        with self.together():
            ann, bob, carl = self.user("Ann"), self.user("Bob"), self.user("Carl")
            sue, dora = self.user("Sue", Role.SUPERVISOR), self.user("Dora", Role.ADMINISTRATOR)
            support, billing = self.queue("Support", project_id), self.queue("Billing", project_id)
            front, back = self.group("Front", ann, bob, sue), self.group("Back", carl)
            eve = self.customer()
        with self.together():
            self.allow(front, support)
            self.allow(back, billing)
            mailbox = self.channel(support)
        return SimpleNamespace(
            ann=ann,
            bob=bob,
            carl=carl,
            sue=sue,
            dora=dora,
            eve=eve,
            support=support,
            billing=billing,
            front=front,
            back=back,
            mailbox=mailbox,
        )
