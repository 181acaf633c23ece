"""What the composer needs, and how its fields become a reply."""

import re
from collections.abc import Iterable
from typing import Any

from email_validator import EmailNotValidError, validate_email
from flask import request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import or_, select

from helpdesk import picture_marks
from helpdesk.capabilities import capabilities_of
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models import Attachment, CannedReply, Draft, Participant, Ticket
from helpdesk.models.channel import own_addresses
from helpdesk.models.ticket.states import Kind
from helpdesk.queries.thread import last_inbound

MOST_RECIPIENTS = 50


def composer(ticket: Ticket, newest_id: int) -> dict[str, Any]:
    """What `_composer.html` expects."""
    draft = own_draft(ticket)
    to = answer_to(ticket)
    can = capabilities_of(ticket.conversation.channel.kind, ticket.conversation.channel.settings)
    kept = draft.recipients if draft else {}
    return {
        "reply_url": url_for("replies.create", ticket_id=ticket.id),
        "note_url": url_for("replies.note", ticket_id=ticket.id),
        "draft_url": url_for("drafts.save", ticket_id=ticket.id),
        "upload_url": url_for("drafts.upload", ticket_id=ticket.id),
        "mode": draft.mode if draft else "reply",
        "body": draft.body if draft else "",
        "seen": draft.seen_message_id if draft and draft.body and draft.seen_message_id else newest_id,
        "to_label": _("to %(addresses)s", addresses=", ".join(to)) if to else "",
        "has_recipients": can.has_recipients,
        "to": ", ".join(kept.get("to") or to),
        "cc": ", ".join(kept.get("cc") or []),
        "everyone": ", ".join(others(ticket, to)),
        "reply_refused": _why_no_reply(ticket, to),
        "canned": [{"name": item.name, "body": item.body} for item in canned_replies(ticket)],
        "uploads": uploads(draft.attachments) if draft else [],
        "presence": "",
    }


def uploads(files: Iterable[Attachment]) -> list[dict[str, Any]]:
    """Files that wait to be sent, as `_upload.html` expects each."""
    return [{"id": file.id, "name": file.name, "mark": picture_marks.mark(file.content_id)} for file in files]


def _why_no_reply(ticket: Ticket, to: list[str]) -> str:
    if ticket.kind == Kind.FINISHED:
        return _("This ticket is finished. Reopen it to write to the customer; notes are always possible.")
    if ticket.kind == Kind.PAUSED:
        return _("This ticket is paused. Wake it up to write to the customer; notes are always possible.")
    if not to:
        return _("No address of the customer is known, so nothing can be sent.")
    return ticket.why_not_answer(current_user)


def answer_to(ticket: Ticket) -> list[str]:
    """Where an answer goes: the reply address or sender of the customer's last message, else their first address."""
    message = last_inbound(ticket)
    if message is not None and message.nature == "human":
        address = message.facts.get("reply_to") or message.sender
        if address and "@" in address:
            return [address]
    return [identity.value for identity in ticket.customer.identities if identity.namespace == "email"][:1]


def others(ticket: Ticket, to: list[str]) -> list[str]:
    """The other participants of the conversation, without our own addresses."""
    query = select(Participant.address).where(Participant.conversation_id == ticket.conversation_id)
    left_out = own_addresses() | {address.lower() for address in to}
    found = db.session.scalars(query.order_by(Participant.id).limit(MOST_RECIPIENTS))
    return [address for address in found if address.lower() not in left_out]


def canned_replies(ticket: Ticket) -> list[CannedReply]:
    """The ready answers for the ticket's queue and for all queues."""
    mine = or_(CannedReply.queue_id.is_(None), CannedReply.queue_id == ticket.queue_id)
    return list(db.session.scalars(select(CannedReply).where(mine).order_by(CannedReply.name).limit(200)))


def own_draft(ticket: Ticket) -> Draft | None:
    """What the signed-in user is writing on the ticket."""
    return db.session.scalar(select(Draft).where(Draft.user_id == current_user.id, Draft.ticket_id == ticket.id))


def addresses(field: str) -> list[str]:
    """The mail addresses of a form field, separated by commas, semicolons or spaces.

    Raises Refused with the first one that cannot be an address.
    """
    found: list[str] = []
    for part in re.split(r"[,;\s]+", request.form.get(field, "")):
        if not part:
            continue
        try:
            found.append(validate_email(part, check_deliverability=False, test_environment=True).normalized)
        except EmailNotValidError as error:
            raise Refused(_("“%(address)s” is not a mail address.", address=part)) from error
    if len(found) > MOST_RECIPIENTS:
        raise Refused(_("A message has at most %(count)s recipients.", count=MOST_RECIPIENTS))
    return list(dict.fromkeys(found))


def draft_files(ticket: Ticket) -> list[Attachment]:
    """The files that the form names and that wait in the user's own draft of the ticket."""
    draft = own_draft(ticket)
    if draft is None:
        return []
    wanted = set(request.form.getlist("upload", type=int))
    return [file for file in draft.attachments if file.id in wanted]
