"""The least that a page of fifty rows costs here: Flask, one template, one query, under the same web server."""

import os

import psycopg
from flask import Flask, render_template_string

app = Flask(__name__)
PAGE = "<!doctype html><title>floor</title><table>{% for row in rows %}<tr>{% for value in row %}<td>{{ value }}</td>{% endfor %}</tr>{% endfor %}</table>"  # noqa: E501
QUERY = b"SELECT id, number, title, state, line_at FROM tickets WHERE queue_id = %s AND kind = 'active' AND owner_id IS NULL ORDER BY line_class, line_at, id LIMIT 50"  # noqa: E501
_connection: "psycopg.Connection[tuple[object, ...]] | None" = None


def _connected() -> "psycopg.Connection[tuple[object, ...]]":
    global _connection
    if _connection is None:
        _connection = psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", ""), autocommit=True)
    return _connection


@app.get("/ready")
def ready() -> str:
    """For whoever waits for the server."""
    return "ready"


@app.get("/page/<int:queue_id>")
def page(queue_id: int) -> str:
    """The page."""
    return render_template_string(PAGE, rows=_connected().execute(QUERY, (queue_id,)).fetchall())
