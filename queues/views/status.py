"""The status page: whether anything is lost, what waits, and how everything is that this runs on."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from helpdesk import clock
from helpdesk.auth import administrators_only, me, supervisors_only
from helpdesk.queries.backlog import Backlog, backlogs, outbox_figures
from helpdesk.webhook_changes import all_webhooks
from queues import cron, doctor, ledger, status
from queues.chore_names import chore_name

pages = Blueprint("status", __name__)

KEEPS_TIME = "wake-tickets"  # runs more often than any other chore, so its last run shows that the timetable is kept
SILENT_SECONDS = 60


@pages.get("/status")
@supervisors_only
def show() -> ResponseReturnValue:
    """The page; it fetches itself again every few seconds."""
    runs, now = cron.last_runs(), clock.now()
    beat = runs.get(KEEPS_TIME)
    return render_template(
        "status/show.html",
        channels=status.channels(me()),
        webhooks=[webhook for webhook in all_webhooks() if webhook.off_words or webhook.failing_since],
        backlogs=[*backlogs(), Backlog("chores", len(cron.due_chores()), None)],
        workers=status.workers(),
        outbox=outbox_figures(),
        chores=[(chore_name(chore.name), runs.get(chore.name)) for chore in cron.TIMETABLE],
        timetable_kept=beat is not None and (now - beat.at).total_seconds() < SILENT_SECONDS,
        reconciled=ledger.last_result(),
        engines=status.engines(),
        disk=status.disk(),
        clock_offset=status.clock_offset(),
        now=now,
    )


@pages.get("/status/findings")
@administrators_only
def findings() -> ResponseReturnValue:
    """What `helpdesk doctor` says, but for trying the servers of channels."""
    found = sorted(doctor.look(connect=False), key=lambda one: -one.level)
    return render_template("status/findings.html", findings=found)
