"""The thin layer between Flask and the API's operations: what an operation declares is checked, done and documented.

    tickets = Noun("tickets", "Requests of customers.")

    @tickets.get("/tickets/{ticket_id}", scope=Scope.TICKETS_READ, answer=Ticket)
    def show(caller: Caller, ticket_id: int) -> Ticket: ...

A view gets the caller, the ids of its address, and `body` and `query` where it declares them, already validated; it
fetches through what the caller's user may see, calls one verb, and returns its answer's model. Everything else (token,
scope, limits, repeated requests, problems, the document) is done here, once. There is one commit, at the request's end.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Blueprint, Flask, Response, current_app, g, request
from flask_babel import gettext as _
from pydantic import BaseModel, ValidationError

from helpdesk.api import repeats
from helpdesk.api.callers import Allowance, Caller, identify
from helpdesk.api.problems import PATH, ChangedMeanwhile, Malformed, NotJson, invalid
from helpdesk.api.schemas import BIGGEST, In, Query
from helpdesk.errors import NotFound
from helpdesk.handlers import csrf
from helpdesk.models import Scope

V = TypeVar("V", bound=Callable[..., Any])

_VARIABLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Operation:
    """One thing that the API does. `answer` None is an empty answer (204); `versioned` takes the header If-Match."""

    noun: "Noun"
    method: str
    path: str
    view: Callable[..., Any]
    scope: Scope | None
    answer: type[BaseModel] | None
    status: int
    body: type[In] | None
    query: type[Query] | None
    versioned: bool

    @property
    def name(self) -> str:
        """Its name in the document, unique."""
        return f"{self.noun.name}.{self.view.__name__}"

    @property
    def variables(self) -> list[str]:
        """The ids in its address."""
        return _VARIABLE.findall(self.path)

    @property
    def repeatable(self) -> bool:
        """Whether a key may say that a request is the same as an earlier one."""
        return self.method == "POST"


class Noun:
    """What belongs together in addresses and in the document."""

    def __init__(self, name: str, description: str) -> None:
        self.name = name
        self.description = description
        self.operations: list[Operation] = []

    def operation(
        self,
        method: str,
        path: str,
        *,
        scope: Scope | None,
        answer: type[BaseModel] | None,
        status: int = 200,
        body: type[In] | None = None,
        query: type[Query] | None = None,
        versioned: bool = False,
    ) -> Callable[[V], V]:
        """Declare a view as an operation; see the module's docstring."""

        def declare(view: V) -> V:
            done = 204 if answer is None else status
            self.operations.append(
                Operation(self, method, path, view, scope, answer, done, body, query, versioned)
            )
            return view

        return declare

    def get(self, path: str, **options: Any) -> Callable[[V], V]:
        """An operation that reads."""
        return self.operation("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[V], V]:
        """An operation that acts."""
        return self.operation("POST", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[V], V]:
        """An operation that changes fields."""
        return self.operation("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[V], V]:
        """An operation that takes something away."""
        return self.operation("DELETE", path, **options)

    def init_app(self, app: Flask) -> None:
        """Add the operations to the application and to its document."""
        pages = Blueprint(f"api_{self.name}", __name__, url_prefix=PATH.rstrip("/"))
        for operation in self.operations:
            pages.add_url_rule(
                _VARIABLE.sub(r"<int:\1>", operation.path),
                endpoint=f"{operation.view.__name__}",
                view_func=_route(operation),
                methods=[operation.method],
                provide_automatic_options=False,
            )
        pages.after_request(_say_allowance)
        csrf.exempt(pages)  # no cookie counts here, so no page of elsewhere can act in anybody's name
        app.register_blueprint(pages)
        app.extensions.setdefault("api_nouns", []).append(self)


def _route(operation: Operation) -> Callable[..., Response]:
    def route(**ids: int) -> Response:
        return _perform(operation, ids)

    return route


def _perform(operation: Operation, ids: dict[str, int]) -> Response:
    caller = identify()
    if operation.scope is not None:
        caller.needs(operation.scope)
    if any(not 0 < value <= BIGGEST for value in ids.values()):
        raise NotFound(_("There is nothing here, or you may not see it."))
    given: dict[str, Any] = dict(ids)
    query = _read_query(operation)
    if query is not None:
        given["query"] = query
    body = _read_body(operation)
    if operation.body is not None:
        given["body"] = body
    key = repeats.wanted_key() if operation.repeatable else None
    if key is not None and (before := repeats.earlier(caller.user, key)) is not None:
        return _respond(before, repeated=True)
    made = _dump(operation, operation.view(caller, **given))
    if key is not None:
        repeats.remember(caller.user, key, made)
    return _respond(made)


def _read_query(operation: Operation) -> Query | None:
    model = operation.query or Query
    given: dict[str, Any] = {}
    for name, values in request.args.lists():
        field = model.model_fields.get(name)
        many = field is not None and "list" in str(field.annotation)
        given[name] = values if many or len(values) > 1 else values[0]
    try:
        found = model.model_validate(given)
    except ValidationError as error:
        raise invalid(error, "query") from error
    return found if operation.query is not None else None


def _read_body(operation: Operation) -> In | None:
    raw = request.get_data()
    if operation.body is None and not raw.strip():
        return None
    if request.mimetype != "application/json":
        raise NotJson(_("Send the body as application/json."))
    try:
        return (operation.body or In).model_validate_json(raw)
    except ValidationError as error:
        if any(one["type"] == "json_invalid" for one in error.errors()):
            raise Malformed(_("The body is not valid JSON.")) from error
        raise invalid(error, "body") from error


def _dump(operation: Operation, result: Any) -> dict[str, Any]:
    """The answer as it is sent, and kept for a repeated request."""
    headers: dict[str, str] = {}
    if operation.answer is None:
        return {"status": operation.status, "body": None, "headers": headers}
    assert isinstance(result, operation.answer), operation.name
    version = getattr(result, "version", None)
    if version is not None:
        headers["ETag"] = f'"{version}"'
    return {"status": operation.status, "body": result.model_dump(mode="json", by_alias=True), "headers": headers}


def _respond(made: dict[str, Any], repeated: bool = False) -> Response:
    text = "" if made["body"] is None else json.dumps(made["body"], ensure_ascii=False)
    response = current_app.make_response((text, made["status"], made["headers"]))
    if made["body"] is None:
        response.headers.pop("Content-Type", None)
    else:
        response.mimetype = "application/json"
    if repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _say_allowance(response: Response) -> Response:
    """What the token may still ask for (draft-ietf-httpapi-ratelimit-headers)."""
    allowance: Allowance | None = g.get("api_allowance")
    if allowance is not None:
        response.headers["RateLimit-Policy"] = f'"token";q={allowance.most};w=60'
        response.headers["RateLimit"] = f'"token";r={allowance.left};t={allowance.seconds}'
    return response


def check_version(present: int) -> None:
    """Hold the present version of a thing against the header If-Match, where there is one.

    Raises ChangedMeanwhile when the caller has seen another one.
    """
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*":
        return
    if f'"{present}"' not in [one.strip() for one in wanted.split(",")]:
        raise ChangedMeanwhile(_("It was changed since you read it. Read it again, then decide."), version=present)


__all__ = ["Caller", "Noun", "Operation", "check_version"]
