"""Every route of the application, met with what an attacker would send: one loop for each class of fault."""

import re
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import Text, select, update

from helpdesk.db import Base, db
from helpdesk.files import attach
from helpdesk.models import Message
from tests.access_table import ROWS, Access
from tests.clients import Client, sign_in
from tests.guards import unguarded
from tests.test_authorisation_matrix import ACTING, READING, contents, fill, routes, scene  # noqa: F401 - a fixture

PAYLOAD = "'\"><zz-canary onx=1>{{7*11111111}}"
RAW = ("<zz-canary", "77777777")
PARAMETERS = (
    *("q", "next", "view", "after", "before", "older_than", "current", "then", "provider", "error", "state", "code"),
    *("error_description", "language", "name", "message_id", "topic", "topics", "version", "page", "sort"),
)
FREE_TEXT = (
    ("customers", "name note"),
    ("tickets", "title closing_reason"),
    ("messages", "subject text visible_text sender sender_name"),
    ("queues", "name salutation signature"),
    ("channels", "name last_error"),
    ("categories", "name"),
    ("list_items", "name"),
    ("fields", "label hint"),
    ("canned_replies", "name body"),
    ("groups", "name"),
    ("projects", "name"),
    ("users", "name"),
    ("tasks", "title note"),
)


def opened(client: Client, route: str, values: dict[str, Any], **options: Any) -> Any:
    """The answer of one route."""
    method, _space, rule = route.partition(" ")
    return client.open(fill(rule, values), method, **options)


@pytest.mark.parametrize("attack", ["no token", "another site", "another host's page"])
def test_nothing_changes_without_the_token_and_our_own_page(app: Any, session: Any, scene: Any, attack: str) -> None:  # noqa: F811
    dora = scene.people["dora"]
    dora.get("/profile")
    headers = {
        "another site": {"Sec-Fetch-Site": "cross-site"},
        "another host's page": {"Origin": "https://evil.example"},
    }
    before, faults = contents(session), {}
    for route in sorted(routes(app).intersection(ACTING)):
        if route.startswith("POST /hooks/"):
            continue  # not a cookie but a signature proves who posts there
        answer = opened(dora, route, scene.values, token=attack != "no token", headers=headers.get(attack, {}))
        # the API takes tokens alone: there a browser is nobody, whichever page sent it
        if answer.status_code != (401 if ROWS[route].access is Access.TOKEN else 403):
            faults[route] = answer.status_code
    assert not faults
    assert contents(session) == before


@pytest.mark.parametrize("who", ["stranger", "carl", "dora"])
def test_refusals_and_what_there_is_not_have_the_headers_that_guard_them(app: Any, scene: Any, who: str) -> None:  # noqa: F811
    """All other answers, pages and fragments, downloads and redirects, are looked at where they are asked for."""
    faults = {}
    sent = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    tried = sorted(routes(app).intersection(ACTING))
    for route in [*tried, "GET /there/is/nothing", "OPTIONS /profile", "TRACE /profile", "PATCH /profile"]:
        answer = opened(scene.people[who], route, scene.values, token=False, headers=sent)
        if missing := unguarded(answer, route):
            faults[route] = (answer.status_code, missing)
        answer.close()
    assert not faults


def test_what_a_url_says_is_never_markup_and_never_leads_away(app: Any, scene: Any) -> None:  # noqa: F811
    dora, faults = scene.people["dora"], []
    query = dict.fromkeys(PARAMETERS, PAYLOAD)
    texts = {"name": PAYLOAD, "number": PAYLOAD, "token": PAYLOAD, "key": PAYLOAD, "language": PAYLOAD}
    elsewhere = dict.fromkeys(PARAMETERS, "//evil.example/x")
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    for route in sorted(routes(app).intersection(READING)):
        for values, given, headers in (
            (scene.values, query, {}),
            ({**scene.values, **texts}, {}, {}),
            (scene.values, elsewhere, forged),
        ):
            answer = opened(dora, route, values, query_string=given, headers=headers)
            told = "\n".join(f"{name}: {value}" for name, value in answer.headers)
            if unguarded(answer, route) or any(raw in answer.text or raw in told for raw in RAW):
                faults.append((route, answer.status_code, unguarded(answer, route), list(given) or "path"))
            if re.match(r"(https?:)?//evil", answer.location or "") or "evil.example" in link_hosts(answer.text):
                faults.append((route, "leads away"))
            answer.close()
    assert not faults


def link_hosts(page: str) -> set[str]:
    """The hosts of a page's links and forms."""
    return set(re.findall(r'(?:href|src|action)="(?:https?:)?//([^/"]+)', page))


