"""Working hours against an independent, slow reading of the same rule: minute by minute on the wall clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk.business_time import ALWAYS, Hours, add_business, business_between, next_opening, open_until

MINUTE = timedelta(minutes=1)
ZONES = [
    "Europe/Kyiv",
    "Europe/Moscow",
    "America/New_York",
    "Asia/Kolkata",
    "UTC",
    "Australia/Lord_Howe",
    "Africa/Cairo",
]
OFFICE = ((540, 1080),)
WEEKDAYS = (OFFICE,) * 5 + ((), ())
NIGHT = ((1320, 1800),)


def is_open(moment: datetime, hours: Hours) -> bool:
    """The oracle: the wall clock lies in an interval that began today or yesterday."""
    local = moment.astimezone(ZoneInfo(hours.zone))
    minute = local.hour * 60 + local.minute
    special = dict(hours.days)
    for back, shift in ((0, 0), (1, 1440)):
        day = local.date() - timedelta(days=back)
        for start, end in special.get(day, hours.week[day.weekday()]):
            if start <= minute + shift < end:
                return True
    return False


def slow_between(start: datetime, end: datetime, hours: Hours) -> int:
    minutes = int((end - start) / MINUTE)
    return sum(is_open(start + n * MINUTE, hours) for n in range(minutes)) * 60


def slow_add(start: datetime, seconds: int, hours: Hours, most: int) -> datetime | None:
    left, moment = seconds, start
    for _step in range(most):
        if left == 0:
            return moment
        if is_open(moment, hours):
            left -= 60
        moment += MINUTE
    return moment if left == 0 else None


# Nights on which clocks change, a leap day, a new year, and ordinary days; a whole minute each.
BORDERS = [
    datetime(2026, 3, 29, 0, tzinfo=UTC),
    datetime(2026, 10, 25, 0, tzinfo=UTC),
    datetime(2026, 3, 8, 6, tzinfo=UTC),
    datetime(2026, 11, 1, 5, tzinfo=UTC),
    datetime(2028, 2, 28, 20, tzinfo=UTC),
    datetime(2011, 3, 27, 0, tzinfo=UTC),
    datetime(2014, 10, 25, 22, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 12, 31, 12, tzinfo=UTC),
]
moments = st.builds(
    lambda border, minutes: border + minutes * MINUTE, st.sampled_from(BORDERS), st.integers(-3000, 3000)
)
interval = st.builds(lambda start, long: (start, min(start + long, 2880)), st.integers(0, 1439), st.integers(1, 1440))
intervals = st.lists(interval, max_size=3).map(tuple)
weeks = st.one_of(
    st.just(WEEKDAYS), st.just(ALWAYS), st.just((NIGHT,) * 7), st.tuples(*[intervals] * 7), st.just(((),) * 7)
)


@st.composite
def calendars(draw: st.DrawFn) -> tuple[Hours, datetime]:
    start = draw(moments)
    near = st.integers(-2, 4).map(lambda days: (start + timedelta(days=days)).date())
    days = draw(st.dictionaries(near, intervals, max_size=3))
    return Hours(draw(st.sampled_from(ZONES)), draw(weeks), tuple(sorted(days.items()))), start


@settings(max_examples=120, deadline=None)
@given(calendars(), st.integers(0, 4000))
def test_time_between_equals_the_slow_count(calendar: tuple[Hours, datetime], minutes: int) -> None:
    hours, start = calendar
    end = start + minutes * MINUTE
    assert business_between(start, end, hours) == slow_between(start, end, hours)


@settings(max_examples=120, deadline=None)
@given(calendars(), st.integers(0, 900))
def test_due_equals_the_slow_count(calendar: tuple[Hours, datetime], minutes: int) -> None:
    hours, start = calendar
    slow = slow_add(start, minutes * 60, hours, most=4000)
    due = add_business(start, minutes * 60, hours)
    if slow is not None:
        assert due == slow
    else:
        assert due is None or due > start + 4000 * MINUTE


@settings(max_examples=200, deadline=None)
@given(calendars(), st.integers(0, 10_000_000), st.integers(0, 10_000_000))
def test_what_is_added_lies_between(calendar: tuple[Hours, datetime], seconds: int, micros: int) -> None:
    hours, start = calendar
    start += timedelta(microseconds=micros)
    due = add_business(start, seconds, hours)
    if due is not None:
        assert business_between(start, due, hours) == seconds
        middle = start + (due - start) / 3
        spent = business_between(start, middle, hours)
        assert abs((add_business(middle, seconds - spent, hours) - due).total_seconds()) < 1e-3


def kyiv(week: tuple = WEEKDAYS, *days: tuple) -> Hours:
    return Hours("Europe/Kyiv", week, tuple(days))


def local(zone: str, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_four_hours_on_friday_evening_end_on_monday() -> None:
    assert add_business(local("Europe/Kyiv", 2026, 3, 27, 16), 4 * 3600, kyiv()) == local(
        "Europe/Kyiv", 2026, 3, 30, 11
    )  # over the night in which the clocks go forward


@pytest.mark.parametrize(
    ("night", "hours"), [((2026, 3, 28), 7), ((2026, 10, 24), 9), ((2026, 6, 6), 8)], ids=["spring", "autumn", "summer"]
)
def test_a_night_shift_is_as_long_as_the_night_really_was(night: tuple[int, int, int], hours: int) -> None:
    start = local("Europe/Kyiv", *night, 12)
    assert business_between(start, start + timedelta(days=1), kyiv((NIGHT,) * 7)) == hours * 3600


def test_a_zone_without_summer_time_has_plain_nights() -> None:
    shift = Hours("Europe/Moscow", (NIGHT,) * 7)
    assert add_business(local("Europe/Moscow", 2026, 3, 28, 22), 8 * 3600, shift) == local(
        "Europe/Moscow", 2026, 3, 29, 6
    )


def test_new_york_changes_on_its_own_dates() -> None:
    shift = Hours("America/New_York", (NIGHT,) * 7)
    start = local("America/New_York", 2026, 3, 7, 12)
    assert business_between(start, start + timedelta(days=1), shift) == 7 * 3600


def test_leap_day_is_a_working_day_like_any_other() -> None:
    due = add_business(local("Europe/Kyiv", 2028, 2, 28, 17), 10 * 3600, kyiv())
    assert due == local("Europe/Kyiv", 2028, 2, 29, 18)  # the earliest moment at which the ten hours are over


def test_a_holiday_is_skipped_and_a_short_day_is_short() -> None:
    days = (date(2026, 12, 31), ((540, 780),)), (date(2027, 1, 1), ())
    due = add_business(local("Europe/Kyiv", 2026, 12, 31, 12), 2 * 3600, kyiv(WEEKDAYS, *days))
    assert due == local("Europe/Kyiv", 2027, 1, 4, 10)


def test_a_calendar_that_never_opens_promises_nothing() -> None:
    never = kyiv(((),) * 7)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert add_business(start, 1, never) is None
    assert add_business(start, 0, never) == start
    assert business_between(start, start + timedelta(days=400), never) == 0
    assert next_opening(start, never) is None
    one_day = kyiv(((),) * 7, (date(2026, 5, 5), OFFICE))
    assert add_business(start, 9 * 3600, one_day) == local("Europe/Kyiv", 2026, 5, 5, 18)
    assert add_business(start, 9 * 3600 + 1, one_day) is None


def test_without_a_calendar_time_is_time() -> None:
    start = datetime(2026, 3, 28, 22, 30, 15, 123456, tzinfo=UTC)
    assert add_business(start, 86400, None) == start + timedelta(days=1)
    assert business_between(start, start + timedelta(hours=3), None) == 3 * 3600


def test_now_open_and_next_opening() -> None:
    friday = local("Europe/Kyiv", 2026, 6, 5, 17)
    assert open_until(friday, kyiv()) == local("Europe/Kyiv", 2026, 6, 5, 18)
    assert open_until(friday + timedelta(hours=2), kyiv()) is None
    assert next_opening(friday + timedelta(hours=2), kyiv()) == local("Europe/Kyiv", 2026, 6, 8, 9)
    night = local("Europe/Kyiv", 2026, 6, 7, 23)  # Sunday: the shift runs over the border of the week
    assert open_until(night, kyiv((NIGHT,) * 7)) == local("Europe/Kyiv", 2026, 6, 8, 6)
