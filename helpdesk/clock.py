"""One clock for everything that is stored, ordered or leased: the database server's.

The SQL function `helpdesk_now()` gives the time; only tests move it, by the setting `helpdesk.clock_offset`.
"""

from datetime import datetime

from sqlalchemy import func, select

from helpdesk.db import db

SQL_NOW = func.helpdesk_now()


def now() -> datetime:
    """The present moment in UTC, as the database sees it (one round trip, unless this transaction holds one)."""
    held: datetime | None = db.session().info.get("held_now")
    return held or db.session.execute(select(SQL_NOW)).scalar_one()


def hold(moment: datetime | None = None) -> datetime:
    """Read the time once for all that the rest of the present transaction does; or keep one that was just read."""
    moment = moment or now()
    db.session().info["held_now"] = moment
    return moment
