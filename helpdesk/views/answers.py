"""Ready answers and variables at hand for whoever writes; asked for when they are first wanted."""

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk import auth, permissions, variables
from helpdesk.auth import me
from helpdesk.customer_texts import closing_of
from helpdesk.errors import Refused
from helpdesk.models import Right, Ticket
from helpdesk.permissions import edits_texts
from helpdesk.queries.ready import answers_for

pages = Blueprint("answers", __name__)

MOST_SIGNATURE = 2000


@pages.get("/queues/<int:queue_id>/answers")
@login_required
def index(queue_id: int) -> ResponseReturnValue:
    """The ready answers for the queue as JSON, with their variables unfilled; the same list is not sent twice."""
    permissions.get_queue(current_user, queue_id, Right.WORK)
    rows = [
        {
            "id": answer.id,
            "name": answer.name,
            "body": answer.body,
            "language": answer.language,
            "keywords": answer.keywords,
            "shortcut": answer.shortcut,
            "own": answer.queue_id is not None,
        }
        for answer in answers_for(me(), queue_id)
    ]
    answer: Response = jsonify(rows)
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.add_etag()
    return answer.make_conditional(request)


@pages.get("/tickets/<int:ticket_id>/variables")
@login_required
def variables_of_ticket(ticket_id: int) -> ResponseReturnValue:
    """What stands for each variable on the ticket, the customer's language, and what will stand below a mail."""
    ticket = permissions.get_ticket(current_user, ticket_id, Right.WORK)
    language = variables.language_of(ticket)
    return jsonify(
        language=language,
        variables=_told(variables.of_ticket(ticket, me())),
        closing=closing_of(me(), ticket.queue, language, _closing_values(ticket)),
    )


@pages.get("/queues/<int:queue_id>/variables")
@login_required
def variables_of_queue(queue_id: int) -> ResponseReturnValue:
    """The same before there is a ticket: what is known of the customer has no value yet."""
    queue = permissions.get_queue(current_user, queue_id, Right.WORK)
    return jsonify(language=queue.project.language, variables=_told(variables.of_queue(queue, me())), closing="")


@pages.get("/composer/parts")
@login_required
def parts() -> ResponseReturnValue:
    """What the composer opens (ready answers, builder, emoji), as a fragment; the same for all tickets."""
    answer = make_response(render_template("tickets/_composer_parts.html", may_edit=edits_texts(me())))
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.add_etag()
    return answer.make_conditional(request)


@pages.post("/profile/signature")
@login_required
def save_signature() -> ResponseReturnValue:
    """Keep the user's own signature, as it stands below their mails."""
    signature = request.form.get("signature", "").replace("\r\n", "\n").strip()
    if len(signature) > MOST_SIGNATURE:
        raise Refused(_("A signature has at most %(count)s characters.", count=MOST_SIGNATURE))
    me().signature = signature
    auth.told(_("Saved."))
    return redirect(url_for("preferences.show"), 303)


def _told(known: list[variables.Variable]) -> list[dict[str, Any]]:
    return [{"name": one.name, "label": one.label, "value": one.value} for one in known]


def _closing_values(ticket: Ticket) -> dict[str, str]:
    """The variables of signatures and footers; see `customer_texts.VARIABLES`."""
    return {
        "number": ticket.number_text,
        "subject": ticket.title,
        "name": ticket.customer.name,
        "queue": ticket.queue.name,
        "project": ticket.queue.project.name,
        "operator": me().name,
    }
