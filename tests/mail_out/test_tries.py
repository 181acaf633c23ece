"""The table of what follows from a try, as plain values."""

from datetime import timedelta

import pytest

from queues.channels.base import ChannelDown, DeliveryError, Receipt, RecipientResult
from queues.tries import LONGEST_ROUND, judge, pause_after, summary

EVE, ADAM = "eve@x.example", "adam@x.example"
FRESH, OLD = timedelta(), LONGEST_ROUND


def result(address: str, state: str, code: str = "") -> RecipientResult:
    return RecipientResult(address, state, code, "words")


@pytest.mark.parametrize(
    ("outcome", "since", "state", "again"),
    [
        (Receipt([result(EVE, "sent")]), FRESH, "sent", False),
        (Receipt([result(EVE, "deferred")]), FRESH, "deferred", True),
        (Receipt([result(EVE, "failed")]), FRESH, "failed", False),
        (Receipt([], unknown=True), FRESH, "unknown", False),
        (Receipt([]), FRESH, "deferred", True),
        (DeliveryError("lost"), FRESH, "deferred", True),
        (DeliveryError("never", permanent=True), FRESH, "failed", False),
        (ChannelDown("away"), FRESH, "deferred", True),
        (Receipt([result(EVE, "deferred")]), OLD, "failed", False),
        (DeliveryError("lost"), OLD, "failed", False),
        (ChannelDown("away"), OLD, "failed", False),
        (Receipt([result(EVE, "sent")]), OLD, "sent", False),
        (Receipt([], unknown=True), OLD, "unknown", False),
    ],
)
def test_one_recipient(outcome: Receipt | DeliveryError, since: timedelta, state: str, again: bool) -> None:
    verdict = judge(outcome, [EVE], 1, since)
    assert verdict.state == state
    assert verdict.results[EVE].state == state
    assert (verdict.retry_in is not None) == again
    assert verdict.channel_down == isinstance(outcome, ChannelDown)


@pytest.mark.parametrize(
    ("error", "since", "state"),
    [
        (DeliveryError("no address", permanent=True), FRESH, "failed"),
        (DeliveryError("settings"), FRESH, "deferred"),
        (DeliveryError("settings"), OLD, "failed"),
    ],
)
def test_nobody_known_yet(error: DeliveryError, since: timedelta, state: str) -> None:
    verdict = judge(error, [], 1, since)
    assert (verdict.state, verdict.words) == (state, str(error))
    assert (verdict.retry_in is None) == (state == "failed")


def test_lost_dot_keeps_what_was_refused_before() -> None:
    verdict = judge(Receipt([result(ADAM, "failed", "550 5.1.1")], unknown=True), [ADAM, EVE], 1, FRESH)
    assert {address: found.state for address, found in verdict.results.items()} == {ADAM: "failed", EVE: "unknown"}
    assert verdict.retry_in is None


def test_too_many_at_once_are_split_at_once() -> None:
    receipt = Receipt([result(EVE, "sent"), result(ADAM, "deferred", "452 4.5.3")])
    assert judge(receipt, [EVE, ADAM], 1, FRESH).retry_in == timedelta()
    nobody = Receipt([result(EVE, "deferred", "452 4.5.3"), result(ADAM, "deferred", "452 4.5.3")])
    assert judge(nobody, [EVE, ADAM], 1, FRESH).retry_in == timedelta(minutes=1)


def test_pauses() -> None:
    assert [pause_after(n).total_seconds() / 60 for n in (1, 2, 3, 4, 5, 6, 100)] == [1, 5, 15, 30, 60, 60, 60]


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        (["sent", "bounced", "failed"], "bounced"),
        (["sent", "failed"], "failed"),
        (["unknown", "deferred"], "unknown"),
        (["sent", "deferred"], "deferred"),
        (["sent", "delivered", "read"], "sent"),
        (["read", "delivered"], "delivered"),
        ([], "failed"),
    ],
)
def test_the_worst_is_shown(states: list[str], shown: str) -> None:
    assert summary(states) == shown


def test_words_name_the_recipient_where_there_are_several() -> None:
    receipt = Receipt([result(EVE, "sent"), result(ADAM, "failed", "550 5.1.1")])
    assert judge(receipt, [EVE, ADAM], 1, FRESH).words == f"{ADAM}: 550 5.1.1 words"
