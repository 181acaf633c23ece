"""The customers of the week: what they write, when they lose patience, and what they do with an answer."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from random import Random

from queues import intake
from queues.channels.base import Inbound
from queues.channels.email.fetch import content_key
from queues.demo.letters import bounce
from tests.week.clockwork import Clockwork
from tests.week.size import Size
from tests.week.world import Mailbox, World

POLICY = SMTP.clone(refold_source="none")
TOPICS = (
    "Не приходит код подтверждения",
    "Где мой заказ?",
    "Возврат денег за доставку",
    "Не отримав замовлення",
    "Подвійна оплата",
    "Wrong size delivered",
)
WORDS = (
    "Здравствуйте! Помогите, пожалуйста, разобраться: жду уже третий день.",
    "Добрий день! Підкажіть, будь ласка, коли буде відповідь щодо мого звернення.",
    "Hello! Could you please have a look at my order? Nothing has arrived yet.",
)
THANKS = "Спасибо, а как быть со второй частью вопроса?"
BY_HOUR = (1,) * 7 + (3, 6, 9, 10, 10, 8, 8, 9, 9, 8, 6, 5, 4, 3, 2, 2, 1)
NUDGE = "Вы получили моё письмо? Очень жду ответа."


@dataclass(frozen=True)
class Sent:
    """One mail that reached us: its Message-ID, what it is, and the channels it was put into."""

    header_id: str
    kind: str
    sender: str
    channels: tuple[int, ...]
    answers: str = ""


@dataclass
class Intents:
    """What was meant, for the checker: all mails by Message-ID, and how many identical ones came twice."""

    mails: dict[str, Sent] = field(default_factory=dict)
    redelivered: int = 0
    calls: dict[str, str] = field(default_factory=dict)
    call_events: int = 0
    refused_posts: int = 0


@dataclass
class Person:
    """A customer: where they wrote, and what they wrote there last."""

    number: int
    address: str
    name: str
    box: Mailbox
    subject: str
    last_id: str = ""
    letters: int = 0
    answered: int = 0
    nudged: bool = False
    unreachable: bool = False


class Crowd:
    """All customers. `hears` is called for each of our mails that left."""

    def __init__(self, world: World, size: Size, random: Random, clock: Clockwork) -> None:
        self.world, self.size, self.random, self.clock = world, size, random, clock
        self.intents = Intents()
        self.people: dict[str, Person] = {}

    def plan(self) -> None:
        """Spread the first mails over the week as people write: little at night, most before noon."""
        for number in range(self.size.mails):
            box = self.random.choices(self.world.mailboxes, weights=(5, 3, 4))[0]
            address = f"client{number}@{self.random.choice(('mail', 'post', 'firma'))}.example"
            person = Person(number, address, f"Клиент {number}", box, self.random.choice(TOPICS))
            person.unreachable = self.random.random() < self.size.unreachable
            self.people[address] = person
            self.clock.at(self._moment(), lambda person=person: self._first(person))

    def hears(self, header_id: str, recipients: list[str], text: str, automatic: bool) -> None:
        """One of our mails arrived at these addresses."""
        for address in recipients:
            person = self.people.get(address)
            if person is None:
                continue
            if person.unreachable:
                self.clock.after(2, lambda person=person: self._bounce(person, header_id))
            elif not automatic:
                person.answered += 1
                if self.random.random() < self.size.answers / person.answered:
                    delay = self.random.uniform(5, 60 * 20)
                    self.clock.after(delay, lambda person=person: self._answer(person, header_id))

    def _moment(self) -> datetime:
        day = self.random.randrange(self.size.days)
        hour = self.random.choices(range(24), weights=BY_HOUR)[0]
        return self.size.begins + timedelta(days=day, hours=hour, minutes=self.random.uniform(0, 60))

    def _first(self, person: Person) -> None:
        kind = self._kind()
        match kind:
            case "copy":
                self._post(person, kind, also=[self._other_box(person.box, same_brand=True)])
            case "two brands":
                self._post(person, kind, also=[self._other_box(person.box, same_brand=False)])
            case "with cc":
                self._post(person, kind, cc=f"boss{person.number}@firma.example")
            case "automatic":
                self._post(person, kind, headers={"Auto-Submitted": "auto-replied"}, text="Я в отпуске.")
            case "spam":
                self._post(person, kind, headers={"X-Spam-Flag": "YES"}, text="Выгодный кредит без справок.")
            case "again":
                raw = self._post(person, "ordinary")
                self.intents.redelivered += 1
                self.clock.after(self.random.uniform(0, 600), lambda: self._deliver(person.box, raw))
            case _:
                self._post(person, kind)
                if kind == "nudge later":
                    self.clock.after(self.random.uniform(30, 600), lambda: self._nudge(person))

    def _kind(self) -> str:
        size = self.size
        kinds = {
            "copy": size.copies,
            "two brands": size.across_brands,
            "with cc": size.with_cc,
            "automatic": size.automatic,
            "spam": size.spam,
            "again": size.again,
            "nudge later": size.nudges,
        }
        kinds["ordinary"] = 1 - sum(kinds.values())
        return self.random.choices(list(kinds), weights=list(kinds.values()))[0]

    def _other_box(self, box: Mailbox, same_brand: bool) -> Mailbox:
        others = [one for one in self.world.mailboxes if one != box and (one.brand == box.brand) == same_brand]
        return self.random.choice(others) if others else box

    def _nudge(self, person: Person) -> None:
        if not person.answered:
            self._post(person, "nudge", text=NUDGE, answers=person.last_id)

    def _answer(self, person: Person, header_id: str) -> None:
        self._post(person, "answer", text=THANKS, answers=header_id)

    def _bounce(self, person: Person, header_id: str) -> None:
        raw = bounce(header_id, person.box.address, person.address, self.clock.now)
        own_id = raw.partition(b"Message-ID: ")[2].partition(b"\r\n")[0].decode()
        if own_id not in self.intents.mails:
            self.intents.mails[own_id] = Sent(own_id, "bounce", "", (person.box.channel_id,), header_id)
            self._deliver(person.box, raw, sender="")

    def _post(
        self,
        person: Person,
        kind: str,
        text: str = "",
        also: list[Mailbox] | None = None,
        cc: str = "",
        headers: dict[str, str] | None = None,
        answers: str = "",
    ) -> bytes:
        person.letters += 1
        own_id = f"<w{person.number}.{person.letters}@{person.address.partition('@')[2]}>"
        boxes = [person.box, *(also or [])]
        message = EmailMessage(policy=POLICY)
        message["From"] = f"{person.address}"
        message["To"] = ", ".join(box.address for box in boxes)
        if cc:
            message["Cc"] = cc
        message["Subject"] = f"Re: {person.subject}" if answers else person.subject
        message["Date"] = format_datetime(self.clock.now)
        message["Message-ID"] = own_id
        if answers:
            message["In-Reply-To"] = message["References"] = answers
        for name, value in (headers or {}).items():
            message[name] = value
        message.set_content(f"{text or self.random.choice(WORDS)}\n\nmark {own_id[1:-1]}\n", cte="quoted-printable")
        raw = message.as_bytes()
        person.last_id = own_id
        channels = tuple(dict.fromkeys(box.channel_id for box in boxes))
        self.intents.mails[own_id] = Sent(own_id, kind, person.address, channels, answers)
        for box in {box.channel_id: box for box in boxes}.values():
            self._deliver(box, f"Received: by {box.address}\r\n".encode() + raw)
        return f"Received: by {person.box.address}\r\n".encode() + raw

    def _deliver(self, box: Mailbox, raw: bytes, sender: str = "someone") -> None:
        envelope = {"recipients": [box.address], "sender": sender}
        intake.accept(box.channel_id, Inbound(content_key(raw), raw, envelope))
