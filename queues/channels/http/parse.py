"""Posted events in the words that all channels share."""

import base64

from helpdesk.file_names import tidy
from queues.channels.base import Delivered, File, Inbound, NotUnderstood, Ring, Understood
from queues.channels.email.charset import safe_line, safe_text
from queues.channels.email.html import CLEANER_VERSION, clean_html, html_to_text
from queues.channels.http.events import EVENTS, CallEvent, MessageEvent, ReceiptEvent
from queues.channels.http.wire import Fault, read

TITLE = 80
LEAST_DIGITS = 3  # extensions are that short; words such as "anonymous" are no number


def understand(inbound: Inbound) -> Understood:
    """What a stored event says. Raises NotUnderstood when it is not what the door let in."""
    try:
        event = read(inbound.raw, EVENTS)
    except Fault as fault:
        raise NotUnderstood(f"{fault.words} {fault.field}".strip()) from fault
    match event:
        case MessageEvent():
            return _message(event)
        case CallEvent():
            return _call(event)
        case ReceiptEvent():
            return _receipt(event)
        case _:
            raise NotUnderstood(f"There is no event {type(event).__name__}.")


def external_header(conversation: str, message_id: str) -> str:
    """What a message of the other system is known by here; its ids are unique within a conversation at most."""
    return f"http:{conversation}/{message_id}"


def _message(event: MessageEvent) -> Understood:
    cleaned = clean_html(event.html) if event.html else None
    text = safe_text(event.text) or (html_to_text(cleaned.html) if cleaned else "")
    said = {
        "external_id": event.message_id,
        "answers_external_id": event.reply_to,
        "answers_header_id": external_header(event.conversation, event.reply_to) if event.reply_to else None,
        "given": event.facts,
        "remote_images": cleaned.has_remote_images if cleaned else None,
    }
    return Understood(
        namespace=event.sender.namespace,
        sender=safe_line(event.sender.value),
        sender_name=safe_line(event.sender.name),
        subject=safe_line(event.subject) or _title(text, event.files[0].name if event.files else ""),
        text=text,
        visible_text=text,
        may_auto_reply=False,  # in a chat nobody is told of tickets and their numbers
        html=cleaned.html if cleaned else None,
        html_version=CLEANER_VERSION if cleaned else None,
        header_id=external_header(event.conversation, event.message_id) if event.message_id else None,
        conversation_key=f"chat:{event.conversation}",
        files=[File(tidy(one.name), one.type, base64.b64decode(one.content)) for one in event.files],
        language=event.language,
        written_at=event.sent_at,
        facts={name: value for name, value in said.items() if value},
        problems=list(cleaned.problems) if cleaned else [],
    )


def _title(text: str, file: str) -> str:
    """What a message without a subject is called: how it begins."""
    line = safe_line(text.strip()[: TITLE * 2]) or safe_line(file)
    if len(line) <= TITLE:
        return line
    start = line[:TITLE]
    return (start.rpartition(" ")[0] or start) + "…"


def _call(event: CallEvent) -> Understood:
    party = safe_line(event.from_ if event.direction == "in" else event.to)
    number = party if sum(one.isdigit() for one in party) >= LEAST_DIGITS else ""
    ring = Ring(
        phase=event.phase,
        at=event.at,
        direction=event.direction,
        caller=safe_line(event.from_),
        callee=safe_line(event.to),
        line=safe_line(event.queue),
        agent=safe_line(event.agent),
        started_at=event.started_at,
        answered_at=event.answered_at,
        ended_at=event.ended_at,
        duration_seconds=event.duration,
        recording=safe_line(event.recording),
    )
    return Understood(
        namespace="phone",
        sender=number,
        sender_name=safe_line(event.name),
        subject=safe_line(event.name) or party,
        text="",
        visible_text="",
        nature="call",
        may_auto_reply=False,
        conversation_key=f"call:{event.call}",
        call=ring,
        language=event.language,
        written_at=event.at,
        facts={"given": event.facts} if event.facts else {},
    )


def _receipt(event: ReceiptEvent) -> Understood:
    return Understood(
        namespace="",
        sender="",
        sender_name="",
        subject="",
        text="",
        visible_text="",
        nature="report",
        may_auto_reply=False,
        delivered=Delivered(event.message_id, event.state, safe_line(event.words)),
    )
