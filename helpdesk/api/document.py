"""The OpenAPI 3.1 document, made from what the operations declare."""

import inspect
from functools import cache
from typing import Any

from flask import Flask
from flask_babel import lazy_gettext as _l
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from helpdesk.api import repeats
from helpdesk.api.framework import Noun, Operation
from helpdesk.api.problems import KINDS, MEDIA_TYPE, PATH
from helpdesk.api.schemas import BIGGEST, Problem
from helpdesk.models import Scope

VERSION = "1.0"
TEMPLATE = "#/components/schemas/{model}"
JSON = "application/json"

SCOPES = {
    Scope.TICKETS_READ: _l("Read tickets, their messages and their history."),
    Scope.TICKETS_WRITE: _l("Open tickets, answer, note, and change their facts and states."),
    Scope.CUSTOMERS_READ: _l("Read customers and their addresses."),
    Scope.CUSTOMERS_WRITE: _l("Add and change customers."),
    Scope.QUEUES_READ: _l("Read queues and their figures."),
    Scope.CLAIMS_WRITE: _l("Take, give back, hand over and move tickets."),
    Scope.WEBHOOKS_MANAGE: _l("Manage webhooks; for administrators."),
}

ABOUT = """\
Tickets, messages, customers, queues and claims, for programs. A token acts as a user: it sees and does what that user
may on the screens, within its scopes. What it may not see looks as if it were not there (404)."""


def nouns(app: Flask) -> list[Noun]:
    """What the document speaks of, in the order of its chapters."""
    found: list[Noun] = app.extensions["api_nouns"]
    return found


def document(app: Flask, base_url: str) -> dict[str, Any]:
    """The whole document; `base_url` is where this installation is reached."""
    chapters = tuple(nouns(app))
    made = _made(chapters)
    return {**made, "servers": [{"url": base_url + PATH.rstrip("/")}]}


@cache
def _made(chapters: tuple[Noun, ...]) -> dict[str, Any]:
    operations = [operation for noun in chapters for operation in noun.operations]
    refs, schemas = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, refs, schemas)
    for operation in operations:
        if operation.query is not None:
            schemas.pop(operation.query.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Helpdesk", "version": VERSION, "description": ABOUT},
        "tags": _tags(chapters),
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A personal or system token, hd_…"}
            },
        },
    }


def _tags(chapters: tuple[Noun, ...]) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    for noun in chapters:
        found.setdefault(noun.name, noun.description)
    return [{"name": name, "description": text} for name, text in found.items()]


def _schemas(operations: list[Operation]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    wanted: dict[tuple[type[BaseModel], Any], None] = {(Problem, "serialization"): None}
    for operation in operations:
        for model, mode in (
            (operation.body, "validation"),
            (operation.query, "validation"),
            (operation.answer, "serialization"),
        ):
            if model is not None:
                wanted[model, mode] = None
    refs, definitions = models_json_schema(list(wanted), ref_template=TEMPLATE)
    return refs, _tidy(definitions["$defs"])


def _tidy(found: Any) -> Any:
    """Schemas without the titles that pydantic makes of names; a property may well be called title."""
    if isinstance(found, dict):
        return {
            name: _tidy(value)
            for name, value in found.items()
            if not (name == "title" and isinstance(value, str))
        }
    return [_tidy(value) for value in found] if isinstance(found, list) else found


def _operation(operation: Operation, refs: dict[Any, dict[str, Any]], schemas: dict[str, Any]) -> dict[str, Any]:
    summary, _blank, rest = inspect.cleandoc(operation.view.__doc__ or "").partition("\n\n")
    needed = f"Scope: `{operation.scope}`." if operation.scope else ""
    made: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.noun.name],
        "summary": " ".join(summary.split()),
        "description": "\n\n".join(filter(None, [rest.strip(), needed])),
        "parameters": _parameters(operation, schemas),
        "responses": _responses(operation, refs),
    }
    if operation.scope is not None:
        made["x-scope"] = str(operation.scope)
    if operation.body is not None:
        schema = refs[operation.body, "validation"]
        made["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return made


def _parameters(operation: Operation, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1, "maximum": BIGGEST},
        }
        for name in operation.variables
    ]
    if operation.query is not None:
        schema = schemas[operation.query.__name__]
        for name, field in schema["properties"].items():
            found.append({"name": name, "in": "query", "required": False, "schema": _given(field), **_told(field)})
    if operation.repeatable:
        text = "A key of your own for this act: sent again with the same key and body, it is done once."
        found.append(_header(repeats.HEADER, {"type": "string", "pattern": repeats.PATTERN}, text))
    if operation.versioned:
        text = "The ETag that you read: 412 when the thing was changed since."
        found.append(_header("If-Match", {"type": "string", "pattern": r'^("[0-9]{1,18}"|\*)$'}, text))
    return found


def _given(field: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is there has a value: null says only that it may be left out."""
    kinds = [one for one in field.get("anyOf", []) if one != {"type": "null"}]
    rest = {name: value for name, value in field.items() if name not in {"anyOf", "default", "description"}}
    if len(kinds) == 1:
        rest |= kinds[0]
    return {**rest, "default": field["default"]} if field.get("default") is not None else rest


def _told(field: dict[str, Any]) -> dict[str, str]:
    return {"description": field["description"]} if "description" in field else {}


def _header(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": text, "schema": schema}


def _responses(operation: Operation, refs: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if operation.answer is not None:
        done["content"] = {JSON: {"schema": refs[operation.answer, "serialization"]}}
        if "version" in operation.answer.model_fields:
            done["headers"] = {"ETag": {"description": "The version, for If-Match.", "schema": {"type": "string"}}}
    problem = {MEDIA_TYPE: {"schema": refs[Problem, "serialization"]}}
    refusals = {
        str(status): {"description": KINDS[status][1] + ".", "content": problem} for status in _refusals(operation)
    }
    return {str(operation.status): done, **refusals}


def _refusals(operation: Operation) -> list[int]:
    """What an operation may answer beside success."""
    found = {400, 401, 403, 422, 429, 503}
    if operation.variables:
        found.add(404)
    if operation.method != "GET":
        found |= {404, 408, 409, 413, 415}
    if operation.versioned:
        found.add(412)
    return sorted(found)
