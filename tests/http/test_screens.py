"""Doors on the administrator's screens."""

import re
from typing import Any

from sqlalchemy import select

from helpdesk.db import db
from helpdesk.models import Channel, Event, Ticket
from queues import intake
from tests.clients import sign_in
from tests.http.conftest import System, message


def settings_of(cast: Any, **changes: Any) -> dict[str, Any]:
    """A filled-in form."""
    filled = {
        "name": "Магазин",
        "project_id": cast.support.project_id,
        "queue_id": cast.support.id,
        "takes_messages": "y",
        "requests_per_minute": "600",
        "callback_url": "https://shop.example/hook",
    }
    return {name: value for name, value in (filled | changes).items() if value is not None}


def value_of(page: str, field: str) -> str:
    """What a read-only field of a page holds."""
    found = re.search(rf'id="{field}" value="([^"]*)"', page)
    assert found, f"no field {field}"
    return found[1]


def test_a_door_is_made_and_works_with_what_its_page_shows(app: Any, session: Any, cast: Any) -> None:
    dora = sign_in(app, cast.dora)
    assert "/admin/channels/http/new" in dora.get("/admin/channels").get_data(as_text=True)
    assert dora.get("/admin/channels/http/new").status_code == 200
    page = dora.post("/admin/channels/http", data=settings_of(cast)).get_data(as_text=True)
    door, secret = value_of(page, "door"), value_of(page, "made")
    channel = db.session.scalars(select(Channel).where(Channel.kind == "http")).one()
    assert door.endswith(f"/hooks/{channel.door}")
    assert len(channel.door) == 32
    system = System(app, channel, secret)
    assert system.post(message()).status_code == 202
    intake.drain()
    assert db.session.scalars(select(Ticket)).one().queue_id == cast.support.id
    shown = dora.get(f"/admin/channels/http/{channel.id}").get_data(as_text=True)
    assert secret not in shown
    assert door in shown


def test_the_history_knows_of_it_and_not_the_secret(app: Any, session: Any, cast: Any) -> None:
    page = sign_in(app, cast.dora).post("/admin/channels/http", data=settings_of(cast)).get_data(as_text=True)
    secret = value_of(page, "made")
    told = [str(one.payload) for one in db.session.scalars(select(Event).where(Event.kind == "admin.changed"))]
    assert any("Магазин" in one for one in told)
    assert not any(secret in one for one in told)


def test_a_new_secret_leaves_time_for_the_change(app: Any, system: System, cast: Any) -> None:
    page = sign_in(app, cast.dora).post(f"/admin/channels/http/{system.channel.id}/secret").get_data(as_text=True)
    assert system.post(message(id="with-the-old")).status_code == 202
    system.secret = value_of(page, "made")
    assert system.post(message(id="with-the-new")).status_code == 202


def test_faults_are_told_at_their_fields(app: Any, session: Any, cast: Any) -> None:
    dora = sign_in(app, cast.dora)
    for changes, words in (
        ({"callback_url": "ftp://shop.example"}, "must be an address that begins with https://"),
        ({"takes_messages": None}, "A door that takes nothing"),
        ({"requests_per_minute": "0"}, "between 1 and 100000"),
        ({"queue_id": "0"}, "Say how the new queue is called."),
        ({"name": ""}, "required"),
    ):
        answer = dora.post("/admin/channels/http", data=settings_of(cast, **changes))
        assert answer.status_code == 422
        assert words in answer.get_data(as_text=True), words
    assert db.session.scalars(select(Channel).where(Channel.kind == "http")).first() is None


def test_settings_change(app: Any, system: System, cast: Any) -> None:
    dora = sign_in(app, cast.dora)
    path = f"/admin/channels/http/{system.channel.id}"
    saved = dora.post(path, data=settings_of(cast, takes_calls="y", takes_messages=None, callback_url=""))
    assert saved.status_code == 303
    assert system.post(message()).json["field"] == "type"
    assert dora.get(f"/admin/channels/{system.channel.id}").location == path


def test_pausing(app: Any, system: System, cast: Any) -> None:
    dora = sign_in(app, cast.dora)
    dora.post(f"/admin/channels/{system.channel.id}/pause")
    assert system.post(message()).json["error"] == "paused"
    dora.post(f"/admin/channels/{system.channel.id}/resumption")
    assert system.post(message()).status_code == 202


def test_refusals_and_the_check_are_shown(app: Any, system: System, cast: Any) -> None:
    system.post(message(text=None))
    dora = sign_in(app, cast.dora)
    path = f"/admin/channels/http/{system.channel.id}"
    page = dora.get(path).get_data(as_text=True)
    assert "<code>schema</code>" in page
    assert "One of text, html and files is needed." in page
    checked = dora.post(f"{path}/check").get_data(as_text=True)
    assert "shop.example" in checked
    steps = dora.post(f"{path}/check", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert "failed" in steps


def test_status_knows_the_door(app: Any, system: System, cast: Any) -> None:
    system.post(message())
    intake.drain()
    assert "1 = 0 + 1 + 0 + 0" in sign_in(app, cast.dora).get("/status").get_data(as_text=True)
