"""The API's document: as JSON for programs, as a page for people."""

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template
from flask.typing import ResponseReturnValue
from flask_login import login_required

from helpdesk.api.document import SCOPES, document
from helpdesk.api.problems import KINDS
from helpdesk.config import settings

pages = Blueprint("api_reference", __name__)

BODY_OF = "application/json"


@pages.get("/api/v1/openapi.json")
def openapi() -> Response:
    """The OpenAPI document. Public: it says nothing of this installation but its address."""
    return jsonify(_document())


@pages.get("/api/docs")
@login_required
def show() -> ResponseReturnValue:
    """The reference, to be read."""
    made = _document()
    return render_template(
        "api/reference.html",
        base_url=made["servers"][0]["url"],
        chapters=_chapters(made),
        schemas={name: _fields(schema) for name, schema in sorted(made["components"]["schemas"].items())},
        notes={name: schema.get("description", "") for name, schema in made["components"]["schemas"].items()},
        scopes=SCOPES,
        kinds=KINDS,
    )


def _document() -> dict[str, Any]:
    return document(current_app, settings().public_url)


def _chapters(made: dict[str, Any]) -> list[dict[str, Any]]:
    chapters = {tag["name"]: {**tag, "operations": []} for tag in made["tags"]}
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            chapters[operation["tags"][0]]["operations"].append(_operation(method.upper(), path, operation))
    return list(chapters.values())


def _operation(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    done = next(status for status in operation["responses"] if status.startswith("2"))
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "description": operation["description"].partition("Scope: ")[0].strip(),
        "scope": operation.get("x-scope", ""),
        "parameters": [
            {**one, "kind": _kind(one["schema"]), "description": one.get("description", "")}
            for one in operation["parameters"]
            if one["in"] != "path"
        ],
        "body": _named(operation.get("requestBody", {})),
        "answer": _named(operation["responses"][done]),
        "status": done,
    }


def _named(content: dict[str, Any]) -> str:
    """The name of the schema of a body."""
    schema = content.get("content", {}).get(BODY_OF, {}).get("schema", {})
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _fields(schema: dict[str, Any]) -> list[dict[str, Any]]:
    needed = schema.get("required", [])
    return [
        {
            "name": name,
            "kind": _kind(field),
            "ref": _ref(field),
            "required": name in needed,
            "description": field.get("description", ""),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _ref(field: dict[str, Any]) -> str:
    for part in (field, field.get("items", {}), *field.get("anyOf", [])):
        if "$ref" in part:
            return str(part["$ref"]).rpartition("/")[2]
    return ""


def _kind(field: dict[str, Any]) -> str:
    """A type in a word or two, as programmers say it."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " | ".join(_kind(one) for one in field["anyOf"])
    if "enum" in field:
        return " | ".join(str(one) for one in field["enum"])
    if "const" in field:
        return str(field["const"])
    if field.get("type") == "array":
        return f"[{_kind(field.get('items', {}))}]"
    return str(field.get("format") or field.get("type", "any"))
