"""The conversation as `tickets/_thread.html` shows it: messages, days, quiet lines, and where what is new begins.

Messages group by the gap rule: of one author, less than a minute after the one before. Only the first of a group shows
its head, so a group also ends where the head would say something else: another day, another address, a note.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import url_for
from flask_babel import format_date, get_timezone
from flask_babel import gettext as _
from flask_login import current_user

from helpdesk import client_events, clock, picture_marks, words
from helpdesk.colleagues import added_sentence, marked
from helpdesk.history import tell
from helpdesk.models import Attachment, Event, Message, MessageKind, OutboxItem, Ticket
from helpdesk.models.ticket.accompanied import ON_BEHALF
from helpdesk.models.ticket.consulted import ADDED, MENTIONS
from helpdesk.models.writing import can
from helpdesk.numbers import group_digits
from helpdesk.queries import thread as reading
from helpdesk.queries.thread import Page
from helpdesk.retold import retold
from helpdesk.shell import url_if
from helpdesk.views.link_shapes import undo_urls

GAP = timedelta(minutes=1)
MOST_LINES_SHOWN = 40
LINE_CHARACTERS = 90
MOST_SNIPPET = 90

# What may stand under one head.
Head = tuple[Any, ...]


@dataclass(frozen=True)
class Beside:
    """What was read for the messages that are shown: outbox items, further addresses, answered messages, by id."""

    outbox: dict[int, OutboxItem] = field(default_factory=dict)
    copies: dict[int, list[str]] = field(default_factory=dict)
    answered: dict[int, Message] = field(default_factory=dict)
    may_work: bool = False
    may_quote: bool = False
    first_new: int | None = None


def thread(said: Sequence[Message], events: Sequence[Event], beside: Beside) -> list[dict[str, Any]]:
    """The items of the thread in their order, each with its `kind`: a message's, or day, fact, new."""
    days, facts = _Days(), _Facts(events, undo_urls(events) if beside.may_work else {})
    items: list[dict[str, Any]] = []
    former: Message | None = None
    for item in said:
        for fact in facts.until(item.at):
            items += [*days.before(fact["at"]), fact]
        day = days.before(item.at)
        items += day
        is_first_new = item.id == beside.first_new and any(one["kind"] != "day" for one in items)
        if is_first_new:
            items.append({"kind": "new"})
        shown = message(item, beside.outbox.get(item.id), beside.may_work, beside.copies.get(item.id, ()))
        alone = former is None or bool(day) or is_first_new
        shown["continues"] = not alone and former is not None and continues(former, item) and not shown["warnings"]
        shown["answer_to"] = beside.may_quote and item.kind in {MessageKind.INBOUND, MessageKind.REPLY}
        shown["answers"] = _answers(item, former, beside.answered)
        items.append(shown)
        former = item
    for fact in facts.rest():
        items += [*days.before(fact["at"]), fact]
    return items


def continues(former: Message, item: Message) -> bool:
    """Whether a message stands under the head of the one before: the same author, less than a minute later."""
    return _head(former) == _head(item) and timedelta() <= item.at - former.at < GAP


def _head(item: Message) -> Head:
    return (
        item.kind,
        item.user_id,
        item.customer_id if item.user_id is None else None,
        item.sender,
        item.nature,
        via(item),
    )


class _Days:
    """The separators of days in the reader's zone, each where its day begins."""

    def __init__(self) -> None:
        zone = get_timezone()
        self.zone = zone or ZoneInfo("UTC")
        self.today = clock.now().astimezone(self.zone).date()
        self.last: date | None = None

    def before(self, moment: datetime) -> list[dict[str, Any]]:
        """The separator that belongs before what happened at `moment`, if its day is another one."""
        day = moment.astimezone(self.zone).date()
        if day == self.last:
            return []
        self.last = day
        return [{"kind": "day", "date": day.isoformat(), "words": self._words(day)}]

    def _words(self, day: date) -> str:
        if day == self.today:
            return _("Today")
        if day == self.today - timedelta(days=1):
            return _("Yesterday")
        return format_date(day, "full")


