"""What programs may do here: system tokens, everybody's tokens, and webhooks. For administrators."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk import auth, clock, token_changes, webhook_changes
from helpdesk.auth import administrators_only, me
from helpdesk.db import db
from helpdesk.errors import NotFound, Refused, TooMany
from helpdesk.forms import chosen_ids
from helpdesk.models import Group, Role, User
from helpdesk.views.people import ROLES
from helpdesk.views.tokens import DAYS, make, offered_scopes, prove_password

pages = Blueprint("api_admin", __name__)


@pages.get("/admin/api")
@administrators_only
def index() -> ResponseReturnValue:
    """Tokens and webhooks of this installation."""
    return render_template(
        "api/admin.html",
        tokens=token_changes.all_tokens(),
        webhooks=webhook_changes.all_webhooks(),
        now=clock.now(),
    )


@pages.get("/admin/api/tokens/new")
@administrators_only
def new_token() -> ResponseReturnValue:
    """The form for a system token."""
    return _token_form()


@pages.post("/admin/api/tokens")
@administrators_only
def create_token() -> ResponseReturnValue:
    """Make a system token; its text is on this page and nowhere else."""
    try:
        prove_password()
        text = make(_system_user())
    except (Refused, TooMany) as error:
        db.session.rollback()
        return _token_form(fault=error.message), error.status
    return render_template("api/token_made.html", made=text, back=url_for("api_admin.index")), 201


@pages.post("/admin/api/tokens/<int:token_id>/revocation")
@administrators_only
def revoke_token(token_id: int) -> ResponseReturnValue:
    """Make anybody's token worthless."""
    token = token_changes.get_token(token_id)
    token_changes.revoke(me(), token)
    auth.told(_("The token “%(name)s” is revoked.", name=token.name))
    return redirect(url_for("api_admin.index"))


def _system_user() -> User:
    """The system user that the form names, made now where it names a new one. Raises Refused, NotFound."""
    form = request.form
    if chosen := form.get("user_id", type=int):
        user = db.session.get(User, chosen)
        if user is None or not user.system or not user.active:
            raise NotFound(_("There is no such system user."))
        return user
    role = form.get("role", Role.OPERATOR)
    if role not in set(Role):
        raise Refused(_("Choose a role."))
    groups = db.session.scalars(select(Group).where(Group.id.in_(chosen_ids("group")))).all()
    return token_changes.make_system_user(me(), form.get("user_name", ""), Role(role), groups)


def _token_form(fault: str = "") -> str:
    return render_template(
        "api/system_token.html",
        users=[user for user in token_changes.system_users() if user.active],
        roles=ROLES,
        groups=db.session.scalars(select(Group).order_by(func.sort_key(Group.name))).all(),
        scopes=offered_scopes(me()),
        days=DAYS,
        fault=fault,
        given=request.form,
    )
