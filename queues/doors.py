"""Doors that mail is handed in through: whose an address is, and storing at once what somebody else holds for us."""

from collections.abc import Callable
from typing import TypeVar

from flask import Flask
from sqlalchemy import func, or_, select

from helpdesk.config import settings
from helpdesk.db import transaction
from helpdesk.models import Channel
from queues import intake
from queues.channels.base import Inbound
from queues.channels.email.adapter import EmailAdapter
from queues.channels.email.lmtp import Door, LmtpServer, Place
from queues.channels.email.tokens import split_address
from queues.held import storing

T = TypeVar("T")


def find_place(address: str) -> Place | None:
    """The mail channel that has this address, with or without what stands behind its plus. Raises StoreAway."""
    full = address.lower()
    names = [full, split_address(full)[0]]
    aliases = Channel.settings["aliases"]
    query = (
        select(Channel.id, Channel.enabled)
        .where(
            Channel.kind == EmailAdapter.kind,
            or_(func.lower(Channel.address).in_(names), *(aliases.has_key(name) for name in names)),
        )
        .order_by(Channel.enabled.desc(), Channel.id)
    )
    with storing(), transaction() as session:
        found = session.execute(query).first()
    return Place(found.id, found.enabled) if found else None


def store(channel_id: int, inbound: Inbound) -> bool:
    """Store one event; returns after the commit. Raises StoreAway when nothing can be stored now."""
    with storing():
        return intake.accept(channel_id, inbound)


def lmtp_server(app: Flask, host: str = "", port: int = 0) -> LmtpServer:
    """The LMTP door of this installation, not yet started."""

    def inside(act: Callable[..., T]) -> Callable[..., T]:
        def run(*values: object) -> T:
            with app.app_context():
                return act(*values)

        return run

    return LmtpServer(
        Door(inside(find_place), inside(store)), host or settings().lmtp_host, port or settings().lmtp_port
    )
