"""Passwords: which are taken, how they are kept, and that hashing them stops nobody."""

import re
import subprocess
import sys
import threading
import time

import pytest

from helpdesk import passwords
from helpdesk.errors import Refused

GOOD = "чайник стоит на подоконнике"


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "x" * 257,
        "aaaaaaaaaaaaaaaa",
        "123456789012",
        "Password123456!",
        "p@ssw0rd123456",
        "qwertyuiop1234",
        "йцукенгшщзхъ12",
        "abcabcabcabcabc",
        "helpdesk-Ann-2026",
        "администратор1",
    ],
)
def test_easy_passwords_are_refused(app, session, password):
    with app.test_request_context(), pytest.raises(Refused):
        passwords.check_new(password, "Ann", "ann@desk.example")


@pytest.mark.parametrize(
    "password", [GOOD, "x9" + "Kp-rt_zu" * 8, "correct staple in a blue lake", "🙂" * 3 + "десять слов"]
)
def test_long_passwords_are_enough(app, session, password):
    with app.test_request_context():
        assert passwords.check_new(password, "Ann", "ann@desk.example")


def test_a_password_is_right_however_the_keyboard_writes_it():
    encoded = passwords.hash_password(passwords.normal_form("кафе\u0301 cafe\u0301 long"))
    assert passwords.verify(encoded, "кафе\u0301 caf\u00e9 long")
    assert not passwords.verify(encoded, "кафе cafe long")


def test_hashes_are_argon2id_with_enough_memory():
    encoded = passwords.hash_password(GOOD)
    memory = int(re.search(r"^\$argon2id\$.*m=(\d+)", encoded)[1])
    assert memory >= 46 * 1024


@pytest.mark.parametrize("encoded", [None, "", "!", "plain", "$argon2id$broken"])
def test_no_password_opens_an_account_without_one(encoded):
    assert not passwords.verify(encoded, "")
    assert not passwords.verify(encoded, GOOD)


def test_a_monstrous_password_is_never_hashed(monkeypatch):
    monkeypatch.setattr(passwords, "_matches", lambda *_: pytest.fail("hashed"))
    assert not passwords.verify(passwords.hash_password(GOOD), "x" * 1_000_000)


def test_two_hash_at_a_time(monkeypatch):
    at_work, most, lock = [0], [0], threading.Lock()

    def slow(*_arguments):
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        time.sleep(0.02)
        with lock:
            at_work[0] -= 1
        return True

    monkeypatch.setattr(passwords, "_matches", slow)
    threads = [threading.Thread(target=passwords.verify, args=("$", "x")) for _i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 2


GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, time
from helpdesk import passwords

encoded = passwords.hash_password("чайник стоит на подоконнике")
ticks, done = [0], []
def tick():
    while len(done) < 8:
        ticks[0] += 1
        gevent.sleep(0.001)
def check():
    done.append(passwords.verify(encoded, "чайник стоит на подоконнике"))
gevent.joinall([gevent.spawn(tick), *(gevent.spawn(check) for _i in range(8))])
print(all(done), ticks[0])
"""


def test_hashing_does_not_stop_other_requests():
    done = subprocess.run([sys.executable, "-c", GEVENT], capture_output=True, text=True, check=True)
    right, ticks = done.stdout.split()
    assert right == "True"
    assert int(ticks) > 20, "the event loop stood still while passwords were hashed"
