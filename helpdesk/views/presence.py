"""Who else is on a ticket: said by each open page, shown above the composer. Operators only."""

import re
import time
from collections.abc import Sequence

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import login_required
from sqlalchemy import select

from helpdesk import permissions, presence
from helpdesk.auth import me
from helpdesk.connections import reads_only
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Ticket
from helpdesk.presence import Doing, Here

pages = Blueprint("presence", __name__)

ACCESS_SECONDS = 10.0  # so long the right to see a ticket is remembered here; nothing of it is shown by that
MOST_REMEMBERED = 20_000
MOST_NAMES = 3
GONE = "gone"

_seen: dict[tuple[int, int], tuple[float, int]] = {}  # when, and the queue in which the ticket is


@pages.get("/tickets/<int:ticket_id>/presence")
@login_required
@reads_only
def show(ticket_id: int) -> ResponseReturnValue:
    """Who else is on the ticket, as a fragment."""
    _queue_of(ticket_id)
    return _lines(presence.on(ticket_id))


@pages.post("/tickets/<int:ticket_id>/presence")
@login_required
@reads_only
def save(ticket_id: int) -> ResponseReturnValue:
    """Say what I do there: `doing` is reply, note, viewing, away or gone, `tab` tells my pages apart. Answers as GET.

    Writes nothing to the database.
    """
    queue_id = _queue_of(ticket_id)
    said, tab = request.form.get("doing", ""), request.form.get("tab", "")
    if said not in {GONE, *Doing} or not re.fullmatch(r"[0-9a-z]{1,24}", tab):
        raise Refused(_("The page said something that the helpdesk does not understand."))
    return _lines(presence.note(ticket_id, me(), tab, None if said == GONE else Doing(said), queue_id))


def sentences(here: Sequence[Here], user_id: int) -> list[dict[str, str]]:
    """What is said of those who are here, to one of them: text, icon, and a tone where two do the same."""
    mine = next((one.doing for one in here if one.user_id == user_id), Doing.VIEWING)
    others = [one for one in here if one.user_id != user_id]
    lines = []
    for doing in Doing:
        people = [one.name for one in others if one.doing == doing]
        if people:
            together = mine == doing and doing in {Doing.REPLY, Doing.NOTE}
            lines.append(
                {
                    "doing": doing.value,
                    "icon": ICONS[doing],
                    "tone": "together" if together else "",
                    "text": _together(doing, people) if together else _alone(doing, people),
                }
            )
    return lines


ICONS = {Doing.REPLY: "pencil", Doing.NOTE: "note", Doing.VIEWING: "eye", Doing.AWAY: "zzz"}


def _names(people: list[str]) -> str:
    named, more = people[:MOST_NAMES], len(people) - MOST_NAMES
    if more > 0:
        return _("%(names)s and %(count)s more", names=", ".join(named), count=more)
    if len(named) == 1:
        return named[0]
    return _("%(names)s and %(last)s", names=", ".join(named[:-1]), last=named[-1])


def _together(doing: Doing, people: list[str]) -> str:
    if doing == Doing.NOTE:
        return _("You and %(names)s are writing a note", names=_names(people))
    return _("You and %(names)s are writing", names=_names(people))


def _alone(doing: Doing, people: list[str]) -> str:
    names, count = _names(people), len(people)
    match doing:
        case Doing.REPLY:
            return ngettext("%(names)s is writing", "%(names)s are writing", count, names=names)
        case Doing.NOTE:
            return ngettext("%(names)s is writing a note", "%(names)s are writing notes", count, names=names)
        case Doing.VIEWING:
            return ngettext("%(names)s is viewing", "%(names)s are viewing", count, names=names)
        case Doing.AWAY:
            return ngettext("%(names)s has it open", "%(names)s have it open", count, names=names)


def _lines(here: Sequence[Here]) -> str:
    # Without what whole pages know: each open page of everybody asks this every ten seconds.
    template = current_app.jinja_env.get_template("tickets/_presence_lines.html")
    return template.render(lines=sentences(here, me().id))


def _queue_of(ticket_id: int) -> int:
    """The queue of a ticket that I may see; asks the database at most every ten seconds. Raises NotFound."""
    key, now = (me().id, ticket_id), time.monotonic()
    at, queue_id = _seen.get(key, (-ACCESS_SECONDS, 0))
    if now - at < ACCESS_SECONDS:
        return queue_id
    found = db.session.scalar(select(Ticket.queue_id).where(Ticket.id == ticket_id, permissions.visible(me())))
    if found is None:
        raise NotFound(_("There is no such ticket."))
    if len(_seen) >= MOST_REMEMBERED:
        _seen.clear()
    _seen[key] = (now, found)
    return found
