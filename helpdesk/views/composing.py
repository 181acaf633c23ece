"""What the composer needs, and how its fields become a reply."""

import re
from collections.abc import Iterable
from typing import Any

from email_validator import EmailNotValidError, validate_email
from flask import request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy import func, select

from helpdesk import drafts, permissions, picture_marks
from helpdesk.auth import me
from helpdesk.capabilities import Capabilities
from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.forms import whole
from helpdesk.models import Attachment, Channel, Draft, Message, Participant, Right, Ticket
from helpdesk.models.channel import is_own_address
from helpdesk.models.ticket.states import Kind
from helpdesk.models.writing import can, reply_channel
from helpdesk.queries.thread import last_inbound
from helpdesk.shell import url_if
from helpdesk.views.thread_shapes import answered_shape

MOST_RECIPIENTS = 50
MOST_PARTICIPANTS = 200


def composer(ticket: Ticket, newest_id: int) -> dict[str, Any]:
    """What `_composer.html` expects."""
    draft = drafts.own_draft(me(), ticket)
    to, cc = recipients(ticket)
    channel = reply_channel(ticket.queue, ticket.conversation.channel)
    able = can(channel) if channel is not None else Capabilities(writes=False)
    kept = draft.recipients if draft else {}
    works = Right.WORK in permissions.rights(me(), ticket.queue_id)
    refusal = ticket.why_not_answer(current_user) if ticket.kind == Kind.ACTIVE and works else ""
    return {
        "reply_url": url_for("replies.create", ticket_id=ticket.id),
        "note_url": url_for("replies.note", ticket_id=ticket.id),
        "draft_url": url_for("drafts.save", ticket_id=ticket.id),
        "upload_url": url_for("drafts.upload", ticket_id=ticket.id),
        "answers_url": url_for("answers.index", queue_id=ticket.queue_id),
        "variables_url": url_for("answers.variables_of_ticket", ticket_id=ticket.id),
        "ticket_id": ticket.id,
        "owner_id": me().id,
        "mode": draft.mode if draft else "reply",
        "body": draft.body if draft else "",
        "caret": draft.caret if draft else None,
        "answers": _answers(ticket, draft),
        "version": drafts.version_of(draft),
        "former": draft.former[-1] if draft and draft.former else None,
        "blocks": draft.blocks if draft else [],
        "seen": draft.seen_message_id if draft and draft.body and draft.seen_message_id else newest_id,
        "to_label": _to_label(to, cc),
        "has_recipients": able.has_recipients,
        "signs": able.has_subject,
        "voice": able.voice,
        "takes_files": able.files,
        "to": ", ".join(kept.get("to") or to),
        "cc": ", ".join(kept.get("cc", cc)),
        "reply_refused": (_why_no_reply(ticket, channel, to) or refusal) if works else _only_notes(),
        "only_notes": not works,
        "beside_url": url_for("dialogs.show", name="beside", ticket_id=ticket.id) if may_write_beside(ticket) else None,
        "uploads": uploads(drafts.files_of(draft)) if draft else [],
        "presence": "",
        **(_ways_in(ticket) if refusal else {}),
    }


def told_draft(draft: Draft | None) -> dict[str, Any]:
    """A draft as windows read it: {version, mode, body, to, cc, blocks, uploads, former} and its other fields; see
    `helpdesk/drafts.py`."""
    if draft is None:
        return {"version": "", "mode": "reply", "body": "", "blocks": [], "uploads": [], "former": None}
    return {
        "version": drafts.version_of(draft),
        **draft.fields,
        "mode": draft.mode,
        "body": draft.body,
        **{name: ", ".join(addresses) for name, addresses in draft.recipients.items()},
        "blocks": draft.blocks,
        "uploads": uploads(drafts.files_of(draft)),
        "former": draft.former[-1] if draft.former else None,
    }


def uploads(files: Iterable[Attachment]) -> list[dict[str, Any]]:
    """Files that wait to be sent, as `_upload.html` expects each."""
    return [{"id": file.id, "name": file.name, "mark": picture_marks.mark(file.content_id)} for file in files]


def _answers(ticket: Ticket, draft: Draft | None) -> dict[str, Any] | None:
    """The message that the draft answers by name; asks the database only where it names one."""
    named = whole(str(draft.fields.get("answers", ""))) if draft is not None else None
    message = db.session.get(Message, named) if named is not None else None
    return answered_shape(message) if message is not None and message.ticket_id in ticket.family else None


