"""Using a macro on a ticket: choose it, see what it will do, do it."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from helpdesk import permissions
from helpdesk.auth import me
from helpdesk.errors import NotFound
from helpdesk.forms import whole
from helpdesk.macros import get_macro, macros_for, plan, read_actions
from helpdesk.models import Macro, Right, Ticket
from helpdesk.views.composing import recipients
from queues.macros import carry_out

pages = Blueprint("macro_runs", __name__)


@pages.get("/tickets/<int:ticket_id>/macros")
@login_required
def choose(ticket_id: int) -> ResponseReturnValue:
    """Which macro."""
    ticket = permissions.get_ticket(me(), ticket_id, Right.WORK)
    return _dialog("macros", ticket, macros=macros_for(me(), ticket))


@pages.get("/tickets/<int:ticket_id>/macros/<int:macro_id>")
@login_required
def preview(ticket_id: int, macro_id: int) -> ResponseReturnValue:
    """What a macro would do on the ticket now, and what of it is not possible."""
    ticket = permissions.get_ticket(me(), ticket_id, Right.WORK)
    macro = _usable(macro_id)
    steps = plan(me(), ticket, read_actions(macro))
    return _dialog("macro", ticket, macro=macro, steps=steps, possible=not any(step.refusal for step in steps))


@pages.post("/tickets/<int:ticket_id>/macros/<int:macro_id>")
@login_required
def run(ticket_id: int, macro_id: int) -> ResponseReturnValue:
    """Do all of it, or nothing; the reason is told."""
    permissions.get_ticket(me(), ticket_id, Right.WORK)
    macro = _usable(macro_id)
    carry_out(me(), ticket_id, read_actions(macro), recipients, whole(request.form.get("seen", "")))
    flash(_("Done: %(macro)s", macro=macro.name), "success")
    return redirect(url_for("tickets.show", ticket_id=ticket_id), 303)


def _usable(macro_id: int) -> Macro:
    macro = get_macro(me(), macro_id)
    if not macro.active:
        raise NotFound(_("There is no such macro."))
    return macro


def _dialog(name: str, ticket: Ticket, **context: object) -> str:
    template = f"tickets/dialogs/{name}.html"
    if "HX-Request" in request.headers:
        return render_template(template, ticket=ticket, **context)
    return render_template("tickets/dialogs/_page.html", inner=template, ticket=ticket, **context)