def test_what_people_wrote_anywhere_is_never_markup(app: Any, session: Any, scene: Any) -> None:  # noqa: F811
    for table, columns in FREE_TEXT:
        found = Base.metadata.tables[table]
        for column in columns.split():
            assert isinstance(found.c[column].type, Text)
            # names may be unique
            session.execute(update(found).values({column: PAYLOAD + db.cast(found.c.id, Text)}))
    attach(session.get_one(Message, scene.values["message_id"]), PAYLOAD, PAYLOAD, b"x")
    session.commit()
    session.expire_all()
    faults, escaped = [], set()
    for who in ("ann", "dora"):
        for route in sorted(routes(app).intersection(READING)):
            for headers in ({}, {"HX-Request": "true"}):
                answer = opened(
                    scene.people[who], route, scene.values, query_string={"q": "zz-canary"}, headers=headers
                )
                markup = answer.mimetype != "application/json" and any(raw in answer.text for raw in RAW)
                if answer.status_code >= 500 or markup or unguarded(answer, route):
                    faults.append((route, who, answer.status_code, unguarded(answer, route)))
                if "&lt;zz-canary" in answer.text:
                    escaped.add(route)
                answer.close()
    assert not faults
    assert len(escaped) > 25, "the pages do show what was written"


GUARDED = {
    "users": "role active password_hash totp_secret email claim_limit password_is_one_time permissions",
    "tickets": "number customer_id conversation_id project_id channel_id",
    "messages": "kind text html user_id customer_id ticket_id at",
    "customers": "blocked merged_into_id",
    "channels": "*",
    "queues": "*",
    "queue_rights": "*",
    "memberships": "*",
    "groups": "*",
    "projects": "*",
    "settings": "*",
    "canned_replies": "*",
    "categories": "*",
    "list_items": "*",
    "fields": "*",
    "crm_panels": "*",
    "customer_texts": "*",
    "password_links": "*",
}


def guarded(session: Any) -> dict[str, list[Any]]:
    """What no operator changes: the columns of GUARDED, of the rows that are there now."""
    rows = {}
    for name, columns in GUARDED.items():
        table = Base.metadata.tables[name]
        chosen = list(table.c) if columns == "*" else [table.c.id, *(table.c[one] for one in columns.split())]
        rows[name] = sorted(map(repr, session.execute(select(*chosen))))
    return rows


@pytest.mark.parametrize("value", ["administrator", "1"])
def test_fields_that_a_form_does_not_have_change_nothing(app: Any, session: Any, scene: Any, value: str) -> None:  # noqa: F811
    ann = scene.people["ann"].user
    fields = {column.name for table in Base.metadata.sorted_tables for column in table.c} - {"password"}
    data = {**dict.fromkeys(fields, value), "is_administrator": value, "csrf_token": "x"}
    before, faults = guarded(session), set()
    for route in sorted(routes(app).intersection(ACTING)):
        opened(sign_in(app, ann), route, scene.values, data=data).close()
        now = guarded(session)
        changed = {name for name, rows in before.items() if not set(rows) <= set(now[name])}
        # words that were said are new rows; all else stays row by row
        grown = {name for name, rows in now.items() if len(rows) > len(before[name])} - {"messages"}
        faults |= {(route, name) for name in changed | grown}
    assert not faults


@pytest.mark.parametrize(
    "options",
    [
        {"data": {f"x{number}": "1" for number in range(10_000)}, "content_type": "multipart/form-data"},
        {"data": {"name": "x" * 3_000_000}, "content_type": "multipart/form-data"},
        {"data": {"name": "x" * 4_000_000}},
        {"data": "a&" * 100_000, "content_type": "application/x-www-form-urlencoded"},
        {"data": {f"f{number}": (BytesIO(b"x"), "x.txt") for number in range(500)}},
        {"data": b"x" * (33 * 1024 * 1024), "content_type": "application/octet-stream"},
    ],
    ids=["parts", "field", "form", "fields", "files", "body"],
)
def test_forms_have_limits(app: Any, cast: Any, options: dict[str, Any]) -> None:
    assert sign_in(app, cast.ann).post("/profile", **options).status_code == 413


def test_strangers_send_little(app: Any, session: Any) -> None:
    stranger = Client(app)
    assert stranger.post("/sign-in", data={"email": "x" * 100_000}).status_code == 413
    assert stranger.post("/sign-in", data={"email": "x" * 10_000}).status_code == 422


def test_the_longest_reply_fits(app: Any, make: Any, cast: Any) -> None:
    ticket = make.ticket(cast.support)
    ann = sign_in(app, cast.ann)
    assert ann.post(f"/tickets/{ticket.id}/notes", data={"body": "\N{GRINNING FACE}" * 200_000}).status_code == 303