def _ways_in(ticket: Ticket) -> dict[str, str | None]:
    """How somebody who may not answer comes to: take a ticket that is nobody's, else join its owner or take it over."""
    if ticket.owner_id is None:
        return {"take_url": url_if("claims.take", ticket_id=ticket.id)}
    return {
        "join_url": url_if("claims.join", ticket_id=ticket.id),
        "takeover_url": url_for("dialogs.show", ticket_id=ticket.id, name="takeover"),
    }


def _only_notes() -> str:
    return _("A colleague called you in here: you can leave notes. Whoever works in this queue writes to the customer.")


def _to_label(to: list[str], cc: list[str]) -> str:
    if not to:
        return ""
    label = _("to %(addresses)s", addresses=", ".join(to))
    return f"{label}, {ngettext('%(num)s in copy', '%(num)s in copy', len(cc))}" if cc else label


def _why_no_reply(ticket: Ticket, channel: Channel | None, to: list[str]) -> str:
    if ticket.kind == Kind.FINISHED:
        return _("This ticket is finished. Reopen it to write to the customer; notes are always possible.")
    if ticket.kind == Kind.PAUSED:
        return _("This ticket is paused. Wake it up to write to the customer; notes are always possible.")
    if channel is None:
        return _(
            "This was written down by hand, and the queue %(queue)s has no mailbox to answer from. "
            "An administrator can give it one; notes are always possible.",
            queue=ticket.queue.name,
        )
    if not to and can(channel).has_recipients:
        return _("No address of the customer is known, so nothing can be sent. Add one on their page.")
    return ""


def answer_to(ticket: Ticket) -> list[str]:
    """Where an answer goes: the reply address or sender of the customer's last message, else their first address."""
    message = last_inbound(ticket)
    if message is not None and message.nature == "human":
        address = message.facts.get("reply_to") or message.sender
        if address and "@" in address and not is_own_address(address) and not _was_taken_out(ticket, address):
            return [address]
    mails = [identity.value for identity in ticket.customer.identities if identity.namespace == "email"]
    return [address for address in mails if not is_own_address(address)][:1]


def recipients(ticket: Ticket) -> tuple[list[str], list[str]]:
    """To whom an answer goes unless its author says otherwise: the customer, and all others who take part in copy.

    Nobody by address where the channel itself knows its other end.
    """
    channel = reply_channel(ticket.queue, ticket.conversation.channel)
    if channel is not None and not can(channel).has_recipients:
        return [], []
    to = answer_to(ticket)
    named = {address.lower() for address in to}
    parts = [part for part in participants(ticket) if not is_own_address(part.address)]
    return to, [part.address for part in parts if part.address.lower() not in named][: MOST_RECIPIENTS - len(to)]


def participants(ticket: Ticket) -> list[Participant]:
    """Those who take part in the ticket's conversation, in the order in which they came."""
    query = select(Participant).where(
        Participant.conversation_id == ticket.conversation_id, Participant.removed.is_(False)
    )
    return list(db.session.scalars(query.order_by(Participant.id).limit(MOST_PARTICIPANTS)))


def may_write_beside(ticket: Ticket) -> bool:
    """Whether the user may write into the conversation without reopening the ticket.

    Nobody may on a merged one: the customer is answered where its messages are shown.
    """
    if ticket.kind == Kind.ACTIVE or ticket.merged_into_id is not None or ticket.rival_id() is not None:
        return False
    return permissions.may(current_user, Right.WORK, beside_queue(ticket))


def beside_queue(ticket: Ticket) -> int:
    """Whose right it is to write beside the ticket: the channel's queue; of what was noted by hand, the ticket's."""
    channel = ticket.conversation.channel
    return channel.queue_id if can(channel).writes else ticket.queue_id


def _was_taken_out(ticket: Ticket, address: str) -> bool:
    here = (Participant.conversation_id == ticket.conversation_id, Participant.removed)
    return (
        db.session.scalar(select(Participant.id).where(*here, func.lower(Participant.address) == address.lower()))
        is not None
    )


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
    draft = drafts.own_draft(me(), ticket)
    if draft is None:
        return []
    wanted = set(request.form.getlist("upload", type=int))
    return [file for file in draft.attachments if file.id in wanted]
