"""Whether messages leave: pausing, letting go on, and what a restored copy must not send by itself.

For administrators: they know whether the installation that a backup was made of has gone on working.
"""

from typing import Any

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from helpdesk.auth import administrators_only, me, told
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Message, OutboxItem
from queues import pause

pages = Blueprint("outbox", __name__)

SHOWN = 100


def init_app(app: Flask) -> None:
    """Let every page of an administrator say that nothing leaves."""
    app.jinja_env.globals["sending_pause"] = sending_pause


def sending_pause() -> pause.Pause | None:
    """The present pause, for whoever may end it."""
    if not current_user.is_authenticated or not current_user.is_administrator:
        return None
    return pause.present()


@pages.get("/admin/sending")
@administrators_only
def show() -> ResponseReturnValue:
    """What waits, what is held, and what can be done about it."""
    return render_template("outbox/show.html", pause=pause.present(), waiting=pause.waiting(), held=_held())


@pages.post("/admin/sending/pause")
@administrators_only
def begin() -> ResponseReturnValue:
    """Let nothing leave from now on."""
    pause.begin(me())
    return redirect(url_for("outbox.show"), 303)


@pages.post("/admin/sending/resumption")
@administrators_only
def end() -> ResponseReturnValue:
    """Let messages leave again."""
    pause.end(me())
    return redirect(url_for("outbox.show"), 303)


@pages.post("/admin/sending/decisions")
@administrators_only
def decide() -> ResponseReturnValue:
    """Send held messages after all, or leave them unsent: one of them (`item_id`), or all without one."""
    chosen = request.form.get("item_id", type=int)
    ids = None if chosen is None else [chosen]
    match request.form.get("what"):
        case "send":
            done = pause.send_held(me(), ids)
            words = ngettext("%(num)s message will be sent.", "%(num)s messages will be sent.", done)
        case "leave":
            done = pause.leave_held(me(), ids)
            words = ngettext("%(num)s message stays unsent.", "%(num)s messages stay unsent.", done)
        case _:
            raise Refused(_("Choose whether to send the messages or to leave them."))
    if chosen is not None and not done:
        raise NotFound(_("Somebody has decided about this message already."))
    told(words)
    return redirect(url_for("outbox.show"), 303)


def _held() -> list[dict[str, Any]]:
    """Held messages with what a person needs to decide: to whom, what, when, and the ticket."""
    query = (
        select(OutboxItem)
        .where(pause.is_held())
        .order_by(OutboxItem.id)
        .limit(SHOWN)
        .options(joinedload(OutboxItem.message).joinedload(Message.ticket), joinedload(OutboxItem.channel))
    )
    return [
        {
            "id": item.id,
            "message": item.message,
            "to": ", ".join(_addresses(item)) or item.channel.name,
            "automatic": item.automatic,
            "ticket": item.message.ticket,
        }
        for item in db.session.scalars(query)
    ]


def _addresses(item: OutboxItem) -> list[str]:
    """Recipients as far as they are known: an unsent message may have none yet but the customer."""
    found = [one[-1] if isinstance(one, list) else one for one in item.message.recipients.get("to", [])]
    ticket = item.message.ticket
    return [str(one) for one in found] or ([ticket.customer.name] if ticket else [])