class _Facts:
    """Quiet lines that wait for their place between messages, in the order they happened."""

    def __init__(self, events: Sequence[Event], undo: Mapping[int, str]) -> None:
        self.waiting = [{"kind": "fact", "undo_url": undo.get(told["id"]), **told} for told in tell(events)]
        self.opened = {event.id for event in events if event.kind in {"ticket.opened", "ticket.imported"}}

    def until(self, moment: datetime) -> Iterable[dict[str, Any]]:
        """Those that happened before `moment`; the beginning of a ticket stands before the message that began it."""
        while self.waiting and (self.waiting[0]["at"] < moment or self._begins(moment)):
            yield self.waiting.pop(0)

    def _begins(self, moment: datetime) -> bool:
        first = self.waiting[0]
        return bool(first["id"] in self.opened and first["at"] <= moment)

    def rest(self) -> list[dict[str, Any]]:
        """All that is left."""
        return self.waiting


def _answers(item: Message, former: Message | None, known: dict[int, Message]) -> dict[str, Any] | None:
    """The message that this one answers by name, where it is not the one that stands right above it."""
    answered = known.get(item.answers_id) if item.answers_id is not None else None
    if answered is None or (former is not None and former.id == answered.id):
        return None
    return answered_shape(answered)


def answered_shape(answered: Message) -> dict[str, Any]:
    """A message that another one answers by name: {id, author_name, snippet, hidden}."""
    text = " ".join((answered.visible_text or answered.text).split())
    return {
        "id": answered.id,
        "author_name": author_name(answered),
        "snippet": text if len(text) <= MOST_SNIPPET else text[: MOST_SNIPPET - 1] + "…",
        "hidden": answered.is_internal,
    }


def page_context(
    ticket: Ticket,
    page: Page,
    may_work: bool,
    before: int | None = None,
    after: int | None = None,
    first_new: int | None = None,
) -> dict[str, Any]:
    """What `_thread_page.html` expects, read for a page between messages `after` and `before`.

    Parts of a thread meet at the moment of a message, so that each quiet line stands in exactly one of them.
    """
    said = page.messages
    if not said:
        return {"ticket": {"id": ticket.id}, "messages": [], "earlier": None, "gap_above": None, "gap_below": None}
    since = said[0].at if page.older else reading.said_at(after) if after is not None else None
    until = said[-1].at if page.newer else reading.said_at(before) if before is not None else None
    beside = Beside(
        outbox=reading.outbox_of(said),
        copies=reading.copies_of(said),
        answered=reading.answered_by(said),
        may_work=may_work,
        may_quote=may_work and can(ticket.conversation.channel).quotes,
        first_new=first_new,
    )
    here: dict[str, Any] = {"ticket_id": ticket.id}
    earlier = {"url": url_for("tickets.thread_page", before=said[0].id, **here)}
    return {
        "ticket": {"id": ticket.id},
        "thread_from": said[0].id,
        "messages": thread(said, reading.lines(ticket, since, until), beside),
        "earlier": earlier if page.older and after is None else None,
        "gap_above": gap(ticket, after, said[0].id) if page.older and after is not None else None,
        "gap_below": gap(ticket, said[-1].id, before) if page.newer else None,
    }


def gap(ticket: Ticket, after: int, before: int | None) -> dict[str, str]:
    """Where messages between two others are not shown yet: what brings those below the one, and above the other."""
    between: dict[str, Any] = {"ticket_id": ticket.id, "after": after, "before": before}
    return {
        "down_url": url_for("tickets.thread_page", **between, down=1),
        "up_url": url_for("tickets.thread_page", **between),
    }


