"""One person's whole exchange: what was said on all their tickets and channels, in order. Looking claims nothing."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required
from sqlalchemy import func, select

from helpdesk import clock, words
from helpdesk.auth import me
from helpdesk.customer_kinds import kind_name, kind_of
from helpdesk.db import db
from helpdesk.models import Channel, Customer, Message, Ticket
from helpdesk.queries import exchange as reading
from helpdesk.queries.customers import get_customer, tickets_of
from helpdesk.queries.thread import Page, answered_by, outbox_of
from helpdesk.shell import url_if
from helpdesk.views import shapes, thread_shapes
from helpdesk.views.composing import composer, may_write_beside
from helpdesk.views.desk_lists import pane_context
from helpdesk.views.handled import handled_context
from helpdesk.views.list_addresses import list_address
from helpdesk.views.people_list import status_chip

pages = Blueprint("exchange", __name__)

TICKETS_SHOWN = 8


@pages.get("/customers/<int:customer_id>/exchange")
@login_required
def show(customer_id: int) -> ResponseReturnValue:
    """The whole page: the exchange, where to answer, and the person's card."""
    clock.hold()  # one page shows one moment, and asks for it once
    customer = get_customer(customer_id)
    if customer.merged_into_id is not None:
        return redirect(url_for("exchange.show", customer_id=customer.as_merged().id))
    channels = reading.channels_of(current_user, customer)
    channel_id, pane = _channel(channels), pane_context("people:all")
    return render_template(
        "exchange/show.html",
        person=_person(customer),
        channel_id=channel_id,
        channel_tabs=_channel_tabs(customer, channels, channel_id),
        **exchange_context(customer, channel_id),
        **_answering(customer, channel_id),
        **_card(customer),
        **handled_context(customer.id, f"customer:{customer.id}"),
        **pane,
        back_url=list_address(pane["list_key"]),
        current_person=customer.id,
    )


@pages.get("/customers/<int:customer_id>/exchange/thread")
@login_required
def thread(customer_id: int) -> ResponseReturnValue:
    """What was said, as a fragment: the end of it, or what stands before a message."""
    customer = get_customer(customer_id).as_merged()
    channel_id = request.args.get("channel", type=int)
    template = "tickets/_thread_page.html" if "before" in request.args else "exchange/_thread.html"
    return render_template(template, **exchange_context(customer, channel_id))


def exchange_context(customer: Customer, channel_id: int | None) -> dict[str, Any]:
    """What `exchange/_thread.html` expects; a constant number of queries whatever the length."""
    topic = f"customer:{customer.id}"
    version = shapes.live_versions(topic)
    before = request.args.get("before", type=int)
    if before is not None:
        page = reading.messages(current_user, customer, channel_id, before)
    else:
        first = request.headers.get("X-Thread-From", type=int)
        page = reading.window(current_user, customer, channel_id, first)
    here: dict[str, Any] = {"customer_id": customer.id, "channel": channel_id}
    earlier: dict[str, Any] = {"before": page.messages[0].id} if page.older else {}
    return {
        "messages": _items(page),
        "thread_template": "exchange/_thread.html",
        "thread_url": url_for("exchange.thread", **here),
        "thread_topics": topic,
        "thread_version": version,
        "thread_from": page.messages[0].id if page.messages else None,
        "earlier": {
            "url": url_for("exchange.thread", **here, **earlier),
            "page_url": url_for("exchange.show", **here, **earlier),
        }
        if earlier
        else None,
    }


def _items(page: Page) -> list[dict[str, Any]]:
    """The messages with days, and a line wherever another ticket goes on."""
    said = page.messages
    beside = thread_shapes.Beside(outbox=outbox_of(said), answered=answered_by(said))
    tickets = {message.id: message.ticket for message in said}
    items: list[dict[str, Any]] = []
    last: int | None = -1
    for item in thread_shapes.thread(said, [], beside):
        if item["kind"] in {"day", "fact", "new"}:
            items.append(item)
            continue
        ticket = tickets[item["id"]]
        now_on = ticket.id if ticket is not None else None
        if now_on != last:
            items.append(_line(ticket, item["id"]))
            item["continues"] = False
            last = now_on
        items.append(item)
    return items


