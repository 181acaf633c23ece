"""What is known of a customer, changed in place: one value at a time becomes an input where it stands."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required
from sqlalchemy import func, select

from helpdesk.auth import me
from helpdesk.babel import LANGUAGES
from helpdesk.db import db
from helpdesk.errors import Conflict, NotFound, Refused
from helpdesk.fact_changes import OWN
from helpdesk.forms import whole
from helpdesk.models import Customer, Organisation
from helpdesk.models.definitions import FieldDefinition, definitions
from helpdesk.models.field_values import show_value
from helpdesk.models.fields import FieldKind
from helpdesk.queries.customers import get_customer, present_customer
from helpdesk.views.fact_shapes import own_field

pages = Blueprint("customer_values", __name__)

PLACES = ("card", "large", "page")
MOST_ORGANISATIONS = 300


@dataclass(frozen=True)
class Value:
    """One value: how it is shown, how it is typed (`raw`, a text or a list of them), and the shape of its input."""

    name: str
    label: str
    shown: str
    raw: Any
    kind: str = "text"
    options: tuple[tuple[Any, str], ...] = ()
    hint: str = ""
    long: bool = False
    required: bool = False


@pages.get("/customers/<int:customer_id>/values/<value_name>")
@login_required
def edit(customer_id: int, value_name: str) -> ResponseReturnValue:
    """The value as an input; with `shown=1` as it reads. Without scripts the form of the whole customer."""
    customer = present_customer(customer_id)
    if "HX-Request" not in request.headers:
        return redirect(url_for("customers.edit", customer_id=customer.id))
    value = value_of(customer, value_name)
    return _fragment(customer, value) if "shown" in request.args else _form(customer, value, value.raw, value.raw)


@pages.post("/customers/<int:customer_id>/values/<value_name>")
@login_required
def save(customer_id: int, value_name: str) -> ResponseReturnValue:
    """Keep what was typed. Refused, or changed by a colleague meanwhile: the input again, with the text and why."""
    customer = present_customer(customer_id, lock=True)
    value = value_of(customer, value_name)
    typed, was = _typed(value), request.form.get("was", "")
    if _joined(value.raw) not in {was, _joined(typed)}:
        said = _("A colleague changed it meanwhile to “%(value)s”. Save again to keep yours.", value=value.shown)
        return _form(customer, value, typed, value.raw, said), 409
    try:
        change(customer, value_name, typed)
    except (Refused, Conflict) as refusal:
        db.session.rollback()
        customer = get_customer(customer_id)
        return _form(customer, value_of(customer, value_name), typed, was, refusal.message), refusal.status
    db.session.flush()
    if "HX-Request" not in request.headers:
        return redirect(url_for("customers.show", customer_id=customer.id), 303)
    return _fragment(customer, value_of(customer, value_name), focused=True)


def change(customer: Customer, name: str, typed: Any) -> None:
    """Change one value by the verb that it belongs to. Raises Refused and Conflict as these do."""
    if name.startswith(OWN):
        customer.set_fields(me(), {name.removeprefix(OWN): typed})
    elif name == "language":
        if typed and typed not in LANGUAGES:
            raise Refused(_("Choose one of the languages."))
        customer.prefer_language(me(), typed or None)
    else:
        given = {"name": customer.name, "note": customer.note, name: typed}
        organisation = organisation_named(typed) if name == "organisation" else customer.organisation
        customer.edit(me(), given["name"], given["note"], organisation, customer.version)


def organisation_named(name: str) -> Organisation | None:
    """The organisation of this name, None for no name. Raises Refused where there is none."""
    name = " ".join(name.split())
    if not name:
        return None
    found = db.session.scalar(select(Organisation).where(func.lower(Organisation.name) == name.lower()))
    if found is None:
        raise Refused(_("There is no organisation “%(name)s”. A supervisor can add it.", name=name[:100]))
    return found


def values_of(customer: Customer) -> list[Value]:
    """All that the card shows of a customer beside the addresses, in order."""
    organisation = customer.organisation.name if customer.organisation else ""
    language = LANGUAGES.get(customer.language or "", "")
    languages = tuple(LANGUAGES.items())
    return [
        Value("name", _("Full name"), customer.name, customer.name, required=True),
        Value("organisation", _("Organisation"), organisation, organisation),
        Value("language", _("Language"), language, customer.language or "", "one", languages),
        Value("note", _("Note"), customer.note, customer.note, long=True),
        *(_own(field, customer) for field in definitions().of_customer()),
    ]


def value_of(customer: Customer, name: str) -> Value:
    """One value by its name. Raises NotFound."""
    found = next((value for value in values_of(customer) if value.name == name), None)
    if found is None:
        raise NotFound(_("There is no such field."))
    return found


def _own(field: FieldDefinition, customer: Customer) -> Value:
    stored = customer.fields.get(field.key)
    row = own_field(field, stored)
    raw = stored if field.kind == FieldKind.CHOICES else "" if stored is None else str(stored)
    return Value(
        row["name"],
        field.label,
        show_value(field, stored),
        raw or ([] if field.kind == FieldKind.CHOICES else ""),
        row["kind"],
        tuple(row.get("options", ())),
        field.hint,
        row["long"],
    )


def _typed(value: Value) -> Any:
    if value.kind == "many":
        ids = [whole(one) for one in request.form.getlist(value.name)]
        return [one for one in ids if one is not None]
    return request.form.get(value.name, "")


def _joined(raw: Any) -> str:
    """How a form says what it showed."""
    return ",".join(map(str, raw)) if isinstance(raw, list) else str(raw).replace("\r\n", "\n")


def _place() -> str:
    at = request.values.get("at", "card")
    return at if at in PLACES else "card"


def _fragment(customer: Customer, value: Value, focused: bool = False) -> str:
    return render_template(
        "customers/_value.html", customer={"id": customer.id}, value=value, at=_place(), focused=focused
    )


def _form(customer: Customer, value: Value, typed: Any, was: Any, fault: str = "") -> str:
    return render_template(
        "customers/_value_form.html",
        customer={"id": customer.id},
        value=value,
        typed=typed,
        was=_joined(was),
        at=_place(),
        fault=fault,
        organisations=_organisations() if value.name == "organisation" else [],
    )


def _organisations() -> list[str]:
    query = select(Organisation.name).order_by(func.sort_key(Organisation.name)).limit(MOST_ORGANISATIONS)
    return list(db.session.scalars(query))
