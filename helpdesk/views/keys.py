"""The sheet of keys: what each shortcut does, in groups. js/keys.js marks what works here and now."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import login_required

from helpdesk.keymap import by_place

pages = Blueprint("keys", __name__)


@pages.get("/keys")
@login_required
def show() -> ResponseReturnValue:
    """All shortcuts: the body of the dialog, or a page of its own without scripts."""
    template = "keys/_sheet.html" if "HX-Request" in request.headers else "keys/show.html"
    return render_template(template, places=by_place())
