"""Customers and their identities: who writes or calls, and by which addresses we know them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from sqlalchemy import ForeignKey, Index, UniqueConstraint, delete, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship, validates

from helpdesk import addresses, live
from helpdesk.db import Id, Model, Moment, Now, db, insert_all
from helpdesk.errors import Conflict, Refused
from helpdesk.models.definitions import definitions
from helpdesk.models.event import record_change
from helpdesk.models.field_values import changed_values, plain_value, searchable
from helpdesk.models.organisation import Organisation, OrganisationDomain
from helpdesk.models.project import read_setting
from helpdesk.models.promise import recount_for
from helpdesk.models.search import index_document

if TYPE_CHECKING:
    from helpdesk.models.user import User

MOST_NAME = 200
MOST_NOTE = 20_000
MOST_IDENTITIES = 50


class Customer(Model):
    """A person who writes or calls. Never deleted by accident: merged ones point at who they became."""

    __tablename__ = "customers"
    __table_args__ = (
        Index("ix_customers_sort", text("sort_key(name)"), "id"),
        Index("ix_customers_name_key", "name_key", "id"),
        Index("ix_customers_fields", "fields", postgresql_using="gin", postgresql_where=text("fields <> '{}'")),
    )

    id: Mapped[Id]
    name: Mapped[str]
    name_key: Mapped[str] = mapped_column(default="", server_default="")
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    language: Mapped[str | None]
    note: Mapped[str] = mapped_column(default="", server_default="")
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    blocked: Mapped[bool] = mapped_column(default=False, server_default="false")
    internal: Mapped[bool] = mapped_column(default=False, server_default="false")
    unsubscribed_at: Mapped[Moment | None]
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"), index=True)
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[Now]

    organisation: Mapped[Organisation | None] = relationship()
    identities: Mapped[list["Identity"]] = relationship(back_populates="customer", order_by="Identity.id")

    @validates("name")
    def _keep_key(self, _attribute: str, name: str) -> str:
        self.name_key = addresses.name_key(name)
        return name

    @classmethod
    def for_identity(cls, namespace: str, value: str, name: str = "") -> "Customer":
        """The customer known by this address, made now where there is none; safe with several writers at once.

        Whoever was merged is found as who they became. The name is learned where we had none. A shared address (a
        switchboard, info@) leads to its own entry and teaches nothing: the person who uses it today is anybody.
        """
        value = addresses.normalise(namespace, value, phone_region())
        while True:
            identity = db.session.scalar(
                select(Identity).where(Identity.namespace == namespace, Identity.value == value)
            )
            if identity is not None:
                customer = identity.customer.as_merged()
                if not identity.shared:
                    customer.learn_name(name, value)
                return customer
            made = cls._make({(namespace, value): name})
            if made:
                return made[namespace, value]

    @classmethod
    def for_identities(cls, people: Sequence[tuple[str, str, str]]) -> "list[Customer]":
        """`for_identity` for many at once, in a constant number of queries: (namespace, value, name) each.

        Until the present transaction ends nobody can merge or part these customers.
        """
        region = phone_region()
        asked = [(kind, addresses.normalise(kind, value, region), name) for kind, value, name in people]
        known = cls._held({(kind, value) for kind, value, _name in asked})
        missing = {(kind, value): name for kind, value, name in asked if (kind, value) not in known}
        made = cls._make(missing)
        for kind, value, name in asked:
            if (identity := known.get((kind, value))) is not None and not identity.shared:
                identity.customer.as_merged().learn_name(name, value)
            elif identity is None and (kind, value) not in made:  # another transaction was faster
                made[kind, value] = cls.for_identity(kind, value, name)
        return [
            made[kind, value] if (kind, value) in made else known[kind, value].customer.as_merged()
            for kind, value, _name in asked
        ]

    @classmethod
    def _held(cls, pairs: set[tuple[str, str]]) -> "dict[tuple[str, str], Identity]":
        """Identities by (namespace, value), their customers locked against merging.

        Who was merged while we waited for the lock has given the identity away, so it is read again until it stays.
        """
        query = select(Identity).where(tuple_(Identity.namespace, Identity.value).in_(pairs))
        query = query.options(joinedload(Identity.customer)).execution_options(populate_existing=True)
        held: set[int] = set()
        db.session.flush()
        while True:
            known = {(found.namespace, found.value): found for found in db.session.scalars(query)}
            owners = {found.customer_id for found in known.values()}
            if owners <= held:
                return known
            lock = select(cls.id).where(cls.id.in_(owners - held)).order_by(cls.id)
            db.session.execute(lock.with_for_update(read=True, key_share=True))
            held |= owners

    @classmethod
    def _make(cls, missing: dict[tuple[str, str], str]) -> "dict[tuple[str, str], Customer]":
        """New customers with one identity each, by (namespace, value); without those that another transaction made."""
        if not missing:
            return {}
        organisations = Organisation.for_addresses([value for kind, value in missing if kind == addresses.EMAIL])
        made = {
            (kind, value): cls(name=tidy_name(name) or value, organisation=organisations.get(value))
            for (kind, value), name in missing.items()
        }
        db.session.add_all(made.values())
        db.session.flush()
        rows = [{"customer_id": one.id, "namespace": kind, "value": value} for (kind, value), one in made.items()]
        rows.sort(key=lambda row: (row["namespace"], row["value"]))  # one order for all, or two batches deadlock
        mine = insert_all(Identity, rows).on_conflict_do_nothing().returning(Identity.namespace, Identity.value)
        won = {(row.namespace, row.value) for row in db.session.execute(mine)}
        for lost in made.keys() - won:
            db.session.delete(made.pop(lost))
        for (_kind, value), customer in made.items():
            customer._index([value])
        return made

    def as_merged(self) -> "Customer":
        """This customer, or who they became by merging."""
        customer = self
        for _step in range(20):
            if customer.merged_into_id is None:
                break
            customer = db.session.get_one(Customer, customer.merged_into_id)
        return customer

    def learn_name(self, name: str, address: str) -> None:
        """Take a name that a message gives, where all we had was the address."""
        name = tidy_name(name)
        if not name or name.casefold() == address or self.name not in {"", address, addresses.readable(address)}:
            return
        self.name = name
        self.version += 1
        self.reindex()

    def edit(self, by: "User", name: str, note: str, organisation: Organisation | None, version: int) -> None:
        """Change name, note and organisation. Raises Refused for an empty name, Conflict when changed meanwhile."""
        if version != self.version:
            raise Conflict(_("Somebody changed this customer since you opened the form. Look at it, then save again."))
        name, note = tidy_name(name), note.strip()
        if not name:
            raise Refused(_("A customer needs a name; the address will do."))
        if len(note) > MOST_NOTE:
            raise Refused(_("The note is longer than 20,000 characters."))
        changes: dict[str, object] = {}
        if name != self.name:
            changes["name"] = [self.name, name]
        if note != self.note:
            changes["note"] = True
        if (organisation.id if organisation else None) != self.organisation_id:
            before = self.organisation.name if self.organisation else None
            changes["organisation"] = [before, organisation.name if organisation else None]
        if not changes:
            return
        self.name, self.note, self.organisation = name, note, organisation
        self._changed(by, changes)
        if "organisation" in changes:
            recount_for(self.id)
        self.reindex()

    def prefer_language(self, by: "User", language: str | None) -> None:
        """Say in which language (ISO 639-1) to write to this customer; None leaves it to what they write themselves."""
        if language != self.language:
            before, self.language = self.language, language
            self._changed(by, {"language": [before, language]})

    def set_fields(self, by: "User", given: Mapping[str, Any]) -> None:
        """Fill in fields of one's own: id of the field as text to its value, see `helpdesk.models.field_values`.

        Raises Refused for a wrong value and for a field that customers do not have.
        """
        shown = definitions().of_customer()
        before, after = self.fields, changed_values(shown, self.fields, given)
        changed = [field for field in shown if before.get(field.key) != after.get(field.key)]
        if not changed:
            return
        self.fields = after
        self._changed(by, {f.label: [plain_value(f, one.get(f.key)) for one in (before, after)] for f in changed})
        self.reindex()

    def block(self, by: "User", blocked: bool) -> None:
        """Say that this customer's messages are to be left out, or no longer; intake names the rule in the ledger."""
        if blocked != self.blocked:
            self.blocked = blocked
            self._changed(by, {"blocked": blocked})

    def mark_internal(self, by: "User", internal: bool) -> None:
        """Say that this customer is one of us, or not; whoever writes from our own domains is so without it."""
        if internal != self.internal:
            self.internal = internal
            self._changed(by, {"internal": internal})

    def add_identity(self, by: "User", namespace: str, value: str, shared: bool = False) -> "Identity":
        """Add an address. Refused for what is none, Conflict when another customer has it (details: `customer`)."""
        value = _checked(namespace, value)
        if len(self.identities) >= MOST_IDENTITIES:
            raise Refused(_("A customer has at most 50 addresses."))
        made = db.session.scalar(
            insert(Identity)
            .values(customer_id=self.id, namespace=namespace, value=value, shared=shared)
            .on_conflict_do_nothing()
            .returning(Identity)
        )
        if made is None:
            raise self._taken(namespace, value)
        db.session.expire(self, ["identities"])
        self._changed(by, {"identity_added": f"{namespace}:{value}"})
        self.reindex()
        return made

    def remove_identity(self, by: "User", identity: "Identity") -> None:
        """Take an address away; who writes from it next becomes a new customer. Raises Refused for the last one."""
        if identity.customer_id != self.id:
            raise Refused(_("This address belongs to another customer."))
        if len(self.identities) <= 1:
            raise Refused(_("This is the customer's only address. Add another one first, or merge the customer."))
        db.session.execute(delete(Identity).where(Identity.id == identity.id))
        db.session.expire(self, ["identities"])
        self._changed(by, {"identity_removed": f"{identity.namespace}:{identity.value}"})
        self.reindex()

    def share_identity(self, by: "User", identity: "Identity", shared: bool) -> None:
        """Say whether several people use the address; then it suggests a customer and never decides."""
        if identity.shared != shared:
            identity.shared = shared
            self._changed(by, {"identity_shared": [f"{identity.namespace}:{identity.value}", shared]})

    def reindex(self) -> None:
        """Make the customer findable by what is known now, in the present transaction."""
        db.session.flush()
        self._index(db.session.scalars(select(Identity.value).where(Identity.customer_id == self.id)).all())

    def _index(self, values: Sequence[str]) -> None:
        organisation = self.organisation.name if self.organisation else ""
        known = [*values, *(addresses.readable(value) for value in values)]
        names = f"{self.name} {organisation} {' '.join(known)}"
        index_document("customer", self.id, None, searchable(self.fields), names)

    def _changed(self, by: "User", changes: dict[str, object]) -> None:
        self.version += 1
        record_change(by.id, "customer", self.id, self.name, changes)
        live.touch(f"customer:{self.id}")

    def _taken(self, namespace: str, value: str) -> Conflict:
        other = db.session.scalar(
            select(Customer)
            .join(Identity, Identity.customer_id == Customer.id)
            .where(Identity.namespace == namespace, Identity.value == value)
        )
        if other is None or other.id == self.id:
            return Conflict(_("This customer has that address already."))
        return Conflict(
            _("That address belongs to %(name)s. If they are the same person, merge the two.", name=other.name),
            customer=other.id,
        )


