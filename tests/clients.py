"""A browser for tests: signed in as somebody, each request in an application context of its own.

Flask reuses a context that is already there, and with it `g` and who is signed in; the outer session of a test would
then answer for every request. So each request gets a fresh context, and the outer session is committed before it and
expired after it: rows made in the test are seen by the request, and its changes by the test.

    client = sign_in(app, cast.ann)
    page = client.get(f"/tickets/{ticket.id}")
    client.post(f"/tickets/{ticket.id}/closure", data={"state": "solved"})   # the token is added by itself
"""

from copy import copy
from typing import Any

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from helpdesk.auth import cookie_name
from helpdesk.csrf import row_secret
from helpdesk.db import db
from helpdesk.models.session import Stage, UserSession
from helpdesk.models.user import User

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


class Client:
    """A browser with its cookies. `user` is None for a stranger. Unsafe requests carry a token unless `token=False`."""

    def __init__(self, app: Flask, user: User | None = None) -> None:
        self.app = app
        self.user = user
        self.browser = app.test_client()
        self.token = self.cookie = ""
        if user is not None:
            row, self.cookie = UserSession.begin(user, Stage.FULL, "127.0.0.1", "tests")
            self.session_id = row.id
            self.browser.set_cookie(cookie_name(), self.cookie)
            self.token = sign_token(app, row_secret(row))

    def with_new_cookies(self) -> "Client":
        """The same person in the same session, whatever earlier answers did to the cookies."""
        other = copy(self)
        other.browser = self.app.test_client()
        if self.cookie:
            other.browser.set_cookie(cookie_name(), self.cookie)
        return other

    def open(self, path: str, method: str = "GET", token: bool = True, **options: Any) -> TestResponse:
        """One request; options are those of Werkzeug's test client."""
        if method in UNSAFE and token:
            headers = dict(options.pop("headers", None) or {})
            headers.setdefault("X-CSRFToken", self.token or self.strangers_token())
            options["headers"] = headers
        db.session.commit()
        with self.app.app_context():
            response = self.browser.open(path, method=method, **options)
        db.session.expire_all()
        return response

    def get(self, path: str, **options: Any) -> TestResponse:
        """GET."""
        return self.open(path, "GET", **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        """POST."""
        return self.open(path, "POST", **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        """PUT."""
        return self.open(path, "PUT", **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        """PATCH."""
        return self.open(path, "PATCH", **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        """DELETE."""
        return self.open(path, "DELETE", **options)

    def strangers_token(self) -> str:
        """The token of whatever page cookie this browser has; as a page that it opened before would carry."""
        name = self.app.config["SESSION_COOKIE_NAME"]
        cookie = self.browser.get_cookie(name)
        if cookie is None:
            self.get("/sign-in")
            cookie = self.browser.get_cookie(name)
        assert cookie is not None
        signer = SecureCookieSessionInterface().get_signing_serializer(self.app)
        assert signer is not None
        return sign_token(self.app, signer.loads(cookie.value)["csrf_token"])


def sign_token(app: Flask, secret: str) -> str:
    """A page's token, as Flask-WTF signs it."""
    token = URLSafeTimedSerializer(app.secret_key, salt="wtf-csrf-token").dumps(secret)
    return token if isinstance(token, str) else token.decode()


def sign_in(app: Flask, user: User) -> Client:
    """A browser in which `user` is signed in (without going through the sign-in page)."""
    return Client(app, user)
