"""Sessions: who is asking, for how long, and what ends it."""

from helpdesk.models import UserSession
from tests.clients import Client, sign_in


def test_a_cookie_names_a_living_session(app, cast):
    assert sign_in(app, cast.ann).get("/profile").status_code == 200
    assert Client(app).get("/profile").status_code == 302


def test_the_database_does_not_know_the_token(app, session, cast):
    _row, token = UserSession.begin(cast.ann, "full")
    assert token.encode() not in bytes(session.query(UserSession).one().token_hash)
