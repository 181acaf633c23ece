"""The connection of a test belongs to its thread: what others do, meanwhile or still, does not get into its way."""

import threading
from typing import Any

from helpdesk.db import db


def test_another_thread_gets_a_connection_of_its_own(app: Any, session: Any) -> None:
    met: list[Any] = []

    def look() -> None:
        with app.app_context():
            met.append(db.session.connection())
            db.session.remove()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert met[0] is not session.connection()
    assert session.connection() is db.engine
