"""Every route, tried by everybody: what the application answers is what `tests/access_table.py` says."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, text

from helpdesk import clock
from helpdesk.db import Base, db
from helpdesk.models import (
    ApiToken,
    BulkAct,
    Calendar,
    CalendarVersion,
    CannedReply,
    Category,
    Macro,
    Message,
    Notice,
    Right,
    SavedView,
    Scope,
    Target,
    Task,
    TextVariable,
    Webhook,
    WebhookDelivery,
)
from tests.access_table import ROWS, Access, Row
from tests.clients import Client, sign_in
from tests.guards import unguarded

OUT, NOT_ALLOWED, HIDDEN, PASSES = "out", "not allowed", "hidden", "passes"

PEOPLE = ("stranger", "gone", "carl", "reader", "ann", "sue", "dora")

# What each person meets, by the access of the row. "ann" works in the queue of the ticket, "reader" may only see it,
# "carl" works in another queue, "sue" supervises it, "gone" was deactivated while signed in.
EXPECTED: dict[Access, dict[str, str]] = {
    Access.PUBLIC: dict.fromkeys(PEOPLE, PASSES),
    Access.SIGNED_IN: {"carl": PASSES, "reader": PASSES, "ann": PASSES, "sue": PASSES, "dora": PASSES},
    Access.SUPERVISOR: {
        "carl": NOT_ALLOWED,
        "reader": NOT_ALLOWED,
        "ann": NOT_ALLOWED,
        "sue": PASSES,
        "dora": PASSES,
    },
    Access.ADMINISTRATOR: {
        "carl": NOT_ALLOWED,
        "reader": NOT_ALLOWED,
        "ann": NOT_ALLOWED,
        "sue": NOT_ALLOWED,
        "dora": PASSES,
    },
    Access.TICKET_SEE: {"carl": HIDDEN, "reader": PASSES, "ann": PASSES, "sue": PASSES, "dora": PASSES},
    Access.TICKET_WORK: {"carl": HIDDEN, "reader": NOT_ALLOWED, "ann": PASSES, "sue": PASSES, "dora": PASSES},
    Access.QUEUE_SEE: {"carl": HIDDEN, "reader": PASSES, "ann": PASSES, "sue": PASSES, "dora": PASSES},
    Access.QUEUE_WORK: {"carl": HIDDEN, "reader": NOT_ALLOWED, "ann": PASSES, "sue": PASSES, "dora": PASSES},
    Access.TOKEN: {},
    Access.OWN: {"carl": HIDDEN, "reader": HIDDEN, "ann": PASSES, "sue": HIDDEN, "dora": HIDDEN},
}


def routes(app: Any) -> set[str]:
    """Every "METHOD rule" of the application."""
    return {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_route_says_who_may_pass(app):
    missing = sorted(routes(app) - ROWS.keys())
    assert not missing, f"Say in tests/access_table.py who may pass: {', '.join(missing)}"


def test_no_row_speaks_of_a_route_that_is_gone(app):
    gone = sorted(ROWS.keys() - routes(app))
    assert not gone, f"Remove from tests/access_table.py, the routes are gone: {', '.join(gone)}"


@pytest.fixture
def scene(app: Any, session: Any, make: Any, cast: Any, monkeypatch: Any) -> Any:
    """The cast at work on a ticket in Support, and everything else that URLs name."""
    reader, gone, spare = make.user("Reader"), make.user("Gone"), make.user("Spare")
    make.allow(make.group("Readers", reader), cast.support, Right.SEE)
    cast.front.users += [gone, spare]
    cast.mailbox.settings = {"imap_host": "192.0.2.1"}  # nobody connects there: it is a private address
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    ticket.claim(cast.ann)
    message = session.scalars(select(Message).where(Message.ticket_id == ticket.id)).first()
    answer, category = CannedReply(name="Привет", body="Здравствуйте!"), Category(name="Оплата")
    field = make.field("text", "Договор")
    make.crm_panel(cast.support.project_id)
    session.add_all([answer, category])
    session.flush()
    token, _text = ApiToken.issue(cast.ann, cast.ann, "Заказы", [Scope.TICKETS_READ], None)
    webhook = Webhook(name="Заказы", url="https://orders.example/hook")
    session.add(webhook)
    webhook.keep_secret("whsec_made-up")
    delivery = WebhookDelivery(webhook_id=webhook.id)
    session.add(delivery)
    session.flush()
    notice = Notice(user_id=cast.ann.id, kind="promise.warned", ticket_id=ticket.id, payload={"promise": "first"})
    task = Task(user_id=cast.ann.id, title="Позвонить", due_at=clock.now())
    session.add(task)
    calendar, target = Calendar(name="Офис"), Target(first_seconds=3600)
    session.add_all([notice, calendar, target])
    session.flush()
    hours = CalendarVersion(calendar_id=calendar.id, version=1, time_zone="Europe/Kyiv", week=[[[540, 1080]]] * 7)
    session.add(hours)
    session.flush()
    people = {name: sign_in(app, user) for name, user in vars(cast).items() if name in {"ann", "carl", "sue", "dora"}}
    people |= {"reader": sign_in(app, reader), "gone": sign_in(app, gone), "stranger": Client(app)}
    gone.active = False
    values = {
        "ticket_id": ticket.id,
        "number": ticket.number,
        "message_id": message.id,
        "queue_id": cast.support.id,
        "user_id": spare.id,
        "colleague_id": cast.bob.id,
        "group_id": make.group("Spare").id,
        "customer_id": cast.eve.id,
        "channel_id": cast.mailbox.id,
        "project_id": cast.support.project_id,
        "text_id": answer.id,
        "list_name": "reason",
        "value_name": "note",
        "field_id": field.id,
        "session_id": sign_in(app, cast.ann).session_id,
        "event_id": 987654,
        "token_id": token.id,
        "bulk_id": make.add(BulkAct(user_id=cast.ann.id, key="made-up", act="release")).id,
        "macro_id": make.add(Macro(user_id=cast.ann.id, name="Мой макрос", actions={"add_tags": ["свой"]})).id,
        "link_id": 987654,
        "view_id": make.add(SavedView(user_id=cast.ann.id, name="Мои срочные")).id,
        "webhook_id": webhook.id,
        "delivery_id": delivery.id,
        "notice_id": notice.id,
        "task_id": task.id,
        "calendar_id": calendar.id,
        "target_id": target.id,
        "item_id": 987654,
        "file_id": 987654,
        "attachment_id": 987654,
        "organisation_id": 987654,
        "identity_id": 987654,
        "blocked_id": 987654,
        "rule_id": 987654,
        "merge_id": 987654,
        "handling_id": 987654,
        "draft_id": 987654,
        "variable_id": make.add(TextVariable(name="часы")).id,
        "value_id": 987654,
        "opening": "mail",
        "key": "refusal",
        "language": "ru",
        "pattern_id": 0,
        "name": "move",
        "token": "made-up",
        "door": "made-up",
        "filename": "css/base.css",
    }
    return SimpleNamespace(people=people, values=values)


def fill(rule: str, values: dict[str, Any]) -> str:
    """The rule with its variables replaced. Fails with a sentence for a variable that nothing is known of."""

    def value(found: re.Match[str]) -> str:
        name = found[1].rpartition(":")[2]
        assert name in values, f"Give <{name}> a value in the scene of tests/test_authorisation_matrix.py"
        return str(values[name])

    return re.sub(r"<([^>]+)>", value, rule)


def met(answer: Any) -> str:
    """What the person met, in the table's words."""
    if answer.status_code == 401 or (answer.location or "").startswith("/sign-in?"):
        return OUT
    if answer.status_code == 302 and answer.location == "/sign-in":
        return OUT
    if answer.status_code in {405, 500, 501, 502, 503}:
        return f"status {answer.status_code}"
    return {403: NOT_ALLOWED, 404: HIDDEN}.get(answer.status_code, PASSES)