def _line(ticket: Ticket | None, message_id: int) -> dict[str, Any]:
    if ticket is None:
        return {"kind": "ticket", "id": message_id, "words": _("beside all tickets"), "url": None}
    return {
        "kind": "ticket",
        "id": message_id,
        "words": _("Ticket %(number)s", number=ticket.number_text),
        "state": words.state_name(ticket.state),
        "title": ticket.title,
        "url": url_for("tickets.show", ticket_id=ticket.id),
    }


def _person(customer: Customer) -> dict[str, Any]:
    lost = "unsubscribed" if customer.unsubscribed_at else ""
    if customer.identities and all(one.unreachable_since for one in customer.identities):
        lost = "unreachable"
    return {
        "id": customer.id,
        "name": customer.name,
        "kind": kind_name(kind_of(customer)),
        "status": status_chip("blocked" if customer.blocked else lost),
        "url": url_for("customers.show", customer_id=customer.id),
    }


def _channel(channels: list[Channel]) -> int | None:
    asked = request.args.get("channel", type=int)
    return asked if asked in {channel.id for channel in channels} else None


def _channel_tabs(customer: Customer, channels: list[Channel], current: int | None) -> list[dict[str, Any]]:
    """A switch of the channels by which the person wrote; none for a single one."""
    if len(channels) < 2:
        return []
    here: dict[str, Any] = {"customer_id": customer.id}
    whole = {"name": _("All"), "icon": "messages", "url": url_for("exchange.show", **here), "current": current is None}
    return [whole] + [
        {
            **words.channel(channel.kind, channel.name),
            "url": url_for("exchange.show", channel=channel.id, **here),
            "current": channel.id == current,
        }
        for channel in channels
    ]


def _answering(customer: Customer, channel_id: int | None) -> dict[str, Any]:
    """The composer of the active ticket, where there is one that the user may work on; else what they can do."""
    active = reading.active_tickets(current_user, customer, channel_id)
    asked = request.args.get("ticket", type=int)
    ticket = next((one for one in active if one.id == asked), active[0] if active else None)
    if ticket is not None:
        return {
            "composer": composer(ticket, newest_id(ticket)),
            "on_ticket": _on(ticket),
            "other_tickets": [
                {**_on(one), "here_url": url_for("exchange.show", customer_id=customer.id, ticket=one.id)}
                for one in active
                if one.id != ticket.id
            ],
        }
    last = reading.last_ticket(current_user, customer, channel_id)
    begins = next((one for one in customer.identities if one.namespace in {"email", "phone"}), None)
    beside = last is not None and may_write_beside(last)
    return {
        "composer": None,
        "last_url": url_for("tickets.show", ticket_id=last.id) if last else None,
        "beside_url": url_for("dialogs.show", name="beside", ticket_id=last.id) if last and beside else None,
        "new_url": url_if("openings.new", identity_id=begins.id, kind="mail" if begins.namespace == "email" else "hand")
        if begins and not customer.blocked
        else None,
    }


def newest_id(ticket: Ticket) -> int:
    """The id of the last message on the ticket and on what was merged into it, 0 without one."""
    return db.session.scalar(select(func.max(Message.id)).where(Message.ticket_id.in_(ticket.family))) or 0


def _on(ticket: Ticket) -> dict[str, Any]:
    return {
        "number_text": ticket.number_text,
        "title": ticket.title,
        "url": url_for("tickets.show", ticket_id=ticket.id),
    }


def _card(customer: Customer) -> dict[str, Any]:
    page = tickets_of(customer, me(), limit=TICKETS_SHOWN)
    now = clock.now()
    return {
        "customer": shapes.customer_card(customer),
        "tickets": [shapes.row(item, now) for item in page.rows],
        "ticket_total": f"{page.total}+" if page.more else str(page.total),
        "all_tickets_url": url_for("customers.show", customer_id=customer.id),
    }
