"""A program with a token, for tests: each request in a context of its own, like `tests.clients`."""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from helpdesk.db import db
from helpdesk.models import ApiToken, Scope, User


class Program:
    """A program that calls the API with one token; `text` None calls without."""

    def __init__(self, app: Any, text: str | None) -> None:
        self.app = app
        self.text = text

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """One request to `/api/v1<path>`. Header names are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.text is not None:
            sent.setdefault("Authorization", f"Bearer {self.text}")
        data = None if body is None else json.dumps(body)
        mimetype = None if body is None else "application/json"
        db.session.commit()
        with self.app.app_context():
            answer = self.app.test_client(use_cookies=False).open(
                f"/api/v1{path}", method=method, data=data, headers=sent, content_type=mimetype
            )
        db.session.expire_all()
        return answer

    def get(self, path: str, **headers: str) -> TestResponse:
        """GET."""
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        """POST."""
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        """PATCH."""
        return self.call("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> TestResponse:
        """DELETE."""
        return self.call("DELETE", path, **headers)


@pytest.fixture
def program(app: Any, session: Any) -> Any:
    """Makes programs: `program(ann)` has all scopes, `program(ann, Scope.TICKETS_READ)` one, `program(None)` none."""

    def make(user: User | None, *scopes: Scope) -> Program:
        if user is None:
            return Program(app, None)
        return Program(app, ApiToken.issue(user, user, "tests", scopes or list(Scope), None)[1])

    return make
