"""Customers, their identities, and the organisations they belong to."""

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.db import Id, Model, Moment, Now


class Organisation(Model):
    """A company or partner that customers belong to."""

    __tablename__ = "organisations"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    note: Mapped[str] = mapped_column(default="", server_default="")
    created_at: Mapped[Now]

    domains: Mapped[list["OrganisationDomain"]] = relationship(cascade="all, delete-orphan")


class OrganisationDomain(Model):
    """A mail domain whose new customers join the organisation."""

    __tablename__ = "organisation_domains"

    domain: Mapped[str] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(
        ForeignKey("organisations.id", ondelete="CASCADE"), index=True
    )


class Customer(Model):
    """A person who writes or calls. Never deleted by accident: merged ones point at who they became."""

    __tablename__ = "customers"
    __table_args__ = (Index("ix_customers_sort", text("sort_key(name)"), "id"),)

    id: Mapped[Id]
    name: Mapped[str]
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    language: Mapped[str | None]
    note: Mapped[str] = mapped_column(default="", server_default="")
    blocked: Mapped[bool] = mapped_column(default=False, server_default="false")
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"), index=True)
    ticket_count: Mapped[int] = mapped_column(default=0, server_default="0")
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[Now]

    organisation: Mapped[Organisation | None] = relationship()
    identities: Mapped[list["Identity"]] = relationship(back_populates="customer", order_by="Identity.id")


class Identity(Model):
    """An address of a customer on a kind of channel: namespace `email`, `phone`, `telegram:<bot>`, ..."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("namespace", "value"),)

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    namespace: Mapped[str]
    value: Mapped[str]
    label: Mapped[str] = mapped_column(default="", server_default="")
    shared: Mapped[bool] = mapped_column(default=False, server_default="false")
    unreachable_since: Mapped[Moment | None]
    created_at: Mapped[Now]

    customer: Mapped[Customer] = relationship(back_populates="identities")
