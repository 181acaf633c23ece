"""Signatures of requests: what is signed, and each way in which one is refused."""

import hashlib
import hmac

import pytest

from helpdesk import signatures

SECRET, OTHER = b"first-secret", b"second-secret"
BODY = '{"text": "Где мой заказ?"}'.encode()
NOW = 1_767_225_600


def test_the_signature_is_what_the_page_says() -> None:
    ours = hmac.new(SECRET, f"{NOW}.".encode() + BODY, hashlib.sha256).hexdigest()
    assert signatures.sign(SECRET, BODY, NOW) == f"v1={ours}"
    signatures.check([SECRET], BODY, str(NOW), f"v1={ours}", NOW)


@pytest.mark.parametrize("moved", [-300, 0, 300])
def test_a_clock_may_be_five_minutes_off(moved: int) -> None:
    signatures.check([SECRET], BODY, str(NOW), signatures.sign(SECRET, BODY, NOW), NOW + moved)


def test_while_a_secret_is_replaced_both_are_taken_in_both_directions() -> None:
    signatures.check([OTHER, SECRET], BODY, str(NOW), signatures.sign(SECRET, BODY, NOW), NOW)
    both = signatures.headers([SECRET, OTHER], BODY, NOW)
    for secret in (SECRET, OTHER):
        signatures.check([secret], BODY, both["Helpdesk-Timestamp"], both["Helpdesk-Signature"], NOW)


GOOD = signatures.sign(SECRET, BODY, NOW)
REFUSED = {
    "no timestamp": ("", GOOD, BODY, NOW),
    "no signature": (str(NOW), "", BODY, NOW),
    "another body": (str(NOW), GOOD, BODY + b" ", NOW),
    "another moment": (str(NOW + 1), GOOD, BODY, NOW),
    "too old": (str(NOW), GOOD, BODY, NOW + 301),
    "from the future": (str(NOW), GOOD, BODY, NOW - 301),
    "another secret": (str(NOW), signatures.sign(OTHER, BODY, NOW), BODY, NOW),
    "fraction": (f"{NOW}.0", GOOD, BODY, NOW),
    "plus": (f"+{NOW}", GOOD, BODY, NOW),
    "space": (f" {NOW}", GOOD, BODY, NOW),
    "newline": (f"{NOW}\n", GOOD, BODY, NOW),
    "underscore": ("1_767_225_600", GOOD, BODY, NOW),
    "other digits": ("١٧٦٧٢٢٥٦٠٠", GOOD, BODY, NOW),
    "leading zero": (f"0{NOW}", GOOD, BODY, NOW),
    "negative": (f"-{NOW}", GOOD, BODY, NOW),
    "a year's digits": ("9" * 400, GOOD, BODY, NOW),
    "no version": (str(NOW), GOOD.removeprefix("v1="), BODY, NOW),
    "another version": (str(NOW), GOOD.replace("v1=", "v0="), BODY, NOW),
    "capitals": (str(NOW), GOOD.replace("v1=", "").upper(), BODY, NOW),
    "truncated": (str(NOW), GOOD[:-1], BODY, NOW),
    "longer": (str(NOW), GOOD + "0", BODY, NOW),
    "empty digest": (str(NOW), "v1=", BODY, NOW),
    "not ascii": (str(NOW), "v1=" + "а" * 64, BODY, NOW),
    "an empty part": (str(NOW), GOOD + ",", BODY, NOW),
    "eleven of them": (str(NOW), ",".join([GOOD] * 11), BODY, NOW),
    "newline at the end": (str(NOW), GOOD + "\n", BODY, NOW),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    timestamp, signature, body, now = REFUSED[case]
    with pytest.raises(signatures.SignatureRefused) as refused:
        signatures.check([SECRET], body, timestamp, signature, now)
    assert refused.value.reason.endswith(".")


def test_without_a_secret_nothing_is_accepted() -> None:
    with pytest.raises(signatures.SignatureRefused):
        signatures.check([], BODY, str(NOW), GOOD, NOW)
