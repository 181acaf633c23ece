"""Ticket numbers: check digit, patterns, reading them back out of a text."""

from datetime import datetime

import pytest

from helpdesk import numbers
from helpdesk.errors import Refused

DAY = datetime(2026, 3, 5)


def test_check_digit_finds_wrong_digits_and_swaps() -> None:
    number = numbers.format_number(numbers.DEFAULT_PATTERN, 1000001, DAY)
    assert len(number) == 8
    assert numbers.has_valid_check(number)
    for place in range(8):
        for digit in set("0123456789") - {number[place]}:
            assert not numbers.has_valid_check(number[:place] + digit + number[place + 1 :])
    swapped = number[0] + number[2] + number[1] + number[3:]
    assert swapped == number or not numbers.has_valid_check(swapped)


@pytest.mark.parametrize(
    ("pattern", "made"),
    [("#####", "00042"), ("YYYY-MM-####", "2026-03-0042"), ("HD YY##", "HD 2642"), ("###", "042")],
)
def test_patterns(pattern: str, made: str) -> None:
    assert numbers.format_number(numbers.validate_pattern(pattern), 42, DAY) == made


@pytest.mark.parametrize("pattern", ["", "YYYY", "##-##", "номер ##", "#" * 30])
def test_patterns_that_cannot_work_are_refused(pattern: str) -> None:
    with pytest.raises(Refused):
        numbers.validate_pattern(pattern)


def test_groups_are_read_back() -> None:
    assert numbers.group_digits("10000019") == "100 000 19"
    assert numbers.number_key("100 000-19") == "10000019"
    assert numbers.group_digits("HD-42") == "HD-42"


@pytest.mark.parametrize("subject", ["Re: [#10000019] x", "по 100 000 19!", "№100-000-19", "10000019"])
def test_candidates_in_a_subject(subject: str) -> None:
    assert "10000019" in numbers.number_candidates(subject)


def test_candidates_with_a_prefix() -> None:
    assert "HD20260042" in numbers.number_candidates("Question about HD-2026-0042 please")
