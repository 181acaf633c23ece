"""My tokens: with them programs act as me."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_required

from helpdesk import auth, clock, sign_in, token_changes
from helpdesk.api.document import SCOPES
from helpdesk.auth import me
from helpdesk.errors import Refused, TooMany
from helpdesk.models import ApiToken, Scope, User

pages = Blueprint("tokens", __name__)

DAYS = (30, 90, 365, 0)  # 0: until it is revoked


@pages.get("/profile/tokens")
@login_required
def index() -> ResponseReturnValue:
    """My tokens, and the form for one more."""
    return _page()


@pages.post("/profile/tokens")
@login_required
def create() -> ResponseReturnValue:
    """Make a token; its text is on this page and nowhere else."""
    try:
        prove_password()
        text = make(me())
    except (Refused, TooMany) as error:
        return _page(fault=error.message), error.status
    return _page(made=text), 201


@pages.post("/profile/tokens/<int:token_id>/revocation")
@login_required
def revoke(token_id: int) -> ResponseReturnValue:
    """Make one of my tokens worthless."""
    token = token_changes.get_token(token_id, of=me())
    token_changes.revoke(me(), token)
    auth.told(_("The token “%(name)s” is revoked.", name=token.name))
    return redirect(url_for("tokens.index"))


def prove_password() -> None:
    """A token outlives the session that made it, so whoever makes one shows the password again.

    Raises Refused, or TooMany after too many wrong ones.
    """
    if not sign_in.prove(me(), request.form.get("password", "")):
        raise Refused(_("That is not your present password."))


def make(user: User) -> str:
    """A token of `user` as the form says. Raises Refused."""
    form = request.form
    scopes = [scope for scope in Scope if scope in form.getlist("scope")]
    days = form.get("days", DAYS[1], type=int) or None
    _token, text = token_changes.make_token(me(), user, form.get("name", ""), scopes, days)
    return text


def offered_scopes(user: User) -> list[tuple[Scope, str]]:
    """Scopes and what they mean."""
    return [(scope, str(SCOPES[scope])) for scope in token_changes.scopes_for(user)]


def _page(made: str = "", fault: str = "") -> str:
    return render_template(
        "api/tokens.html",
        tokens=ApiToken.of_user(me()),
        scopes=offered_scopes(me()),
        days=DAYS,
        now=clock.now(),
        made=made,
        fault=fault,
        given=request.form,
    )
