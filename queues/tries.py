"""What follows from a try to send: states of recipients, of the message, and when to try again. Plain values only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from flask_babel import gettext as _

from helpdesk.models.message import DeliveryState
from queues.channels.base import ChannelDown, DeliveryError, Receipt, RecipientResult

PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30))
LATER_PAUSE = timedelta(hours=1)
LONGEST_ROUND = timedelta(days=4)  # RFC 5321 4.5.4.1 asks for at least 4 to 5 days

# What is shown of a message is the state that comes first here among its recipients'.
WORST_FIRST = (
    DeliveryState.BOUNCED,
    DeliveryState.FAILED,
    DeliveryState.UNKNOWN,
    DeliveryState.DEFERRED,
    DeliveryState.SENDING,
    DeliveryState.QUEUED,
    DeliveryState.CANCELLED,
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.READ,
)
STILL_TO_SEND = frozenset({DeliveryState.QUEUED, DeliveryState.DEFERRED})


@dataclass(frozen=True)
class Verdict:
    """The end of a try: its state, what is known per address, when to try again (None: not), and the words for people.

    `channel_down` says that the try tells of the channel and not of this message.
    """

    state: DeliveryState
    results: dict[str, RecipientResult]
    retry_in: timedelta | None
    words: str
    channel_down: bool = False


def summary(states: Iterable[str]) -> DeliveryState:
    """The one state that is shown for a message with several recipients."""
    return min((DeliveryState(state) for state in states), key=WORST_FIRST.index, default=DeliveryState.FAILED)


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failed tries."""
    return PAUSES[attempts - 1] if attempts <= len(PAUSES) else LATER_PAUSE


def judge(outcome: Receipt | DeliveryError, recipients: list[str], attempts: int, since: timedelta) -> Verdict:
    """What a try means. `attempts` counts this one; `since` is how long the present round of tries has lasted."""
    found = _of_error(outcome, recipients) if isinstance(outcome, DeliveryError) else _of_receipt(outcome, recipients)
    if since >= LONGEST_ROUND:
        found = {address: _given_up(result) for address, result in found.items()}
    state = summary(result.state for result in found.values())
    words = _words(found, state)
    if isinstance(outcome, DeliveryError) and not found:
        hopeless = outcome.permanent or since >= LONGEST_ROUND
        state, words = DeliveryState.FAILED if hopeless else DeliveryState.DEFERRED, str(outcome)
    deferred = [result for result in found.values() if result.state == DeliveryState.DEFERRED]
    again = bool(deferred) or state == DeliveryState.DEFERRED
    asked = outcome.retry_after if isinstance(outcome, DeliveryError) else None
    retry_in = max(_pause(deferred, found, attempts), timedelta(seconds=asked or 0)) if again else None
    return Verdict(state, found, retry_in, words, isinstance(outcome, ChannelDown))


def _of_error(error: DeliveryError, recipients: list[str]) -> dict[str, RecipientResult]:
    state = DeliveryState.FAILED if error.permanent else DeliveryState.DEFERRED
    return {address: RecipientResult(address, state, words=str(error)) for address in recipients}


def _of_receipt(receipt: Receipt, recipients: list[str]) -> dict[str, RecipientResult]:
    told = {result.address: result for result in receipt.results}
    state = DeliveryState.UNKNOWN if receipt.unknown else DeliveryState.DEFERRED
    words = _("The connection was lost after the message was handed over.") if receipt.unknown else ""
    return {address: told.get(address) or RecipientResult(address, state, words=words) for address in recipients}


def _given_up(result: RecipientResult) -> RecipientResult:
    if result.state != DeliveryState.DEFERRED:
        return result
    words = _("Given up after 4 days. %(words)s", words=result.words)
    return RecipientResult(result.address, DeliveryState.FAILED, result.code, words)


def _pause(deferred: list[RecipientResult], found: dict[str, RecipientResult], attempts: int) -> timedelta:
    """452 to some while others were taken means "too many at once" (RFC 5321 4.5.3.1.10): the rest follows at once."""
    some_left = any(result.state == DeliveryState.SENT for result in found.values())
    if some_left and all(result.code.startswith("452") for result in deferred):
        return timedelta()
    return pause_after(attempts)


def _words(found: dict[str, RecipientResult], worst: DeliveryState) -> str:
    """The words of the worst, with the address where there are several."""
    lines = [
        (f"{result.address}: " if len(found) > 1 else "") + f"{result.code} {result.words}".strip()
        for result in found.values()
        if result.state == worst
    ]
    return "; ".join(lines)[:2000]
