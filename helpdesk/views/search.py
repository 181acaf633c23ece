"""Search: one box. A ticket's number leads to the ticket; words lead to what was said, and to customers."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user, login_required
from markupsafe import Markup, escape

from helpdesk import clock
from helpdesk.errors import Refused
from helpdesk.queries.search import Found, Hit, by_number, find_customers, find_tickets, read_older_than, said_by
from helpdesk.queries.search_filters import read_question
from helpdesk.search_text import LONGEST_QUESTION, Term, marks, terms
from helpdesk.views import shapes

pages = Blueprint("search", __name__)


@pages.get("/search")
@login_required
def show() -> ResponseReturnValue:
    """The page of the search, with what answers `q`."""
    question = request.args.get("q", "").strip()[:LONGEST_QUESTION]
    older_than = read_older_than(request.args.get("older_than"))
    if older_than is None and (ticket_id := by_number(current_user, question)) is not None:
        return redirect(url_for("tickets.show", ticket_id=ticket_id))
    whole, fault = read_question(question), ""
    try:
        found = find_tickets(current_user, question, older_than)
    except Refused as refusal:
        found, fault = Found([], 0, None), refusal.message
    page = render_template(
        "search/show.html",
        question=question,
        fault=fault,
        ways=_ways(),
        asked=bool(terms(whole.words) or whole.filters),
        customers=find_customers(question) if older_than is None else [],
        **_results(question, found),
    )
    return page, 422 if fault else 200


def _ways() -> list[tuple[str, str]]:
    """Examples of conditions with what each finds, for those who do not know them yet."""
    return [
        ("queue:billing", _("in the queue whose name has this word")),
        ("state:open", _("in this state; also active, paused, finished")),
        ("owner:ann", _("of this operator; owner:me are your own, owner:none nobody's")),
        ("customer:ivanova", _("of the customer with this name, address or phone")),
        ("number:1042", _("with this in its number")),
        ("from:eve@example.com", _("where this address or name wrote")),
        ("to:eve@example.com", _("where this address takes part")),
        ("from:2026-03-01 to:2026-03-31", _("arrived in this period; 2026-03 and today will do")),
        ("has:phone has:email", _("of customers with a phone, with an email address")),
        ("due:late", _("overdue; due:soon is due soon")),
        ("project: channel: kind: category: type: reason: component: priority: tag:", _("by these, in the same way")),
    ]


def _results(question: str, found: Found) -> dict[str, Any]:
    asked, now = terms(read_question(question).words), clock.now()
    text = "" if found.total is None else ngettext("%(num)s ticket", "%(num)s tickets", found.total)
    return {
        "hits": [_hit(hit, asked, now) for hit in found.hits],
        "list_text": text,
        "is_common": found.total is None,
        "next_url": url_for("search.show", q=question, older_than=found.older_than) if found.older_than else None,
        "prev_url": url_for("search.show", q=question) if "older_than" in request.args else None,
    }


def _hit(hit: Hit, asked: list[Term], now: Any) -> dict[str, Any]:
    row = shapes.row(hit.row, now)
    return {
        **row,
        "title": marked(row["title"], asked),
        "customer_marked": marked(row["customer_name"], asked),
        "snippet": marked(hit.snippet, asked),
        "said_at": hit.said_at,
        "said_by": said_by(hit.said_kind),
    }


def marked(text: str, asked: list[Term]) -> Markup:
    """The text, safe for a page, with the words that met the question marked."""
    made, position = Markup(), 0
    for start, end in marks(text, asked):
        made += escape(text[position:start]) + Markup("<mark>{}</mark>").format(text[start:end])
        position = end
    return made + escape(text[position:])
