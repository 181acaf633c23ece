"""How a project's former system marked its subjects, so that its numbers go on to work. For administrators."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length

from helpdesk.auth import administrators_only, me, told
from helpdesk.db import db
from helpdesk.errors import HelpdeskError, NotFound
from helpdesk.former import DIGITS, MIXED, MOST_TEMPLATE
from helpdesk.forms import choices, typed
from helpdesk.models import FormerNumber, FormerPattern, Project, Ticket
from helpdesk.models.event import record_change
from helpdesk.models.former import marks_in, remove_pattern

pages = Blueprint("former", __name__)

MOST_SUBJECT = 500


class PatternForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A mark that stood in the subjects of the former system."""

    written = StringField(
        _l("The mark, as it stood in subjects"),
        [InputRequired(), Length(max=MOST_TEMPLATE)],
        description=_l("Copy one out of an old mail: [Ticket#2024010112345678]. Or write {number} for the number."),
    )
    alphabet = SelectField(
        _l("Numbers are made of"),
        choices=choices([(DIGITS, _l("digits")), (MIXED, _l("letters and digits, such as ABC-123"))]),
    )


@pages.get("/admin/projects/<int:project_id>/former-numbers")
@administrators_only
def show(project_id: int) -> ResponseReturnValue:
    """The patterns, a form for another one, and a place to try a subject."""
    return _page(_project(project_id), PatternForm(formdata=None))


@pages.post("/admin/projects/<int:project_id>/former-numbers")
@administrators_only
def add(project_id: int) -> ResponseReturnValue:
    """Know another mark."""
    project, form = _project(project_id), PatternForm()
    if not form.validate_on_submit():
        return _page(project, form, _("Some fields need another look.")), 422
    try:
        pattern = FormerPattern.add(project.id, typed(form.written), typed(form.alphabet))
    except HelpdeskError as error:
        return _page(project, form, error.message), error.status
    record_change(me().id, "former pattern", pattern.id, project.name, {"template": [None, pattern.template]})
    told(_("Subjects with %(mark)s are recognised from now on.", mark=pattern.template))
    return redirect(url_for("former.show", project_id=project.id), 303)


@pages.post("/admin/projects/<int:project_id>/former-numbers/<int:pattern_id>/removal")
@administrators_only
def remove(project_id: int, pattern_id: int) -> ResponseReturnValue:
    """Know a mark no more; numbers that tickets carry stay findable."""
    project = _project(project_id)
    template = remove_pattern(project.id, pattern_id)
    record_change(me().id, "former pattern", pattern_id, project.name, {"template": [template, None]})
    return redirect(url_for("former.show", project_id=project.id), 303)


def _project(project_id: int) -> Project:
    project = db.session.get(Project, project_id)
    if project is None:
        raise NotFound(_("There is no such project."))
    return project


def _page(project: Project, form: PatternForm, fault: str = "") -> str:
    subject = request.args.get("subject", "")[:MOST_SUBJECT]
    patterns = select(FormerPattern).where(FormerPattern.project_id == project.id).order_by(FormerPattern.id)
    carried = select(func.count()).select_from(FormerNumber).where(FormerNumber.project_id == project.id)
    return render_template(
        "former/show.html",
        project=project,
        form=form,
        fault=fault,
        patterns=db.session.scalars(patterns).all(),
        carried=db.session.scalar(carried),
        subject=subject,
        found=_found(project.id, subject) if subject else None,
    )


def _found(project_id: int, subject: str) -> list[tuple[str, Ticket | None]]:
    """The numbers in a subject, each with the ticket that carries it."""
    marks = marks_in(project_id, subject)
    query = (
        select(FormerNumber.number_key, Ticket)
        .join(Ticket, Ticket.id == FormerNumber.ticket_id)
        .where(FormerNumber.project_id == project_id, FormerNumber.number_key.in_([mark.key for mark in marks]))
    )
    tickets = dict(db.session.execute(query).tuples().all())
    return [(mark.number, tickets.get(mark.key)) for mark in marks]
