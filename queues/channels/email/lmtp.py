"""The LMTP door (RFC 2033): a mail server of one's own hands mail over, and keeps what we have not committed.

Each recipient gets an answer line of its own after the mail: 250 only when the mail is committed for that recipient's
channel, 451 when it cannot be stored now. Recipients that no channel has are refused with 550 before the mail comes.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session

from queues.channels.base import Inbound, StoreAway
from queues.channels.email.fetch import LARGEST, content_key

log = structlog.get_logger(__name__)

LONGEST_LINE = 1024 * 1024  # RFC 5321 says 998, and real mail breaks that every day
MOST_RECIPIENTS = 200
SILENCE_SECONDS = 300.0
STOP_SECONDS = 1.0
THREADS = 4

LATER = "451 4.3.0 The mail cannot be stored now. Try again later."
NOBODY = "550 5.1.1 No channel has this address."
PAUSED = "450 4.2.1 The channel of this address is paused. Try again later."
TOO_MANY = "452 4.5.3 Too many recipients. Send the others separately."
TAKEN = "250 2.0.0 Stored."


@dataclass(frozen=True)
class Place:
    """The channel that an address belongs to."""

    channel_id: int
    enabled: bool


@dataclass
class Door:
    """What happens to mail that is handed over: aiosmtpd's handler.

    `find` tells whose an address is and `accept` stores a mail for a channel; both run in threads of ours and may raise
    StoreAway.
    """

    find: Callable[[str], Place | None]
    accept: Callable[[int, Inbound], bool]
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "lmtp"))

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        """Take or refuse one recipient."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return TOO_MANY
        try:
            place = await self._in_thread(self.find, address)
        except StoreAway as error:
            log.warning("recipient not looked up", error=str(error))
            return LATER
        if place is None or not place.enabled:
            return NOBODY if place is None else PAUSED
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        # the envelope object lives as long as the mail; a place found now is the place of the mail
        vars(envelope).setdefault("places", {})[address] = place.channel_id
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """Store the mail once per channel; one answer line per recipient, in their order."""
        places: dict[str, int] = vars(envelope)["places"]
        answers: dict[int, str] = {}
        for channel_id in dict.fromkeys(places.values()):
            mine = [address for address in envelope.rcpt_tos if places[address] == channel_id]
            answers[channel_id] = await self._store(channel_id, envelope, mine)
        return "\r\n".join(answers[places[address]] for address in envelope.rcpt_tos)

    async def handle_exception(self, error: Exception) -> str:
        """Whatever goes wrong, the sender keeps the mail."""
        log.error("LMTP session failed", error=repr(error))
        return LATER

    async def _store(self, channel_id: int, envelope: Envelope, recipients: list[str]) -> str:
        raw = envelope.content
        assert isinstance(raw, bytes)
        told = {"door": "lmtp", "sender": bare(envelope.mail_from or ""), "recipients": recipients}
        try:
            await self._in_thread(self.accept, channel_id, Inbound(content_key(raw), raw, told))
        except Exception:
            log.exception("mail not stored", channel=channel_id)
            return LATER
        return TAKEN

    async def _in_thread(self, act: Callable[..., Any], *values: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, act, *values)


def bare(path: str) -> str:
    """The address of an envelope path, which is empty for the null sender `<>`."""
    return path.strip().strip("<>")


class _Lmtp(LMTP):
    """aiosmtpd's LMTP with one answer per recipient for every end of a mail, and with real-life lines."""

    line_length_limit = LONGEST_LINE
    _unanswered = 0

    async def push(self, status: Any) -> None:
        """Answer; what aiosmtpd says once after a mail (too large, line too long) is said for each recipient."""
        if isinstance(status, str):
            if self._unanswered and "\r\n" not in status:
                status = "\r\n".join([status] * self._unanswered)
            self._unanswered = 0
            if status.startswith("354") and self.envelope is not None:
                self._unanswered = len(self.envelope.rcpt_tos)
        await super().push(status)


class LmtpServer:
    """The door on one address and port, served by a thread of its own."""

    def __init__(self, door: Door, host: str, port: int) -> None:
        self.door, self.host, self.port = door, host, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="lmtp", daemon=True)

    def start(self) -> None:
        """Begin to serve. Raises OSError at once when the address is taken."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.create_server((self.host, self.port), family=family)
        self._loop.run_until_complete(self._loop.create_server(self._session, sock=listener))
        self._thread.start()

    def stop(self) -> None:
        """Cut off what is not finished: whoever has no answer keeps the mail."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _session(self) -> LMTP:
        return _Lmtp(
            self.door,
            data_size_limit=LARGEST,
            enable_SMTPUTF8=True,
            timeout=SILENCE_SECONDS,
            ident="helpdesk",
            hostname=socket.gethostname(),
            loop=self._loop,
        )
