"""What happens to a phone call, and the line that operators read of it. Any channel that knows of calls may tell.

Events of a call come late, twice and out of order: each fills in what is not known yet, and only what is new makes a
line. A call goes from ringing over answered to its end and never back; who hung up before anybody answered is called
back, so that line counts as a customer who waits.
"""

from dataclasses import replace
from datetime import timedelta

from flask_babel import gettext as _
from sqlalchemy import select

from helpdesk import addresses
from helpdesk.db import db
from helpdesk.models import Call, Conversation
from helpdesk.models.customer import phone_region
from queues.channels.base import Ring, Understood

NOTHING_NEW = "call: nothing new"
CALL, MISSED = "call", "missed-call"
OVER = frozenset({"ended", "abandoned"})


def take(conversation: Conversation, message: Understood) -> Understood | None:
    """The line that an event of a call makes, as a message of its conversation, which is locked; None for none."""
    ring = message.call
    assert ring is not None
    call = db.session.scalar(select(Call).where(Call.conversation_id == conversation.id))
    is_new = call is None
    if call is None:
        call = Call(conversation_id=conversation.id, direction=ring.direction, phase="ringing")
        db.session.add(call)
    before = (call.phase, call.agent)
    _learn(call, ring)
    line = _line(call, ring, is_new)
    db.session.flush()
    if line is None:
        return None
    nature = MISSED if call.phase == "abandoned" and before[0] != "abandoned" else CALL
    return replace(message, text=line, visible_text=line, nature=nature)


def _learn(call: Call, ring: Ring) -> None:
    """Fill in what is not known yet; of moments the earliest beginning counts."""
    call.caller = call.caller or _number(ring.caller)
    call.callee = call.callee or _number(ring.callee)
    call.line = call.line or ring.line
    call.recording = call.recording or ring.recording
    begun = [one for one in (call.started_at, ring.started_at, ring.at) if one is not None]
    call.started_at = min(begun)
    call.answered_at = call.answered_at or ring.answered_at
    call.duration_seconds = call.duration_seconds if call.duration_seconds is not None else ring.duration_seconds


def _number(number: str) -> str:
    return addresses.normalise_phone(number, phone_region()) or number


def _line(call: Call, ring: Ring, is_new: bool) -> str | None:
    match ring.phase:
        case "ringing":
            return _ringing(call) if is_new else None
        case "answered":
            return _answered(call, ring)
        case "transferred":
            return _transferred(call, ring)
        case _:
            return _ended(call, ring)


def _ringing(call: Call) -> str:
    caller, callee = _readable(call.caller), _readable(call.callee or call.line)
    if call.direction == "out":
        return _("An operator calls the number %(number)s", number=callee)
    if callee:
        return _("The phone rings: %(caller)s calls %(callee)s", caller=caller, callee=callee)
    return _("The phone rings: %(caller)s calls", caller=caller)


def _answered(call: Call, ring: Ring) -> str | None:
    """Known once; also after the end, because the news of it may have been overtaken."""
    late = call.phase in OVER
    if call.phase == "answered" or (late and call.answered_at is not None and call.phase == "ended" and call.agent):
        return None
    if late and call.ended_at is not None and ring.at > call.ended_at:
        return None
    call.answered_at = call.answered_at or ring.at
    call.phase = "ended" if late else "answered"
    if not ring.agent:
        return _("The call was answered")
    call.agent = call.agent or ring.agent
    return _("The call was answered by %(agent)s", agent=ring.agent)


def _transferred(call: Call, ring: Ring) -> str | None:
    if call.phase in OVER or not ring.agent or ring.agent == call.agent:
        return None
    call.phase, call.agent = "answered", ring.agent
    return _("The call was transferred to %(agent)s", agent=ring.agent)


def _ended(call: Call, ring: Ring) -> str | None:
    if call.phase in OVER:
        return None
    talked = call.phase == "answered" or call.answered_at is not None or bool(call.duration_seconds)
    if ring.phase == "abandoned" and talked:
        return None
    call.ended_at = ring.ended_at or ring.at
    if talked or call.direction == "out":
        call.phase = "ended"
        line = _("The call ended after %(time)s", time=_time(_talk(call)))
    else:
        call.phase = "abandoned"
        waited = call.ended_at - call.started_at if call.started_at else timedelta()
        line = _("The caller hung up after %(time)s without an answer", time=_time(waited))
    if call.recording:
        line += "; " + _("The recording is at %(place)s", place=call.recording)
    return line


def _talk(call: Call) -> timedelta:
    """How long was spoken: as the exchange says, else from the answer, else from the beginning."""
    if call.duration_seconds is not None:
        return timedelta(seconds=call.duration_seconds)
    begun = call.answered_at or call.started_at
    return call.ended_at - begun if call.ended_at and begun else timedelta()


def _readable(number: str) -> str:
    return addresses.readable_phone(number) if number.startswith("+") else number or _("a hidden number")


def _time(length: timedelta) -> str:
    """Minutes and seconds as on a phone, hours where there are any: 3:12, 1:02:03."""
    seconds = max(0, int(length.total_seconds()))
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
