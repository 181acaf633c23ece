"""What the fragments of the desk cost the server by themselves: processor time and statements, in this process."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event

from bench.stage import Stage

TIMES = 30


@dataclass(frozen=True)
class Cost:
    """One kind of request: milliseconds of processor of the web process (median), statements, kB of the answer."""

    name: str
    processor_ms: float
    statements: int
    kilobytes: float
    status: int


def costs(stage: Stage, paths: dict[str, Callable[[int], tuple[str, str]]]) -> list[Cost]:
    """Ask for each kind of page often, as `workspace.js` does, as an operator of the stage.

    `paths` gives for each kind the address of the n-th request, and the key of the list that is on the screen already.
    """
    from helpdesk.auth import cookie_name
    from helpdesk.db import db, transaction
    from helpdesk.models import User
    from helpdesk.models.session import Stage as Step
    from helpdesk.models.session import UserSession

    with stage.app.app_context(), transaction() as session:
        user = session.query(User).filter(User.email == "operator1@desk.example").one()
        _row, token = UserSession.begin(user, Step.FULL, "127.0.0.1", "bench")
    asked: list[int] = [0]

    def count(*_: Any) -> None:
        asked[0] += 1

    with stage.app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", count)
    client = stage.app.test_client()
    client.set_cookie(cookie_name(), token)
    found = []
    try:
        for name, path in paths.items():
            spent, statements, size, status = [], 0, 0, 0
            for number in range(TIMES):
                asked[0] = 0
                url, shown = path(number)
                began = time.process_time()
                answer = client.get(url, headers={"X-Panes": "1", "X-List": shown})
                size, status = len(answer.data), answer.status_code
                spent.append((time.process_time() - began) * 1000)
                statements = asked[0]
            found.append(Cost(name, statistics.median(spent), statements, size / 1000, status))
    finally:
        event.remove(engine, "before_cursor_execute", count)
    return found
