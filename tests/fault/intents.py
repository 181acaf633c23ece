"""What this run asked for, written down before it is asked: the only truth that the checker believes."""

import json
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class ReplyIntent:
    """One reply that an operator wants to send exactly once. `confirmed` is set when the web has said so."""

    marker: str
    ticket_id: int
    operator: str
    tries: int = 0
    confirmed: bool = False


@dataclass
class Arrival:
    """One mail that the sink took whole. `cut` says that the connection was cut instead of an answer to it."""

    header_id: str
    recipient: str
    marker: str
    cut: bool
    at: float


@dataclass
class Intents:
    """Everything asked for and seen, also as JSON lines in `path` for whoever looks into a failed run."""

    path: Path
    mails: dict[str, bytes] = field(default_factory=dict)
    replies: dict[str, ReplyIntent] = field(default_factory=dict)
    claims: list[tuple[int, str]] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    kills: list[tuple[float, str]] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def mail(self, header_id: str, raw: bytes) -> None:
        """A mail is about to be put into the mailbox."""
        self.mails[header_id] = raw
        self._write("mail", header_id=header_id)

    def reply(self, intent: ReplyIntent) -> None:
        """An operator is about to send a reply."""
        with self._lock:
            self.replies[intent.marker] = intent
        self._write("reply", **asdict(intent))

    def confirm(self, intent: ReplyIntent) -> None:
        """The web has said, or shown, that a reply is written."""
        intent.confirmed = True
        self._write("confirmed", marker=intent.marker, tries=intent.tries)

    def claim(self, ticket_id: int, operator: str) -> None:
        """The web gave a ticket to an operator."""
        with self._lock:
            self.claims.append((ticket_id, operator))
        self._write("claim", ticket_id=ticket_id, operator=operator)

    def arrive(self, arrival: Arrival) -> None:
        """The sink took a mail."""
        with self._lock:
            self.arrivals.append(arrival)
        self._write("arrival", **asdict(arrival))

    def kill(self, what: str) -> None:
        """A process was killed."""
        with self._lock:
            self.kills.append((time.time(), what))
        self._write("kill", victim=what)

    def answer(self, status: int) -> None:
        """The web answered a request with this status; 0 stands for a connection that broke."""
        with self._lock:
            self.answers[status] = self.answers.get(status, 0) + 1

    def fault(self, words: str) -> None:
        """Something that must not happen whatever is killed, e.g. a page that shows an error of ours."""
        with self._lock:
            self.faults.append(words)
        self._write("fault", words=words)

    def confirmed_replies(self) -> int:
        """How many replies are known to be written."""
        with self._lock:
            return sum(intent.confirmed for intent in self.replies.values())

    def _write(self, what: str, /, **facts: Any) -> None:
        line = json.dumps({"at": round(time.time(), 3), "what": what, **facts}, ensure_ascii=False)
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
