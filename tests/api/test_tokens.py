"""Tokens: shown once, kept as a hash, worth nothing from the moment when their user, role or time is over."""

from datetime import timedelta

import pytest

from helpdesk import clock, live, passwords, token_changes
from helpdesk.api import callers
from helpdesk.config import settings
from helpdesk.errors import Refused
from helpdesk.models import ApiToken, Event, Role, Scope, UserSession
from helpdesk.models.session import PasswordLink, Purpose
from tests.api.conftest import Program
from tests.clients import sign_in


def test_a_token_says_who_it_is(program, cast):
    answer = program(cast.ann, Scope.TICKETS_READ).get("/token")
    assert answer.json == {
        "token": "tests",
        "kind": "personal",
        "scopes": ["tickets:read"],
        "expires_at": None,
        "user_id": cast.ann.id,
        "user_name": "Ann",
        "role": "operator",
    }


def test_the_text_is_nowhere_in_the_database(session, cast):
    token, text = ApiToken.issue(cast.ann, cast.ann, "tests", [Scope.TICKETS_READ], None)
    assert text.startswith("hd_")
    assert len(text) > 40
    stored = [str(value) for value in session.execute(session.query(ApiToken.__table__).statement).one()]
    assert not any(text in value for value in stored)
    assert token.shown == text[:11]


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer hd_" + "x" * 43, "Bearer xx_abc", "Basic aGRfOng=", "hd_abc", "Bearer hd_é" + "x" * 40],
)
def test_without_a_valid_token_nobody_gets_in(program, cast, header):
    answer = program(None).get("/token", **({"Authorization": header.encode().decode("latin-1")} if header else {}))
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("end", ["revoked", "expired", "deactivated", "another role"])
def test_a_token_ends_at_once(app, session, cast, end, move_clock):
    token, text = ApiToken.issue(cast.ann, cast.ann, "tests", [Scope.TICKETS_READ], clock.now() + timedelta(minutes=10))
    program = Program(app, text)
    assert program.get("/token").status_code == 200
    if end == "revoked":
        token_changes.revoke(cast.ann, token)
    elif end == "expired":
        move_clock("11 minutes")
    elif end == "deactivated":
        cast.ann.active = False
    else:
        cast.ann.role = Role.SUPERVISOR
    assert program.get("/token").status_code == 401


def test_a_cookie_is_no_token_and_a_token_no_cookie(app, session, cast):
    ann = sign_in(app, cast.ann)
    assert ann.get("/api/v1/token").status_code == 401
    assert ann.post("/api/v1/claims").status_code == 401
    _token, text = ApiToken.issue(cast.ann, cast.ann, "tests", list(Scope), None)
    stranger = app.test_client()
    session.commit()
    with app.app_context():
        assert stranger.get("/queues", headers={"Authorization": f"Bearer {text}"}).status_code == 302


def test_who_has_not_finished_signing_in_has_no_use_of_a_token(program, cast):
    ann = program(cast.ann)
    cast.ann.password_is_one_time = True
    assert ann.get("/token").status_code == 403


def test_use_is_written_down_at_most_once_a_minute(app, session, cast, move_clock):
    token, text = ApiToken.issue(cast.ann, cast.ann, "tests", [Scope.TICKETS_READ], None)
    program = Program(app, text)
    program.get("/token")
    first = token.last_used_at
    assert first is not None
    program.get("/token")
    assert token.last_used_at == first
    move_clock("61 seconds")
    program.get("/token")
    assert token.last_used_at > first


def test_a_token_asks_only_so_often(program, cast, monkeypatch):
    monkeypatch.setattr(settings(), "api_requests_per_minute", 3)
    monkeypatch.setattr(callers.time, "time", lambda: 1_767_225_600.0 + 20)
    ann = program(cast.ann)
    for key in live.connection().scan_iter("api-requests:*"):
        live.connection().delete(key)
    answers = [ann.get("/token") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit"] for answer in answers[:2]] == ['"token";r=2;t=40', '"token";r=1;t=40']
    assert answers[0].headers["RateLimit-Policy"] == '"token";q=3;w=60'
    assert answers[3].headers["Retry-After"] == "40"
    assert program(cast.bob).get("/token").status_code == 200


def test_without_redis_nobody_counts(program, cast, monkeypatch):
    import redis

    class Away:
        def pipeline(self, **_options):
            raise redis.ConnectionError("away")

    ann = program(cast.ann)
    monkeypatch.setattr(settings(), "api_requests_per_minute", 1)
    monkeypatch.setattr(live, "connection", lambda: Away())
    assert [ann.get("/token").status_code for _ in range(3)] == [200] * 3


# --- the screens ------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_password(session, cast):
    for user in (cast.ann, cast.dora):
        user.password_hash = passwords.hash_password("Корова-на-крыше-42")
    session.flush()
    return "Корова-на-крыше-42"


def shown(page):
    """The token on a page."""
    return page.text.partition('value="hd_')[2].partition('"')[0]


def test_a_person_makes_and_revokes_a_token(app, session, cast, with_password):
    ann = sign_in(app, cast.ann)
    form = {"name": "Заказы", "scope": ["tickets:read", "webhooks:manage"], "days": "30"}
    refused = ann.post("/profile/tokens", data={**form, "password": "wrong"})
    assert refused.status_code == 422
    assert "Заказы" in refused.text
    made = ann.post("/profile/tokens", data={**form, "password": with_password})
    assert made.status_code == 201
    program = Program(app, "hd_" + shown(made))
    assert program.get("/token").json["scopes"] == ["tickets:read"]  # webhooks are for administrators
    assert program.get("/tickets").status_code == 200
    (token,) = ApiToken.of_user(cast.ann)
    assert shown(ann.get("/profile/tokens")) == ""
    ann.post(f"/profile/tokens/{token.id}/revocation")
    assert program.get("/token").status_code == 401
    kinds = [event.payload["changes"] for event in session.query(Event).filter_by(kind="admin.changed")]
    assert [("made" in one, "revoked" in one) for one in kinds] == [(True, False), (False, True)]


def test_an_administrator_makes_a_token_for_a_program_of_nobody(app, session, cast, make, with_password):
    ticket, hidden = make.ticket(cast.support), make.ticket(cast.billing)
    form = {
        "user_name": "Магазин",
        "role": "operator",
        "group": [str(cast.front.id)],
        "name": "Магазин, заказы",
        "scope": ["tickets:read", "claims:write"],
        "days": "0",
        "password": with_password,
    }
    made = sign_in(app, cast.dora).post("/admin/api/tokens", data=form)
    assert made.status_code == 201
    program = Program(app, "hd_" + shown(made))
    me = program.get("/token").json
    assert (me["kind"], me["user_name"], me["expires_at"]) == ("system", "Магазин", None)
    assert program.get(f"/tickets/{hidden.id}").status_code == 404
    claimed = program.post("/claims")
    assert claimed.status_code == 200, claimed.text
    assert claimed.json["ticket"]["owner"]["name"] == "Магазин"
    events = program.get(f"/tickets/{ticket.id}/events").json["items"]
    assert events[-1]["actor"]["name"] == "Магазин"


def test_nobody_signs_in_as_a_system_user(session, cast):
    robot = token_changes.make_system_user(cast.dora, "Магазин", Role.OPERATOR, [])
    with pytest.raises(Refused):
        PasswordLink.issue(robot, Purpose.RESET)
    assert session.query(UserSession).filter_by(user_id=robot.id).count() == 0
    with pytest.raises(Refused):
        token_changes.make_system_user(cast.dora, "магазин", Role.OPERATOR, [])