def is_long(text: str) -> bool:
    """Whether a message is longer than some forty lines on the screen and shall be folded."""
    if len(text) > MOST_LINES_SHOWN * LINE_CHARACTERS:
        return True
    return sum(1 + len(line) // LINE_CHARACTERS for line in text.splitlines()) > MOST_LINES_SHOWN


def message(item: Message, outbox: OutboxItem | None, may_work: bool, also_to: Sequence[str] = ()) -> dict[str, Any]:
    """A message as the thread shows it; `also_to` are further addresses of ours that the same mail came to."""
    inbound = item.kind == MessageKind.INBOUND or "answers_forward" in item.facts
    quoted = item.text.strip() if inbound and item.visible_text.strip() != item.text.strip() else ""
    pictures = {file.content_id: file.name for file in item.attachments if file.content_id}
    text = retold(item.text) if item.kind == MessageKind.SYSTEM else picture_marks.named(item.text.strip(), pictures)
    visible = picture_marks.named(item.visible_text.strip(), pictures)
    mark = "phone" if item.nature in {"call", "missed-call"} else ""
    if item.kind == MessageKind.EVENT:
        text, mark = client_events.sentence(item.facts), client_events.icon(item.facts)
    mentions, added = item.facts.get(MENTIONS), added_sentence(author_name(item), item.facts.get(ADDED, []))
    if mentions:
        text = visible = marked(text, mentions)
    elif added and item.kind == MessageKind.SYSTEM:
        text = added
    return {
        "id": item.id,
        "kind": item.kind,
        "author_name": author_name(item),
        "at": item.at,
        "text": text,
        "icon": mark or ("user-plus" if added else ""),
        "added": added,
        "reply_text": visible,
        "is_long": is_long(visible or text),
        "quoted_text": quoted,
        "has_html": item.html is not None,
        "html_frame_url": url_for("files.frame", message_id=item.id) if item.html is not None else None,
        "attachments": [attachment(file) for file in item.attachments],
        "delivery": delivery(item, outbox, may_work) if item.kind == MessageKind.REPLY else None,
        "via": via(item),
        "raw_url": url_if("messages.raw", message_id=item.id) if inbound else None,
        "forward_url": url_for("dialogs.show", name="forward", ticket_id=item.ticket.as_merged().id, message_id=item.id)
        if may_work and item.kind not in {MessageKind.SYSTEM, MessageKind.EVENT} and item.ticket
        else None,
        "also_to": list(also_to),
        "warnings": warnings(item),
    }


def author_name(item: Message) -> str:
    """Who said it, as people call them."""
    if item.user is not None:
        return item.user.name
    known = item.customer.name if item.customer else ""
    return item.sender_name or known or item.sender or _("Automatic message")


def via(item: Message) -> str:
    """Where a message came from or went to, as addresses."""
    if by_hand := item.facts.get("by_hand"):
        return words.entry_name(by_hand, item.facts.get("direction", "in"))
    if item.facts.get("answers_forward"):
        return _("%(address)s, answers what was forwarded", address=item.sender)
    if item.kind == MessageKind.INBOUND:
        nature = words.nature_name(item.nature)
        return f"{item.sender} · {nature}" if nature else item.sender
    if item.kind == MessageKind.REPLY:
        to = ", ".join([*item.recipients.get("to", []), *item.recipients.get("cc", [])])
        return _("to %(addresses)s", addresses=to) if to else ""
    return ""


def warnings(item: Message) -> list[str]:
    """What an operator must know before believing a message."""
    found = []
    if item.facts.get("non_participant") and not item.is_internal:
        found.append(_("The sender has not taken part in this conversation before."))
    if address := item.facts.get("reply_to"):
        found.append(_("An answer goes to %(address)s, which is not the sender's address.", address=address))
    if item.facts.get(ON_BEHALF):
        found.append(_("Written on behalf of the customer: answers go to the customer, not to the sender."))
    for number in item.facts.get("claims_tickets", []):
        found.append(
            _(
                "It claims to belong to ticket %(number)s, but the sender takes no part there.",
                number=group_digits(number),
            )
        )
    return found


def attachment(file: Attachment) -> dict[str, Any]:
    """A file as the thread shows it."""
    return {
        "id": file.id,
        "name": file.name,
        "size": file.size,
        "url": url_for("files.attachment", attachment_id=file.id),
        "inline": file.preview_sha256 is not None,
        "picture_url": url_for("files.picture", attachment_id=file.id) if file.preview_sha256 else None,
    }


def delivery(item: Message, outbox: OutboxItem | None, may_work: bool) -> dict[str, Any]:
    """The true state of a reply on its way, with what can be done about it."""
    state = item.delivery or "queued"
    is_mine = item.user_id == current_user.id
    waiting = outbox is not None and state == "queued" and outbox.attempts == 0 and not outbox.automatic
    return {
        "state": state,
        "error": retold(item.delivery_note or (outbox.last_error if outbox else None) or ""),
        "next_try_at": outbox.not_before if outbox and state == "deferred" else None,
        "undo_until": outbox.not_before if outbox and waiting else None,
        "undo_url": url_for("replies.undo", message_id=item.id) if waiting and may_work and is_mine else None,
        "retry_url": url_if("sending.retry", message_id=item.id) if may_work else None,
    }