READING = [route for route in ROWS if route.startswith("GET ")]
ACTING = [route for route in ROWS if not route.startswith("GET ")]


@pytest.mark.parametrize("name", PEOPLE)
def test_readers_meet_what_the_table_says_and_change_nothing(app: Any, session: Any, scene: Any, name: str) -> None:
    def everything() -> dict[str, str]:
        own = {"notices"} if name == "ann" else set()  # those that she was shown are seen
        return {table: rows for table, rows in contents(session).items() if table not in own}

    faults = {}
    scene.people[name].get("/profile")
    before, since = everything(), []
    for number, route in enumerate(sorted(routes(app).intersection(READING)), 1):
        found, should, missing = tried(scene, scene.people[name], route, name)
        if found != should or missing:
            faults[route] = (found, should, missing)
        since.append(route)
        if number % 25 == 0:
            assert everything() == before, f"one of {', '.join(since)} changed something"
            since.clear()
    assert everything() == before, f"one of {', '.join(since)} changed something"
    assert not faults, "what they met, what the table says, and which guarding headers are missing"


@pytest.mark.parametrize("name", PEOPLE)
def test_actors_meet_what_the_table_says(app: Any, scene: Any, name: str) -> None:
    """What one route changes is taken back before the next is tried."""
    faults = {}
    for route in sorted(routes(app).intersection(ACTING)):
        db.session.commit()
        before = db.engine.begin_nested()  # the connection of this test, see the fixture `session`
        found, should, missing = tried(scene, scene.people[name].with_new_cookies(), route, name)
        db.session.rollback()
        before.rollback()
        db.session.expire_all()
        if found != should or missing:
            faults[route] = (found, should, missing)
    assert not faults, "what they met, what the table says, and which guarding headers are missing"


def contents(session: Any) -> dict[str, str]:
    """A digest of every table, without what tells only of the reader: activity and sessions."""
    names = [table.name for table in Base.metadata.sorted_tables if table.name not in {"user_sessions", "users"}]
    digest = "SELECT '{0}', coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '') FROM \"{0}\" t"
    rows = session.execute(text(" UNION ALL ".join(digest.format(name) for name in names)))
    return dict(rows.tuples().all())


def tried(scene: Any, client: Client, route: str, name: str) -> tuple[str, str, list[str]]:
    """What somebody met at a route, what the table says that they should, and which guarding headers were missing."""
    row = ROWS[route]
    method, _space, rule = route.partition(" ")
    path = fill(rule, scene.values)
    data = {field: str(value).format(**scene.values) for field, value in row.data.items()}
    # A page of another site may ask too, and must be told nothing; an act of such a page is refused (test_every_route).
    headers = {"Origin": "https://evil.example"} if method == "GET" else {}
    answer = client.open(path, method, data=data or None, headers=headers)
    found, missing = met(answer), unguarded(answer, route)
    answer.close()
    return found, wanted(name, found, EXPECTED[row.access], row), missing


def wanted(name: str, found: str, expected: dict[str, str], row: Row) -> str:
    """What the row wants for one person; signing in is public, so its own redirects are a pass there."""
    word = expected.get(name, OUT)
    if word == PASSES and ((row.absent and found == HIDDEN) or (row.access is Access.PUBLIC and found == OUT)):
        return found
    return word
