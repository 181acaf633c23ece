"""Coming in: the page, the second step, and links that set a password."""

import re
import threading

import pyotp
import pytest
from sqlalchemy import select

from helpdesk import invitations, passwords, sign_in, totp
from helpdesk.models import PasswordLink, RecoveryCode, SystemMail, User, UserSession
from helpdesk.models.session import Purpose
from tests.clients import Client
from tests.clients import sign_in as browser_of

GOOD = "чайник стоит на подоконнике"
WRONG = "совсем не тот пароль"


@pytest.fixture
def ann(cast):
    """Ann with a password of her own."""
    sign_in.set_password(cast.ann, GOOD)
    return cast.ann


def enter(app, email, password, **options):
    return Client(app).post("/sign-in", data={"email": email, "password": password}, **options)


# --- the sign-in page


def test_the_right_password_opens(app, session, ann):
    answer = enter(app, ann.email.upper(), GOOD)
    assert (answer.status_code, answer.location) == (302, "/")
    assert re.match(r"sid=[\w-]{43}; HttpOnly; Path=/; SameSite=Lax", answer.headers["Set-Cookie"])
    assert [row.user_id for row in session.query(UserSession)] == [ann.id]


def test_signing_in_makes_a_new_token(app, session, ann):
    client = Client(app)
    client.browser.set_cookie("sid", "planted-by-somebody-else")
    client.post("/sign-in", data={"email": ann.email, "password": GOOD})
    assert client.browser.get_cookie("sid").value != "planted-by-somebody-else"
    assert client.get("/profile").status_code == 200


def test_signing_in_again_ends_the_former_session(app, session, cast, ann):
    client = browser_of(app, cast.bob)
    client.post("/sign-in", data={"email": ann.email, "password": GOOD})
    assert [row.user_id for row in session.query(UserSession)] == [ann.id]


def test_all_that_is_wrong_looks_alike(app, session, cast, ann):
    sign_in.set_password(cast.bob, GOOD)
    cast.bob.active = False
    cases = [(ann.email, WRONG), ("nobody@desk.example", GOOD), (cast.bob.email, GOOD), (cast.carl.email, "")]
    cases += [(cast.carl.email, WRONG), (ann.email, "x" * 5000)]
    answers = [enter(app, email, password or " ") for email, password in cases]
    assert {answer.status_code for answer in answers} == {422}
    faults = {re.search(r'role="alert".*?</div>', answer.text, re.S)[0] for answer in answers}
    assert len(faults) == 1


def test_unknown_people_cost_a_hash_too(app, session, cast, monkeypatch):
    hashed = []
    monkeypatch.setattr(passwords, "_matches", lambda encoded, _password: hashed.append(encoded))
    for email in (cast.ann.email, "nobody@desk.example"):
        enter(app, email, GOOD)
    assert len(hashed) == 2


def test_the_form_needs_its_own_token(app, session, ann):
    client = Client(app)
    answer = client.post("/sign-in", data={"email": ann.email, "password": GOOD}, token=False)
    assert (answer.status_code, answer.location) == (302, "/sign-in")
    assert session.query(UserSession).count() == 0


def test_next_is_followed_inside_only(app, session, ann):
    client = Client(app)
    data = {"email": ann.email, "password": GOOD, "next": "/profile/password"}
    assert client.post("/sign-in", data=data).location == "/profile/password"
    data["next"] = "//evil.example/x"
    assert Client(app).post("/sign-in", data=data).location == "/"


def test_a_host_header_names_no_link(app, session, ann):
    headers = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    Client(app).post("/password/forgotten", data={"email": ann.email}, headers=headers)
    mail = session.scalars(select(SystemMail)).one()
    with app.test_request_context(base_url="http://evil.example"):
        assert "evil.example" not in invitations.send_reset(ann)
    assert "evil.example" not in mail.body
    assert "http://127.0.0.1:8000/password/" in mail.body


# --- the second step


@pytest.fixture
def secret(app, ann):
    """Ann's secret; she has the second step in force."""
    secret = totp.new_secret()
    totp.enable(ann, secret, 0)
    return secret


def code_of(secret, session, steps=0):
    from helpdesk import clock

    return pyotp.TOTP(secret).at(clock.now(), counter_offset=steps)


def test_the_password_alone_is_half_the_way(app, session, ann, secret):
    client = Client(app)
    assert client.post("/sign-in", data={"email": ann.email, "password": GOOD}).location == "/sign-in/code?next=/"
    assert client.get("/profile").status_code == 302
    assert client.get("/profile", headers={"HX-Request": "true"}).status_code == 401


