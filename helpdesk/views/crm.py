"""The outer system beside a ticket, in the background of its page: it may be slow or away and nothing waits for it."""

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk import crm, permissions
from helpdesk.auth import me
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.models import Ticket
from helpdesk.models.definitions import Panel, definitions
from helpdesk.models.fields import CrmWay
from helpdesk.queries import thread as reading

pages = Blueprint("crm", __name__)


def panel_for(project_id: int) -> Panel | None:
    """The panel that tickets of a project show now."""
    panel = definitions().panels.get(project_id)
    return panel if panel is not None and panel.active else None


def place(ticket: Ticket) -> dict[str, str] | None:
    """The panel's place in the card: its title, and where its content is fetched from."""
    panel = panel_for(ticket.project_id)
    return {"title": panel.title, "url": url_for("crm.show", ticket_id=ticket.id)} if panel is not None else None


@pages.get("/tickets/<int:ticket_id>/outside")
@login_required
def show(ticket_id: int) -> ResponseReturnValue:
    """What the panel holds, as a fragment; a failure of the other system is a sentence, never an error of ours."""
    ticket, panel = _panel(ticket_id)
    context = {"ticket": {"id": ticket.id}, "panel": panel, "answer": None, "fault": ""}
    if panel.way == CrmWay.DATA:
        question = crm.Question(panel, crm.body_of(_told(ticket)))
        db.session.commit()  # the connection goes back before anybody waits
        try:
            context["answer"] = crm.ask(question)
        except crm.CrmFailed as failure:
            context |= {"fault": str(failure), "detail": failure.detail if me().is_administrator else ""}
    if "HX-Request" not in request.headers and panel.way != CrmWay.DATA:
        return redirect(url_for("crm.open_link", ticket_id=ticket_id))
    return render_template("crm/_panel.html", **context)


@pages.get("/tickets/<int:ticket_id>/outside/frame")
@login_required
def frame(ticket_id: int) -> ResponseReturnValue:
    """A page of ours that holds nothing but their page, so that the desk's own policy need not know of them."""
    ticket, panel = _panel(ticket_id)
    if panel.way != CrmWay.FRAME:
        raise NotFound(_("There is nothing here, or you may not see it."))
    answer = make_response(
        render_template("crm/frame.html", title=panel.title, url=crm.signed_link(panel, _told(ticket)))
    )
    answer.headers["Content-Security-Policy"] = "; ".join(
        [
            "default-src 'none'",
            "style-src 'self'",
            f"frame-src {crm.origin_of(panel.url)}",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        ]
    )
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


@pages.get("/tickets/<int:ticket_id>/outside/link")
@login_required
def open_link(ticket_id: int) -> ResponseReturnValue:
    """Lead to their page by a link that is signed at this moment."""
    ticket, panel = _panel(ticket_id)
    if panel.way == CrmWay.DATA:
        raise NotFound(_("There is nothing here, or you may not see it."))
    answer = redirect(crm.signed_link(panel, _told(ticket)))
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _panel(ticket_id: int) -> tuple[Ticket, Panel]:
    ticket = permissions.get_ticket(current_user, ticket_id)
    panel = panel_for(ticket.project_id)
    if panel is None:
        raise NotFound(_("There is nothing here, or you may not see it."))
    return ticket, panel


def _told(ticket: Ticket) -> dict[str, object]:
    return crm.told(ticket, reading.customer_of(ticket).identities, me())
