"""Arithmetic with working hours: when so many seconds of work are over, and how many lie between two moments.

Pure: no database, no clock. A calendar is open at a moment when the local wall clock of its zone lies in one of its
intervals; so an hour that daylight saving repeats counts twice, and one that it leaves out does not count. An interval
belongs to the day on which it begins: a night shift that begins before a holiday runs to its end.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

DAY_MINUTES = 24 * 60
LONGEST_INTERVAL_END = 2 * DAY_MINUTES  # an interval may run over one midnight
MOST_WEEKS = 10 * 53  # nothing is looked for later than about ten years ahead

_EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday
_WEEK = timedelta(days=7)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)

Intervals = tuple[tuple[int, int], ...]
Span = tuple[datetime, datetime]

ALWAYS: tuple[Intervals, ...] = (((0, DAY_MINUTES),),) * 7


@dataclass(frozen=True)
class Hours:
    """A calendar as a value: IANA zone, seven days' intervals (Monday first), and days that differ (sorted).

    Intervals are (start, end) in minutes since local midnight, start below 1440, end up to 2880.
    """

    zone: str
    week: tuple[Intervals, ...]
    days: tuple[tuple[date, Intervals], ...] = ()

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.zone, self.week, self.days))

    def of(self, day: date) -> Intervals:
        """The intervals that begin on a day."""
        at = bisect_right(self.days, day, key=lambda known: known[0]) - 1
        if at >= 0 and self.days[at][0] == day:
            return self.days[at][1]
        return self.week[day.weekday()]

    @property
    def never_opens(self) -> bool:
        """Whether the calendar has no working time on any ordinary day, and none on a special one."""
        return not any(self.week) and not any(intervals for _day, intervals in self.days)


def add_business(start: datetime, seconds: float, hours: Hours | None) -> datetime | None:
    """The moment (UTC) at which `seconds` of open time have passed since `start`; None is round the clock.

    The answer is the earliest such moment; for 0 seconds it is `start` itself. None when the calendar does not open
    long enough within about ten years.
    """
    left = timedelta(seconds=seconds)
    if hours is None or left <= timedelta(0):
        return start + max(left, timedelta(0))
    if hours.never_opens:
        return None
    first = _week_of(start)
    for week in range(first, first + MOST_WEEKS):
        for opens, closes in _open_spans(hours, week):
            begin = max(opens, start)
            if begin >= closes:
                continue
            if closes - begin >= left:
                return begin + left
            left -= closes - begin
    return None


def business_between(start: datetime, end: datetime, hours: Hours | None) -> float:
    """How many seconds of open time lie from `start` to `end`; 0 when `end` is not later. None is round the clock."""
    if end <= start:
        return 0.0
    if hours is None:
        return (end - start).total_seconds()
    total = timedelta(0)
    for week in range(_week_of(start), _week_of(end) + 1):
        for opens, closes in _open_spans(hours, week):
            total += max(min(closes, end) - max(opens, start), timedelta(0))
    return total.total_seconds()


def open_until(now: datetime, hours: Hours | None) -> datetime | None:
    """Until when the calendar is open without a break; None when it is closed or always open. Looks two weeks ahead."""
    if hours is None:
        return None
    until = now
    for week in range(_week_of(now), _week_of(now) + 2):
        for opens, closes in _open_spans(hours, week):
            if opens <= until < closes:
                until = closes
    return until if until > now else None


def next_opening(now: datetime, hours: Hours) -> datetime | None:
    """When the calendar opens next, if it is closed now; `now` itself when it is open; None when it never opens."""
    if hours.never_opens:
        return None
    for week in range(_week_of(now), _week_of(now) + MOST_WEEKS):
        for opens, closes in _open_spans(hours, week):
            if closes > now:
                return max(opens, now)
    return None


def _week_of(moment: datetime) -> int:
    return (moment - _EPOCH) // _WEEK


@lru_cache(4096)
def _open_spans(hours: Hours, week: int) -> tuple[Span, ...]:
    """The open spans of one UTC week, in order, apart from each other, cut at its borders."""
    begin = _EPOCH + week * _WEEK
    end = begin + _WEEK
    pieces: list[Span] = []
    offsets = _offset_spans(hours.zone, week)
    day = begin.date() - 3 * _DAY
    while day <= end.date() + 2 * _DAY:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        for minutes, until in hours.of(day):
            opens, closes = midnight + minutes * _MINUTE, midnight + until * _MINUTE
            for since, till, offset in offsets:
                piece = max(opens - offset, since, begin), min(closes - offset, till, end)
                if piece[0] < piece[1]:
                    pieces.append(piece)
        day += _DAY
    return _merged(pieces)


def _merged(pieces: list[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for opens, closes in sorted(pieces):
        if merged and opens <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(closes, merged[-1][1])
        else:
            merged.append((opens, closes))
    return tuple(merged)


@lru_cache(4096)
def _offset_spans(zone: str, week: int) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """The week in spans of one offset from UTC each: (since, till, offset)."""
    begin = _EPOCH + week * _WEEK
    end = begin + _WEEK
    local = ZoneInfo(zone)
    spans: list[tuple[datetime, datetime, timedelta]] = []
    since, offset = begin, _offset(begin, local)
    moment = begin
    while moment < end:
        later = moment + _DAY
        if (after := _offset(later, local)) != offset:
            change = _change(moment, later, local, offset)
            if change < end:
                spans.append((since, change, offset))
                since, offset = change, after
        moment = later
    spans.append((since, end, offset))
    return tuple(spans)


def _change(low: datetime, high: datetime, local: ZoneInfo, before: timedelta) -> datetime:
    """The second at which the zone leaves the offset `before`, which it has at `low` and not at `high`."""
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        if _offset(middle, local) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(moment: datetime, local: ZoneInfo) -> timedelta:
    return moment.astimezone(local).utcoffset() or timedelta(0)