def half_way(app, ann):
    client = Client(app)
    client.post("/sign-in", data={"email": ann.email, "password": GOOD})
    row = db_session_of(ann)
    from helpdesk.csrf import row_secret
    from tests.clients import sign_token

    client.token = sign_token(app, row_secret(row))
    return client


def db_session_of(user):
    from helpdesk.db import db

    return db.session.scalars(select(UserSession).where(UserSession.user_id == user.id).order_by(UserSession.id)).all()[
        -1
    ]


def test_a_code_opens_once(app, session, ann, secret):
    code = code_of(secret, session)
    first, second = half_way(app, ann), half_way(app, ann)
    assert first.post("/sign-in/code", data={"code": code}).location == "/"
    assert first.get("/profile").status_code == 200
    assert second.post("/sign-in/code", data={"code": code}).status_code == 422
    assert second.get("/profile").status_code == 302


@pytest.mark.parametrize(("steps", "status"), [(-2, 422), (-1, 302), (0, 302), (1, 302), (2, 422)])
def test_a_telephones_clock_may_be_off_a_little(app, session, ann, secret, steps, status):
    assert (
        half_way(app, ann).post("/sign-in/code", data={"code": code_of(secret, session, steps)}).status_code == status
    )


@pytest.mark.parametrize("code", ["", "000", "abcdef", "%", "١٢٣٤٥٦", "0" * 3000])
def test_nonsense_is_no_code(app, session, ann, secret, code):
    assert half_way(app, ann).post("/sign-in/code", data={"code": code}).status_code == 422


def test_codes_cannot_be_guessed(app, session, ann, secret):
    client = half_way(app, ann)
    statuses = [client.post("/sign-in/code", data={"code": f"{n:06}"}).status_code for n in range(6)]
    assert statuses == [422] * 5 + [429]
    assert client.post("/sign-in/code", data={"code": code_of(secret, session)}).status_code == 429


def test_a_recovery_code_stands_in_once(app, session, ann, secret):
    code = totp.renew_recovery_codes(ann)[3]
    assert half_way(app, ann).post("/sign-in/code", data={"code": code.upper().replace("-", " ")}).location == "/"
    assert half_way(app, ann).post("/sign-in/code", data={"code": code}).status_code == 422


def test_the_half_way_session_does_not_last(app, session, ann, secret, move_clock):
    client = half_way(app, ann)
    move_clock("11 minutes")
    assert client.get("/sign-in/code").status_code == 302


def test_the_second_step_is_set_up_with_a_code(app, session, ann):
    here, there = browser_of(app, ann), browser_of(app, ann)
    page = here.get("/profile/second-step").text
    sealed = re.search(r'name="secret"[^>]*value="([^"]+)"', page)[1]
    plain = re.search(r'<code class="num">([A-Z2-7 ]+)</code>', page)[1].replace(" ", "")
    before = here.browser.get_cookie("sid").value
    wrong = here.post("/profile/second-step", data={"secret": sealed, "code": "000000"})
    assert wrong.status_code == 422 and not ann.has_totp
    right = here.post("/profile/second-step", data={"secret": sealed, "code": code_of(plain, session)})
    assert right.status_code == 200 and ann.has_totp
    assert len(re.findall(r"<code", right.text)) == session.query(RecoveryCode).count() == 10
    assert plain.encode() not in bytes(ann.totp_secret)
    assert here.browser.get_cookie("sid").value != before
    assert here.get("/profile").status_code == 200
    assert there.get("/profile").status_code == 302


def test_nobody_plants_a_secret_of_their_own(app, session, cast, ann):
    sealed = totp.seal_setup(cast.bob, totp.new_secret())
    answer = browser_of(app, ann).post("/profile/second-step", data={"secret": sealed, "code": "123456"})
    assert answer.status_code == 302 and not ann.has_totp
    assert browser_of(app, ann).post("/profile/second-step", data={"secret": "x", "code": "1"}).status_code == 302


def test_switching_it_off_needs_the_password(app, session, ann, secret):
    client = browser_of(app, ann)
    assert client.post("/profile/second-step/removal", data={"password": WRONG}).status_code == 422
    assert ann.has_totp
    assert client.post("/profile/second-step/removal", data={"password": GOOD}).status_code == 302
    assert not ann.has_totp and session.query(RecoveryCode).count() == 0


# --- changing and forgetting


