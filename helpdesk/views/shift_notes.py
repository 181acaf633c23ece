"""The note pinned above a queue's line: reading what stood there, writing a new one."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from helpdesk import permissions
from helpdesk.auth import me
from helpdesk.models import Right
from helpdesk.shift_notes import MOST_TEXT, former_notes, write_note

pages = Blueprint("shift_notes", __name__)


@pages.get("/queues/<int:queue_id>/note")
@login_required
def edit(queue_id: int) -> ResponseReturnValue:
    """The form of the note, with what stood there before."""
    queue = permissions.get_queue(current_user, queue_id, Right.WORK)
    context = {"queue": queue, "former": former_notes(queue), "longest": MOST_TEXT}
    if "HX-Request" in request.headers:
        return render_template("queues/shift_note.html", **context)
    return render_template("queues/shift_note_page.html", **context)


@pages.post("/queues/<int:queue_id>/note")
@login_required
def save(queue_id: int) -> ResponseReturnValue:
    """Pin another note, or take it down (an empty text)."""
    queue = permissions.get_queue(current_user, queue_id, Right.WORK)
    text = "" if request.form.get("clear") else request.form.get("text", "")
    write_note(me(), queue, text)
    return redirect(url_for("queues.show", queue_id=queue.id), 303)
