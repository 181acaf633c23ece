"""Organisations: companies or partners that customers belong to, with the mail domains that say so."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flask_babel import gettext as _
from sqlalchemy import ForeignKey, func, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from helpdesk.addresses import normalise_domain, parent_domains
from helpdesk.db import Id, Model, Now, db
from helpdesk.errors import Conflict, Refused
from helpdesk.models.event import record_change

if TYPE_CHECKING:
    from helpdesk.models.user import User

_DOMAIN = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63}")

MOST_NAME = 200
MOST_NOTE = 10_000
MOST_DOMAINS = 100

# Everybody may have an address there, so such a domain says nothing about who somebody works for.
PUBLIC_DOMAINS = frozenset([
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com", "icloud.com",
    "me.com", "aol.com", "proton.me", "protonmail.com", "gmx.com", "gmx.net", "gmx.de", "web.de", "mail.com",
    "zoho.com", "fastmail.com", "ukr.net", "i.ua", "meta.ua", "bigmir.net", "online.ua", "email.ua", "mail.ru",
    "bk.ru", "inbox.ru", "list.ru", "internet.ru", "yandex.ru", "yandex.com", "ya.ru", "yandex.ua", "rambler.ru",
    "mail.ua", "tut.by", "yandex.by", "yandex.kz", "mail.kz",
])  # fmt: skip


class Organisation(Model):
    """A company or partner that customers belong to."""

    __tablename__ = "organisations"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    note: Mapped[str] = mapped_column(default="", server_default="")
    created_at: Mapped[Now]

    domains: Mapped[list["OrganisationDomain"]] = relationship(
        cascade="all, delete-orphan", order_by="OrganisationDomain.domain"
    )

    @classmethod
    def found(cls, by: "User", name: str, domains: list[str] | None = None, note: str = "") -> "Organisation":
        """Make a new organisation. Raises Refused for an empty name, Conflict for one that exists."""
        organisation = cls(name=_clean_name(name), note=note.strip()[:MOST_NOTE])
        _refuse_taken(organisation.name, None)
        db.session.add(organisation)
        db.session.flush()
        record_change(by.id, "organisation", organisation.id, organisation.name, {"created": True})
        organisation.serve(by, domains or [])
        return organisation

    @classmethod
    def for_addresses(cls, values: Sequence[str]) -> "dict[str, Organisation]":
        """The organisation of each of these normalised mail addresses, by its domain or the nearest above it."""
        by_address = {value: parent_domains(value.rpartition("@")[2]) for value in values if "@" in value}
        wanted = {domain for parents in by_address.values() for domain in parents}
        if not wanted:
            return {}
        query = select(OrganisationDomain.domain, cls).join(cls).where(OrganisationDomain.domain.in_(wanted))
        found = {row[0]: row[1] for row in db.session.execute(query)}
        nearest = {value: max(found.keys() & parents, key=len, default="") for value, parents in by_address.items()}
        return {value: found[domain] for value, domain in nearest.items() if domain}

    def edit(self, by: "User", name: str, note: str) -> None:
        """Change name and note. Raises Refused or Conflict as `found` does."""
        name = _clean_name(name)
        _refuse_taken(name, self.id)
        changes = {
            column: [before, after]
            for column, before, after in (("name", self.name, name), ("note", self.note, note.strip()[:MOST_NOTE]))
            if before != after
        }
        self.name, self.note = name, note.strip()[:MOST_NOTE]
        if changes:
            record_change(by.id, "organisation", self.id, name, changes)

    def serve(self, by: "User", domains: list[str]) -> None:
        """Make `domains` the ones whose customers belong here; those who belong nowhere yet join at once.

        Raises Refused for what is no domain or belongs to everybody, Conflict for one of another organisation.
        """
        wanted = {_clean_domain(domain) for domain in domains if domain.strip()}
        present = {row.domain for row in self.domains}
        if len(wanted) > MOST_DOMAINS:
            raise Refused(_("An organisation has at most 100 domains."))
        for domain in sorted(wanted - present):
            taken = db.session.get(OrganisationDomain, domain)
            if taken is not None:
                raise Conflict(_("The domain %(domain)s belongs to another organisation already.", domain=domain))
            self.domains.append(OrganisationDomain(domain=domain))
        for row in [row for row in self.domains if row.domain not in wanted]:
            self.domains.remove(row)
        db.session.flush()
        if wanted != present:
            record_change(by.id, "organisation", self.id, self.name, {"domains": [sorted(present), sorted(wanted)]})
            self._welcome(wanted - present)

    def _welcome(self, domains: set[str]) -> None:
        from helpdesk.models.customer import Customer, Identity

        members = select(Identity.customer_id).where(
            Identity.namespace == "email", func.split_part(Identity.value, "@", 2).in_(domains)
        )
        db.session.execute(
            update(Customer)
            .where(Customer.organisation_id.is_(None), Customer.id.in_(members))
            .values(organisation_id=self.id)
            .execution_options(synchronize_session="fetch")
        )


class OrganisationDomain(Model):
    """A mail domain, in its ASCII form, whose customers join the organisation."""

    __tablename__ = "organisation_domains"

    domain: Mapped[str] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id", ondelete="CASCADE"), index=True)


def _clean_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > MOST_NAME:
        raise Refused(_("An organisation needs a name of up to 200 characters."))
    return name


def _refuse_taken(name: str, own_id: int | None) -> None:
    other = db.session.scalar(select(Organisation.id).where(Organisation.name == name))
    if other is not None and other != own_id:
        raise Conflict(_("There is an organisation of this name already."))


def _clean_domain(domain: str) -> str:
    domain = normalise_domain(domain.strip().removeprefix("@").removeprefix("*."))
    if len(domain) > 253 or not _DOMAIN.fullmatch(domain):
        raise Refused(_("“%(domain)s” is not a mail domain such as company.example.", domain=domain[:100]))
    if domain in PUBLIC_DOMAINS:
        raise Refused(
            _("Everybody can have an address at %(domain)s: it cannot stand for one organisation.", domain=domain)
        )
    return domain
