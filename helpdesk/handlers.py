"""How a request ends: one commit when it went well, a rollback and a sentence when it did not."""

from flask import Flask, Response, flash, g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import AnonymousUserMixin, current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed

from helpdesk.api import problems
from helpdesk.bodies import is_read_by_view
from helpdesk.csrf import PageGuard
from helpdesk.db import db
from helpdesk.errors import HelpdeskError
from helpdesk.shell import panes_only

FASTER = {"40001", "40P01", "23503", "23505"}  # SQLSTATE: serialization failure, deadlock, row gone, row there already
TOO_BIG = "22003"  # a number that no column holds
BUSY = {"55P03", "57014"}  # a lock was not to be had in time, a statement took too long

csrf = PageGuard()


def wants_json() -> bool:
    """Whether the caller asks for data rather than a page."""
    return request.accept_mimetypes.best == "application/json"


def answer_error(status: int, message: str, details: dict[str, object]) -> tuple[Response | str, int]:
    """The same refusal as a problem document of the API, as JSON, as a fragment for scripts, or as a page."""
    if problems.is_api():
        return problems.answer(status, message, details), status
    if wants_json():
        return jsonify(error=message, **details), status
    if "HX-Request" in request.headers or panes_only():
        return render_template(
            "errors/_fragment.html", status=status, message=message, details=details
        ), status
    return render_template("errors/error.html", status=status, message=message, details=details), status


def _refusal(state: str) -> tuple[int, str]:
    """Status and sentence for a transaction that the database refused with this SQLSTATE, "" where it is away."""
    if state in FASTER:
        return 409, _("Somebody else changed the same thing at this moment, so nothing was done. Look, then try again.")
    if state in BUSY:
        return 503, _("This takes too long at the moment, so nothing was done. Try again in a minute.")
    return 503, _("The database does not answer at the moment. Try again in a minute.")


def init_app(app: Flask) -> None:
    """Commit after each request that succeeded; turn refusals into answers for people."""
    csrf.init_app(app)

    @app.before_request
    def refuse_nul() -> None:
        # PostgreSQL stores no NUL in text, and no keyboard writes one.
        form = [] if is_read_by_view() else request.form.values()
        given = [*request.args.values(), *form, *(request.view_args or {}).values()]
        if any(isinstance(value, str) and "\x00" in value for value in given):
            raise BadRequest(_("The request holds a character that cannot be stored."))

    @app.after_request
    def end(response: Response) -> Response:
        if response.status_code >= 400:
            db.session.rollback()
            return response
        try:
            db.session.commit()
        except (IntegrityError, OperationalError, InterfaceError, PoolTimeout) as error:
            return app.make_response(database_refused(error))
        except DataError as error:
            return app.make_response(too_big(error))
        return response

    @app.errorhandler(HelpdeskError)
    def refused(error: HelpdeskError) -> tuple[Response | str, int]:
        db.session.rollback()
        return answer_error(error.status, error.message, error.details)

    @app.errorhandler(CSRFError)
    def no_token(_error: CSRFError) -> ResponseReturnValue:
        db.session.rollback()
        if not current_user.is_authenticated:
            if request.blueprint == "sessions":
                flash(_("The page was open for a long time. Please sign in now."), "info")
                return redirect(url_for("sessions.show"))
            return answer_error(401, _("You are signed out. Sign in in another tab, then try again."), {})
        message = _(
            "This page is no longer valid, because you signed in again meanwhile. Reload it and try once more."
        )
        return answer_error(403, message, {})

    @app.errorhandler(IntegrityError)
    @app.errorhandler(OperationalError)
    @app.errorhandler(InterfaceError)
    @app.errorhandler(PoolTimeout)
    def database_refused(error: DBAPIError | PoolTimeout) -> tuple[Response | str, int]:
        db.session.rollback()
        state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
        if isinstance(error, IntegrityError) and state not in FASTER:
            raise error  # a fault of ours
        app.logger.warning("database refused (%s): %s", state, getattr(error, "orig", error))
        if state not in FASTER:
            # the page that tells of the outage must not ask the database who reads it
            g._login_user = AnonymousUserMixin()
        return answer_error(*_refusal(state), {})

    @app.errorhandler(DataError)
    def too_big(error: DataError) -> tuple[Response | str, int]:
        db.session.rollback()
        if getattr(error.orig, "sqlstate", None) != TOO_BIG:
            raise error  # a fault of ours
        return answer_error(400, _("The request holds a number that is too big for anything here."), {})

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response | HTTPException:
        if error.code is None or error.code < 400:
            return error
        db.session.rollback()
        sentences = {
            400: _("Something in this request is missing or not as expected. Reload the page and try again."),
            404: _("There is nothing here, or you may not see it."),
            405: _("This address does not take that kind of request."),
            413: _("That is more than this page takes at once. Send less."),
            500: _("It was noted in the log. Try again; if it happens twice, tell your administrator."),
        }
        is_ours = error.description != type(error).description  # the library's own words are English only
        told = error.description if is_ours else sentences.get(error.code)
        response = app.make_response(answer_error(error.code, told or error.description or error.name, {}))
        if isinstance(error, MethodNotAllowed):
            response.allow.update(error.valid_methods or [])
        return response
