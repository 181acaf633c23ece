"""Fills an empty installation with the demo, once."""

from flask import current_app
from sqlalchemy import select

from helpdesk import passwords
from helpdesk.config import settings
from helpdesk.db import db, transaction
from helpdesk.errors import StartError
from helpdesk.models import Channel, InboundEvent, User, read_setting, write_setting
from queues import ledger
from queues.demo import oddities
from queues.demo.desk import Clock, Desk
from queues.demo.furniture import furnish
from queues.demo.reader import stories

STATE = "demo"
KEPT = "demo-people.txt"


def fill() -> list[str]:
    """Fill this installation, or leave it as it is when that was done before. Returns lines that say who can sign in.

    Raises StartError where there is something else in it. Needs an application context and a migrated database.
    """
    kept = settings().data / "run" / KEPT
    match read_setting(STATE, None):
        case "done":
            return kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
        case "begun":
            raise StartError(f"The demo was interrupted while it was made. Remove {settings().data} and start again.")
    if any(db.session.scalar(select(model.id).limit(1)) for model in (User, Channel, InboundEvent)):
        raise StartError(
            "This installation is in use, so no demo is put into it. Choose an empty folder: HELPDESK_DATA=var/demo"
        )
    with transaction():
        write_setting(STATE, "begun")
        lines = furnish(passwords.one_time_password())
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # what threads make their contexts from
    clock = Clock()
    try:
        with Desk(app, clock) as desk:
            desk.play([*stories(), *oddities.STORIES])
    finally:
        clock.stop()
    ledger.reconcile()
    with transaction():
        write_setting(STATE, "done")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.touch(mode=0o600)
    kept.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines
