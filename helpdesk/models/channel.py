"""Channels: connected sources and sinks, their settings, secrets and health."""

from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk import clock
from helpdesk.addresses import base_address, normalise_domain
from helpdesk.db import Id, Model, Moment, Now, db, remembered
from helpdesk.keyring import keyring
from helpdesk.models.project import Project
from helpdesk.models.queue import Queue

DESK = "desk"  # the built-in channel of each project for what people write down by hand


class Channel(Model):
    """One connected source and sink, e.g. a mailbox. `kind` names its adapter, `door` is the secret part of the URL
    where other systems hand in what happened, where it has one.

    Of a mail to several channels the one with the smallest (`position`, `id`) gets the ticket.

    `files_marked_spam`: what the server before us marked as spam is put among the spam and not into the line.

    `reading` is what people chose to be taken in, in the words of the adapter; `cursor` is where reading stands,
    written by whoever holds the channel alone. `rescan_since` asks the holder to read again what it took since then.
    """

    __tablename__ = "channels"
    __table_args__ = (Index("uq_channels_desk", "project_id", unique=True, postgresql_where=text("kind = 'desk'")),)

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), index=True)
    queue_id: Mapped[int] = mapped_column(ForeignKey("queues.id"), index=True)
    kind: Mapped[str]
    name: Mapped[str] = mapped_column(unique=True)
    address: Mapped[str] = mapped_column(default="", server_default="", index=True)
    door: Mapped[str | None] = mapped_column(unique=True)
    enabled: Mapped[bool] = mapped_column(default=True, server_default="true")
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    files_marked_spam: Mapped[bool] = mapped_column(default=True, server_default="true")
    sealed_secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    cursor: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    reading: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    rescan_since: Mapped[Moment | None]
    rescan_asked_at: Mapped[Moment | None]
    holder_epoch: Mapped[int] = mapped_column(default=0, server_default="0")
    last_contact_at: Mapped[Moment | None]
    last_error: Mapped[str | None]
    last_error_at: Mapped[Moment | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[Now]

    project: Mapped[Project] = relationship()
    queue: Mapped[Queue] = relationship(foreign_keys=[queue_id])

    @property
    def secrets(self) -> dict[str, str]:
        """The channel's secrets in the clear; for adapters only, never for a page or a log."""
        return {} if self.sealed_secrets is None else keyring().open_json(self.sealed_secrets, self._seal_scope)

    def keep_secrets(self, secrets: dict[str, str]) -> None:
        """Encrypt and store `secrets`, replacing the former ones. The row must have its id (flushed)."""
        self.sealed_secrets = keyring().seal_json(secrets, self._seal_scope)

    @property
    def _seal_scope(self) -> str:
        db.session.flush()  # a fresh row has no id before
        return f"channel:{self.id}"

    def note_contact(self) -> None:
        """Record that the other side answered just now."""
        self.last_contact_at = clock.now()
        self.last_error = None

    def note_error(self, sentence: str) -> None:
        """Record a fault for the channel's page, in words for people."""
        self.last_error = sentence[:2000]
        self.last_error_at = clock.now()


CONNECTED = Channel.kind != DESK
"""The condition on `Channel`: somebody set it up, so it stands in lists and can be chosen."""


def own_addresses() -> frozenset[str]:
    """The addresses and aliases of all channels, in lower case: mail to them comes back to us."""

    def read() -> frozenset[str]:
        rows = db.session.execute(select(Channel.address, Channel.settings["aliases"])).all()
        return frozenset(own for address, aliases in rows for own in addresses_of(address, aliases))

    return remembered("own_addresses", read)


def addresses_of(address: str, aliases: list[str] | None) -> list[str]:
    """The addresses of a channel in lower case."""
    return [own.lower() for own in (address, *(aliases or [])) if own]


def is_own_address(address: str) -> bool:
    """Whether mail to this address comes back to us: an address or alias of a channel, whatever is behind its plus."""
    domain = normalise_domain(address.rpartition("@")[2])
    local = address.strip().lower().rpartition("@")[0]
    forms = {address.strip().lower(), base_address(address), base_address(f"{local}@{domain}")}
    return not forms.isdisjoint(own_addresses())


class ParkedMail(Model):
    """A mail in a mailbox that could not be fetched; after three tries it is parked and shown."""

    __tablename__ = "parked_mails"

    channel_id: Mapped[int] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True)
    folder: Mapped[str] = mapped_column(primary_key=True)
    uidvalidity: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[int] = mapped_column(primary_key=True)
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    last_error: Mapped[str]
    at: Mapped[Now]
