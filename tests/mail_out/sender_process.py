"""A sending process for the fault tests: drains the outbox once, and says what it is about to do.

`FREEZE=before|after` stops it right before or after `dot_at` is committed, until it is killed or gets a line.
"""

import os
import sys
from typing import Any


def main() -> None:
    from helpdesk.config import settings
    from queues import delivery, outbox
    from wsgi import create_app

    settings().outbound_allow.append("127.0.0.1")
    mark = delivery._mark_dot
    where = os.environ.get("FREEZE", "")

    def freezing(taken: Any) -> None:
        if where == "before":
            freeze()
        mark(taken)
        if where == "after":
            freeze()

    delivery._mark_dot = freezing
    with create_app().app_context():
        print("handled", outbox.drain(), flush=True)


def freeze() -> None:
    print("frozen", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    sys.exit(main())
