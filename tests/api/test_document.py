"""The document is made from the code, valid, closed, and shown to people."""

import re
import subprocess
import sys

import pytest

from helpdesk.models import Scope
from tests.api.receivers import EXAMPLES
from tests.clients import Client, sign_in


@pytest.fixture
def document(app, session):
    return Client(app).get("/api/v1/openapi.json").json


def test_every_answer_is_closed_and_complete(document):
    for name, schema in document["components"]["schemas"].items():
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False, name
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            done = [status for status in operation["responses"] if status.startswith("2")]
            assert len(done) == 1, (method, path)
            assert {"401", "429"} <= operation["responses"].keys()
            assert operation["summary"]


def test_each_operation_and_field_is_named_once(document):
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names)) > 25


def test_the_document_names_nothing_that_is_not_there(document):
    text = str(document)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in document["components"]["schemas"]


def test_the_reference_shows_each_operation(app, cast, document):
    page = sign_in(app, cast.ann).get("/api/docs").text
    for methods in document["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    for scope in Scope:
        assert scope.value in page
    assert "style=" not in page


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/api/v1/nothing", "GET", 404), ("/api/v1/tickets", "PUT", 405), ("/api/v1/tickets/x", "GET", 404)],
)
def test_what_is_not_there_is_a_problem_too(app, session, path, method, status):
    answer = Client(app).open(path, method, token=False)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    if status == 405:
        assert answer.headers["Allow"] == "GET, HEAD" or "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("data", "mimetype", "status"),
    [
        (b"{", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"body": "\\ud800"}', "application/json", 400),
        (b'{"body": "' + b"x" * 4_000_000 + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(app, program, make, cast, data, mimetype, status):
    ticket = make.ticket(cast.support)
    ann = program(cast.ann)
    from helpdesk.db import db

    db.session.commit()
    with app.app_context():
        answer = app.test_client().post(
            f"/api/v1/tickets/{ticket.id}/notes",
            data=data,
            content_type=mimetype,
            headers={"Authorization": f"Bearer {ann.text}"},
        )
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


def test_the_example_client_takes_a_ticket_reads_it_and_leaves_a_note(app, make_committed, committed):
    import threading

    from werkzeug.serving import make_server

    from helpdesk.models import ApiToken, Message

    cast = make_committed.cast()
    make_committed.ticket(cast.support, title="Где мой заказ?")
    _token, text = ApiToken.issue(cast.ann, cast.ann, "Магазин", list(Scope), None)
    committed.commit()
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    env = {"HELPDESK_URL": f"http://127.0.0.1:{server.port}", "HELPDESK_TOKEN": text, "PYTHONIOENCODING": "utf-8"}
    try:
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / "api_client.py")], env=env, capture_output=True, text=True, timeout=60
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert done.returncode == 0, done.stderr
    assert "Где мой заказ?" in done.stdout
    note = committed.query(Message).filter_by(kind="note").one()
    assert note.text == "Read by Магазин."
