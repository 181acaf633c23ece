"""Organisations: companies that customers belong to, by their mail domains. Everybody reads, supervisors change."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_required

from helpdesk.addresses import readable_domain
from helpdesk.db import db
from helpdesk.errors import Conflict, Forbidden, Refused
from helpdesk.models import Organisation
from helpdesk.queries.customers import get_organisation, list_customers, list_organisations

pages = Blueprint("organisations", __name__)


@pages.get("/organisations")
@login_required
def index() -> ResponseReturnValue:
    """All organisations in alphabetical order, or those whose name holds a text."""
    question = request.args.get("q", "")[:200]
    found, after = list_organisations(question, request.args.get("after"))
    return render_template(
        "organisations/index.html",
        organisations=found,
        question=question,
        readable_domain=readable_domain,
        next_url=url_for("organisations.index", q=question or None, after=after) if after else None,
        first_url=url_for("organisations.index", q=question or None) if "after" in request.args else None,
    )


@pages.get("/organisations/<int:organisation_id>")
@login_required
def show(organisation_id: int) -> ResponseReturnValue:
    """One organisation with its customers."""
    organisation = get_organisation(organisation_id)
    here: dict[str, Any] = {"organisation_id": organisation.id}
    page = list_customers(after=request.args.get("after"), organisation_id=organisation.id)
    return render_template(
        "organisations/show.html",
        organisation=organisation,
        readable_domain=readable_domain,
        customers=page.customers,
        next_url=url_for("organisations.show", **here, after=page.next_after) if page.next_after else None,
        first_url=url_for("organisations.show", **here) if "after" in request.args else None,
    )


@pages.get("/organisations/new")
@login_required
def new() -> ResponseReturnValue:
    """The form of a new organisation."""
    _supervisors_only()
    return _form(None, {"name": "", "note": "", "domains": ""})


@pages.get("/organisations/<int:organisation_id>/edit")
@login_required
def edit(organisation_id: int) -> ResponseReturnValue:
    """The form of an organisation."""
    _supervisors_only()
    organisation = get_organisation(organisation_id)
    domains = "\n".join(readable_domain(row.domain) for row in organisation.domains)
    return _form(organisation, {"name": organisation.name, "note": organisation.note, "domains": domains})


@pages.post("/organisations")
@login_required
def create() -> ResponseReturnValue:
    """Make an organisation of what the form says."""
    _supervisors_only()
    given = _given()
    try:
        organisation = Organisation.found(current_user, given["name"], given["domains"].split(), given["note"])
    except (Refused, Conflict) as refusal:
        db.session.rollback()
        return _form(None, given, refusal.message), refusal.status
    return redirect(url_for("organisations.show", organisation_id=organisation.id), 303)


@pages.post("/organisations/<int:organisation_id>")
@login_required
def save(organisation_id: int) -> ResponseReturnValue:
    """Change an organisation to what the form says."""
    _supervisors_only()
    organisation, given = get_organisation(organisation_id), _given()
    try:
        organisation.edit(current_user, given["name"], given["note"])
        organisation.serve(current_user, given["domains"].split())
    except (Refused, Conflict) as refusal:
        db.session.rollback()
        return _form(get_organisation(organisation_id), given, refusal.message), refusal.status
    return redirect(url_for("organisations.show", organisation_id=organisation_id), 303)


def _given() -> dict[str, str]:
    return {name: request.form.get(name, "")[:20_000] for name in ("name", "note", "domains")}


def _form(organisation: Organisation | None, given: dict[str, str], fault: str = "") -> str:
    return render_template("organisations/edit.html", organisation=organisation, given=given, fault=fault)


def _supervisors_only() -> None:
    if not current_user.is_supervisor:
        raise Forbidden(_("Only supervisors change organisations."))