def test_changing_the_password_ends_other_sessions(app, session, ann):
    here, there = browser_of(app, ann), browser_of(app, ann)
    new = "новый чайник у окна"
    data = {"present": GOOD, "password": new, "again": new}
    assert here.post("/profile/password", data={**data, "present": WRONG}).status_code == 422
    assert here.post("/profile/password", data={**data, "again": "other"}).status_code == 422
    assert here.post("/profile/password", data=data).status_code == 302
    assert here.get("/profile").status_code == 200
    assert there.get("/profile").status_code == 302
    assert passwords.verify(ann.password_hash, new)


def test_a_forgotten_password_says_nothing_of_who_works_here(app, session, ann):
    known = Client(app).post("/password/forgotten", data={"email": ann.email})
    unknown = Client(app).post("/password/forgotten", data={"email": "nobody@desk.example"})
    plain = [re.sub(r"nonce[^ >]*|value=\"[^\"]*\"", "", answer.text) for answer in (known, unknown)]
    assert known.status_code == unknown.status_code == 200
    assert plain[0] == plain[1]
    assert [mail.to for mail in session.query(SystemMail)] == [ann.email]


def test_asking_is_limited(app, session, ann):
    statuses = [Client(app).post("/password/forgotten", data={"email": ann.email}).status_code for _i in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_a_link_sets_the_password_once(app, session, ann):
    path = sign_in.make_link(ann, Purpose.RESET)
    other = browser_of(app, ann)
    client, new = Client(app), "новый чайник у окна"
    assert client.get(path).status_code == 200
    assert client.get(path).status_code == 200
    weak = client.post(path, data={"password": "short", "again": "short"})
    assert weak.status_code == 422
    assert client.post(path, data={"password": new, "again": new}).status_code == 302
    assert client.get("/profile").status_code == 200
    assert other.get("/profile").status_code == 302
    again = Client(app)
    assert again.get(path).status_code == 404
    assert again.post(path, data={"password": new, "again": new}).status_code == 404


def test_a_link_does_not_spare_the_second_step(app, session, ann, secret):
    path = sign_in.make_link(ann, Purpose.RESET)
    client, new = Client(app), "новый чайник у окна"
    assert client.post(path, data={"password": new, "again": new}).location == "/sign-in/code"
    assert client.get("/profile").status_code == 302


def test_links_grow_old(app, session, ann, move_clock):
    path = sign_in.make_link(ann, Purpose.RESET)
    move_clock("2 hours 1 minute")
    assert Client(app).get(path).status_code == 404


def test_a_new_link_replaces_the_former(app, session, ann):
    old, new = sign_in.make_link(ann, Purpose.RESET), sign_in.make_link(ann, Purpose.INVITE)
    assert Client(app).get(old).status_code == 404
    assert Client(app).get(new).status_code == 200


def test_a_deactivated_person_has_no_links(app, session, ann):
    path = sign_in.make_link(ann, Purpose.RESET)
    ann.active = False
    assert Client(app).get(path).status_code == 404


@pytest.mark.parametrize("token", ["%25", "null", "undefined", "[]", "*", "_" * 43, "%00"])
def test_made_up_links_open_nothing(app, session, ann, token):
    sign_in.make_link(ann, Purpose.RESET)
    assert Client(app).get(f"/password/{token}").status_code in {400, 404}


def test_links_are_kept_as_hashes(session, ann):
    token = sign_in.make_link(ann, Purpose.RESET).rpartition("/")[2]
    row = session.query(PasswordLink).one()
    assert token.encode() not in bytes(row.token_hash)
    assert len(token) == 43


def test_two_people_cannot_use_one_link(app, make_committed):
    session = make_committed.session
    user = make_committed.user("Ann")
    token = PasswordLink.issue(user, Purpose.RESET)
    session.commit()
    used = []

    def use():
        from helpdesk.db import transaction

        with app.app_context(), transaction():
            if PasswordLink.use(token) is not None:
                used.append(1)

    threads = [threading.Thread(target=use) for _i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(used) == 1
    assert session.get(User, user.id) is not None


def test_what_the_database_cannot_store_is_refused(app, session, cast):
    assert enter(app, "a\x00b@desk.example", GOOD).status_code == 400
    assert browser_of(app, cast.ann).get("/profile?x=%00").status_code == 400


def test_the_first_administrator_reads_their_own_language(app, session, make):
    user = make.user("Дора", "administrator")
    password = sign_in.set_one_time_password(user)
    client = Client(app)
    client.get("/sign-in", headers={"Accept-Language": "uk,en;q=0.5"})
    data = {"email": user.email, "password": password}
    client.post("/sign-in", data=data, headers={"Accept-Language": "uk,en;q=0.5"})
    assert user.language == "uk"
