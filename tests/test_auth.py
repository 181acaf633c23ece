"""Sessions: who is asking, for how long, and what ends it."""

import pytest

from helpdesk import auth
from helpdesk.models import UserSession
from helpdesk.models.session import end_sessions
from tests.clients import Client, sign_in


def test_a_cookie_names_a_living_session(app, cast):
    assert sign_in(app, cast.ann).get("/profile").status_code == 200
    assert Client(app).get("/profile").status_code == 302


def test_the_database_does_not_know_the_token(session, cast):
    _row, token = UserSession.begin(cast.ann, "full")
    assert token.encode() not in bytes(session.query(UserSession).one().token_hash)


@pytest.mark.parametrize("cookie", ["", "x", "%", "null", "0" * 43, "a" * 100_000, "\x00", "ы"])
def test_made_up_tokens_open_nothing(app, cast, cookie):
    client = Client(app)
    client.browser.set_cookie("sid", cookie)
    assert client.get("/profile").status_code in {302, 400}


def test_a_stranger_is_led_to_the_sign_in_page_and_back(app, cast):
    answer = Client(app).get("/profile?x=1")
    assert answer.location == "/sign-in?next=/profile?x%3D1"


def test_a_fragment_for_a_stranger_is_no_sign_in_page(app, cast):
    answer = Client(app).get("/profile", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert "data-toast" in answer.text


def test_idle_sessions_end(app, cast, move_clock):
    client = sign_in(app, cast.ann)
    move_clock("11 hours")
    assert client.get("/profile").status_code == 200
    move_clock("22 hours 59 minutes")
    assert client.get("/profile").status_code == 200
    move_clock("35 hours 30 minutes")
    assert client.get("/profile").status_code == 302


def test_the_longest_day_ends_too(app, cast, move_clock):
    client = sign_in(app, cast.ann)
    for hour in range(1, 24):
        move_clock(f"{hour} hours")
        assert client.get("/profile").status_code == 200
    move_clock("24 hours 1 minute")
    assert client.get("/profile").status_code == 302


@pytest.mark.parametrize("headers", [{"X-Background": "1"}, {"Accept": "text/event-stream"}])
def test_what_no_hand_made_keeps_no_session_awake(app, cast, move_clock, headers):
    client = sign_in(app, cast.ann)
    for hour in range(1, 12):
        move_clock(f"{hour} hours")
        assert client.get("/profile", headers=headers).status_code == 200
    move_clock("12 hours 1 minute")
    assert client.get("/profile", headers=headers).status_code in {302, 401}


def test_a_deactivated_person_is_out_with_the_next_click(app, session, cast):
    client = sign_in(app, cast.ann)
    cast.ann.active = False
    assert client.get("/profile").status_code == 302
    assert not UserSession.is_alive(client.session_id)


def test_sessions_can_be_ended_all_but_one(app, session, cast):
    here, there = sign_in(app, cast.ann), sign_in(app, cast.ann)
    bobs = sign_in(app, cast.bob)
    assert here.post("/profile/sessions/others/end").status_code == 302
    assert here.get("/profile").status_code == 200
    assert there.get("/profile").status_code == 302
    assert bobs.get("/profile").status_code == 200


def test_nobody_ends_the_session_of_another(app, session, cast):
    anns, bobs = sign_in(app, cast.ann), sign_in(app, cast.bob)
    assert bobs.post(f"/profile/sessions/{anns.session_id}/end").status_code == 404
    assert anns.get("/profile").status_code == 200


def test_one_of_my_browsers_can_be_ended(app, session, cast):
    here, there = sign_in(app, cast.ann), sign_in(app, cast.ann)
    assert here.post(f"/profile/sessions/{there.session_id}/end").status_code == 302
    assert there.get("/profile").status_code == 302


def test_signing_out_ends_the_session_itself(app, session, cast):
    client = sign_in(app, cast.ann)
    answer = client.post("/sign-out")
    assert "sid=;" in answer.headers["Set-Cookie"]
    assert not UserSession.is_alive(client.session_id)


def test_end_sessions_spares_other_people(session, cast):
    UserSession.begin(cast.ann, "full")
    UserSession.begin(cast.bob, "full")
    end_sessions(cast.ann)
    assert [row.user_id for row in session.query(UserSession)] == [cast.bob.id]


def test_the_token_lives_as_long_as_the_session(app, cast, move_clock):
    client = sign_in(app, cast.ann)
    move_clock("11 hours")
    assert client.post("/profile/language", data={"language": "uk"}).status_code == 302
    assert cast.ann.language == "uk"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"X-CSRFToken": "made-up"},
        {"X-CSRFToken": ""},
    ],
)
def test_other_sites_change_nothing(app, cast, headers):
    answer = sign_in(app, cast.ann).post("/profile/language", data={"language": "uk"}, headers=headers)
    assert answer.status_code == 403
    assert cast.ann.language == "en"


def test_our_own_pages_may(app, cast):
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    answer = sign_in(app, cast.ann).post("/profile/language", data={"language": "ru"}, headers=headers)
    assert (answer.status_code, cast.ann.language) == (302, "ru")


def test_the_token_of_one_session_is_worth_nothing_in_another(app, cast):
    anns, bobs = sign_in(app, cast.ann), sign_in(app, cast.bob)
    answer = anns.post("/profile/language", data={"language": "uk"}, headers={"X-CSRFToken": bobs.token})
    assert answer.status_code == 403


def test_a_page_of_an_ended_session_says_so(app, cast):
    client = sign_in(app, cast.ann)
    end_sessions(cast.ann)
    assert client.post("/profile/language", data={"language": "uk"}).status_code == 401


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "javascript:1",
        "/a\nb",
        "",
        None,
        "queues",
    ],
)
def test_next_leads_nowhere_else(target):
    assert auth.local_path(target) == "/"


def test_next_leads_to_our_pages():
    assert auth.local_path("/tickets/7?x=//y") == "/tickets/7?x=//y"


def test_cookies_follow_the_base_url(app, cast, monkeypatch):
    client = Client(app)
    answer = client.get("/sign-in")
    assert "Secure" not in answer.headers["Set-Cookie"]
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    secure = auth.settings().model_copy(update={"base_url": "https://help.example"})
    monkeypatch.setattr(auth, "settings", lambda: secure)
    assert auth.cookie_name() == "__Host-sid"


def test_roles_reach_what_is_theirs(app, cast):
    for user, status in ((cast.ann, 403), (cast.sue, 403), (cast.dora, 200)):
        assert sign_in(app, user).get("/people").status_code == status


def test_a_one_time_password_comes_before_everything(app, session, cast):
    cast.ann.password_is_one_time = True
    client = sign_in(app, cast.ann)
    assert client.get("/profile").location == "/welcome/account"
    assert client.get("/welcome/account").status_code == 200
    assert client.post("/sign-out").status_code == 302


def test_a_required_second_step_comes_before_everything(app, session, cast):
    from helpdesk.models import write_setting

    write_setting(auth.REQUIRE_TOTP, True)
    dora, sue = sign_in(app, cast.dora), sign_in(app, cast.sue)
    assert dora.get("/people").location == "/profile/second-step"
    assert dora.get("/profile/second-step").status_code == 200
    assert sue.get("/profile").status_code == 200
