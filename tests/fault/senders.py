"""Customers who write: mails with marks of their own, put into the mailbox over LMTP while everything is killed."""

import random
import threading
from email.message import EmailMessage

from tests.dovecot import Dovecot
from tests.fault.intents import Intents

PEOPLE = ["Ева Иванова", "Оксана Шевченко", "John O'Neill", "Сергей Щербаков", "Їжак Юрій", "Amelia Clarke"]
WORDS = ["Не приходит код подтверждения", "Де моє замовлення", "Where is my order", "Вопрос по счёту"]


class Senders(threading.Thread):
    """Delivers `count` mails within about `seconds`. A third continue an earlier mail of the same customer."""

    def __init__(
        self, dovecot: Dovecot, mailbox: str, intents: Intents, rng: random.Random, count: int, seconds: float
    ) -> None:
        super().__init__(name="senders", daemon=True)
        self.dovecot = dovecot
        self.mailbox = mailbox
        self.intents = intents
        self.rng = rng
        self.count = count
        self.seconds = seconds
        self.stop = threading.Event()
        self.sent: list[tuple[str, str, str]] = []

    def run(self) -> None:
        """Deliver in bursts."""
        made = 0
        while made < self.count and not self.stop.is_set():
            burst = min(self.rng.randint(1, max(2, self.count // 60)), self.count - made)
            mails = [self._mail(made + index) for index in range(burst)]
            for mail in mails:
                self.intents.mail(mail["Message-ID"], mail.as_bytes())
            self.dovecot.deliver(self.mailbox, *mails)
            made += burst
            self.stop.wait(self.seconds * burst / self.count * self.rng.uniform(0.5, 1.2))

    def _mail(self, number: int) -> EmailMessage:
        mail = EmailMessage()
        name, address, subject = self.rng.choice(PEOPLE), f"customer{number}@customer.example", ""
        if self.sent and self.rng.random() < 0.3:
            earlier, address, subject = self.rng.choice(self.sent[-200:])
            mail["In-Reply-To"] = mail["References"] = earlier
            subject = f"Re: {subject}"
        subject = subject or f"{self.rng.choice(WORDS)} {number}"
        header_id = f"<mail-{number}-{self.rng.getrandbits(48):x}@customer.example>"
        mail["From"] = f"{name} <{address}>"
        mail["To"] = self.mailbox
        mail["Subject"] = subject
        mail["Date"] = "Sat, 21 Nov 2026 12:00:00 +0000"
        mail["Message-ID"] = header_id
        mail.set_content(f"Здравствуйте! Это письмо номер {number}.\n\nmark {header_id[1:-1]}\n")
        if self.rng.random() < 0.15:
            content = self.rng.randbytes(self.rng.randint(500, 60_000))
            mail.add_attachment(content, maintype="application", subtype="pdf", filename=f"счёт-{number}.pdf")
        self.sent.append((header_id, address, subject.removeprefix("Re: ")))
        return mail
