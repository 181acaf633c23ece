"""Guessing at the door: tries are counted by person and by place, and a whole office may still come in."""

import threading

import pytest

from helpdesk import passwords, throttle
from helpdesk.errors import TooMany
from helpdesk.models import TryCount
from tests import test_auth_sign_in as signing_in
from tests.test_auth_sign_in import GOOD, WRONG, enter

ann = signing_in.ann  # a fixture


def test_after_five_tries_the_right_password_waits_too(app, session, ann, move_clock):
    for _try in range(5):
        assert enter(app, ann.email, WRONG).status_code == 422
    assert enter(app, ann.email, GOOD).status_code == 429
    move_clock("16 minutes")
    assert enter(app, ann.email, GOOD).status_code == 302


def test_a_delay_in_one_place_is_none_elsewhere(app, session, ann):
    for _try in range(6):
        enter(app, ann.email, WRONG)
    answer = enter(app, ann.email, GOOD, environ_base={"REMOTE_ADDR": "203.0.113.9"})
    assert answer.status_code == 302


def test_one_place_cannot_try_everybody(app, session, monkeypatch):
    monkeypatch.setattr(passwords, "verify", lambda *_: False)
    statuses = [enter(app, f"user{n}@desk.example", WRONG).status_code for n in range(51)]
    assert statuses == [422] * 50 + [429]


def test_a_whole_office_behind_one_address_may_come_in(app, session, ann, monkeypatch):
    monkeypatch.setattr(passwords, "verify", lambda *_: True)
    assert {enter(app, ann.email, GOOD).status_code for _i in range(60)} == {302}


def test_a_hundred_tries_at_once_are_a_hundred(app, make_committed):
    refused = []

    def attempt():
        with app.test_request_context():
            try:
                throttle.count_try((throttle.CODE, "7"))
            except TooMany:
                refused.append(1)

    threads = [threading.Thread(target=attempt) for _i in range(10)]
    for _round in range(10):
        threads = [threading.Thread(target=attempt) for _i in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counted = make_committed.session.get(TryCount, "code:7").count
    assert (counted, len(refused)) == (100, 95)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("", "unknown"),
    ],
)
def test_neighbours_share_a_limit(address, network):
    assert throttle.network_of(address) == network