class Identity(Model):
    """An address of a customer on a kind of channel: namespace `email`, `phone`, `telegram:<bot>`, ..."""

    __tablename__ = "identities"
    __table_args__ = (
        UniqueConstraint("namespace", "value"),
        Index(
            "ix_identities_domain",
            text("split_part(value, '@', 2)"),
            postgresql_where=text("namespace = 'email'"),
        ),
    )

    id: Mapped[Id]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    namespace: Mapped[str]
    value: Mapped[str]
    label: Mapped[str] = mapped_column(default="", server_default="")
    shared: Mapped[bool] = mapped_column(default=False, server_default="false")
    unreachable_since: Mapped[Moment | None]
    created_at: Mapped[Now]

    customer: Mapped[Customer] = relationship(back_populates="identities")

    @property
    def shown(self) -> str:
        """The address as people write it."""
        if self.namespace == addresses.PHONE:
            return addresses.readable_phone(self.value)
        return addresses.readable(self.value)


def tidy_name(name: str) -> str:
    """A name on one line, without what cannot be seen, at most 200 characters."""
    visible = "".join(character if character.isprintable() else " " for character in name)
    return " ".join(visible.split()).strip("\"'")[:MOST_NAME].strip()


def phone_region() -> str:
    """The country (ISO 3166) in which numbers without a country code are dialled."""
    return str(read_setting("phone_region", "UA"))


def _checked(namespace: str, value: str) -> str:
    value = value.strip()
    if namespace == addresses.EMAIL:
        found = addresses.normalise(namespace, value)
        local, _at, domain = found.rpartition("@")
        if not local or not domain or any(sign in found for sign in ' ,;<>()"\\') or len(value) > addresses.LONGEST:
            raise Refused(_("This is not a mail address such as name@company.example."))
        return found
    if namespace == addresses.PHONE:
        number = addresses.normalise_phone(value, phone_region())
        if number is None:
            raise Refused(_("This is not a phone number. Write it with its country code, such as +380 44 123 45 67."))
        return number
    raise Refused(_("An address of this kind is added by its channel, not by hand."))


__all__ = ["Customer", "Identity", "Organisation", "OrganisationDomain", "phone_region", "tidy_name"]
