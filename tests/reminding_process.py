"""A process that reminds, for the fault tests: looks after due tasks until there are none, a line for each look.

`FREEZE=before|after` stops it in its first look, right before or right after its commit, until it is killed.
`AT_ONCE` is how many tasks one look takes.
"""

import os
import sys
from typing import Any


def main() -> None:
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    from helpdesk import reminders
    from wsgi import create_app

    reminders.AT_ONCE = int(os.environ.get("AT_ONCE", reminders.AT_ONCE))
    where = os.environ.get("FREEZE", "")
    with create_app().app_context():
        if where:
            event.listen(Session, f"{where}_commit", freeze)
        while told := reminders.remind_due():
            print("told", told, flush=True)
    print("done", flush=True)


def freeze(session: Any) -> None:
    """Stand still with everything written that the transaction writes."""
    if session.in_transaction() and session.info.get("live_topics"):
        session.flush()
    print("frozen", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    sys.exit(main())
