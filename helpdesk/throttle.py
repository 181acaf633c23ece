"""Limits on tries, counted in PostgreSQL so that they hold over all processes and outlive a restart.

Each try is one statement on one row, committed at once: a hundred tries at the same moment count as a hundred, also
when what they tried is rolled back. Without the database nobody gets in, so the limits fail closed.
"""

import ipaddress
from dataclasses import dataclass
from datetime import timedelta

from flask_babel import ngettext
from sqlalchemy import case, delete, update
from sqlalchemy.dialects.postgresql import insert

from helpdesk.clock import SQL_NOW
from helpdesk.db import db
from helpdesk.errors import TooMany
from helpdesk.models.session import TryCount


@dataclass(frozen=True)
class Limit:
    """So many tries of one key within a window that begins with the first."""

    name: str
    most: int
    window: timedelta

    def key(self, subject: str) -> str:
        """The row's key for one subject (an account, an address)."""
        return f"{self.name}:{subject}"


SIGN_IN = Limit("sign-in", 5, timedelta(minutes=15))  # per account and network: a delay there, a lockout nowhere else
SIGN_IN_PLACE = Limit("sign-in-place", 50, timedelta(hours=1))  # per address; successes are taken off again
CODE = Limit("code", 5, timedelta(minutes=5))  # per account, wherever from: who gets here knows the password
RESET = Limit("reset", 3, timedelta(hours=1))
RESET_PLACE = Limit("reset-place", 10, timedelta(hours=1))
PROOF = Limit("proof", 10, timedelta(minutes=15))  # a signed-in person's own password, asked again


def count_try(*tries: tuple[Limit, str]) -> None:
    """Count one try of each (limit, subject), commit, and raise TooMany when one of them is over its limit."""
    waits = [_count(limit, subject) for limit, subject in sorted(tries, key=lambda pair: pair[0].key(pair[1]))]
    db.session.commit()
    wait = max(waits)
    if wait > 0:
        minutes = max(1, -(-wait // 60))
        raise TooMany(
            ngettext(
                "That was tried too often. Try again in a minute.",
                "That was tried too often. Try again in %(num)s minutes.",
                minutes,
            ),
            minutes=minutes,
        )


def wait_after_try(limit: Limit, subject: str) -> int:
    """Count one try and commit; the seconds to wait where that was one too many, 0 where it was not."""
    wait = _count(limit, subject)
    db.session.commit()
    return wait


def _count(limit: Limit, subject: str) -> int:
    """Seconds that the subject still has to wait after this try; 0 when it is within the limit."""
    fresh = insert(TryCount).values(key=limit.key(subject), count=1, until=SQL_NOW + limit.window)
    over = TryCount.until <= SQL_NOW
    statement = fresh.on_conflict_do_update(
        index_elements=[TryCount.key],
        set_={
            "count": case((over, 1), else_=TryCount.count + 1),
            "until": case((over, SQL_NOW + limit.window), else_=TryCount.until),
        },
    ).returning(TryCount.count, (TryCount.until - SQL_NOW).label("left"))
    count, left = db.session.execute(statement).one()
    return max(1, int(left.total_seconds())) if count > limit.most else 0


def forget_tries(*tries: tuple[Limit, str]) -> None:
    """Forget the tries of each (limit, subject): the right person was there."""
    keys = [limit.key(subject) for limit, subject in tries]
    db.session.execute(delete(TryCount).where(TryCount.key.in_(keys)))


def take_back(limit: Limit, subject: str) -> None:
    """Take one try off again, e.g. a success behind an address that a whole office shares."""
    db.session.execute(
        update(TryCount)
        .where(TryCount.key == limit.key(subject), TryCount.count > 0)
        .values(count=TryCount.count - 1)
        .execution_options(synchronize_session=False)
    )


def sweep_try_counts() -> None:
    """Delete counts whose window is over."""
    db.session.execute(delete(TryCount).where(TryCount.until <= SQL_NOW))


def place_of(address: str) -> str:
    """The address that a limit counts by: an IPv4 address, or the /64 that one IPv6 household has."""
    return _network(address, 32, 64)


def network_of(address: str) -> str:
    """The neighbourhood of an address: /24 of IPv4, /48 of IPv6."""
    return _network(address, 24, 48)


def _network(address: str, bits4: int, bits6: int) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    bits = bits4 if parsed.version == 4 else bits6
    return str(ipaddress.ip_network((parsed, bits), strict=False))
