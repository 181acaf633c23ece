"""What administrators do with projects."""

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import func, select

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.models.event import record_change
from helpdesk.models.project import Project
from helpdesk.models.queue import Queue
from helpdesk.models.user import Right, User
from helpdesk.queue_changes import set_rights
from helpdesk.staff import apply


def save_project(by: User, project: Project, values: Mapping[str, Any]) -> None:
    """Columns of a project, new or not. Raises Refused when the name is taken."""
    same = select(Project.id).where(func.lower(Project.name) == values["name"].lower())
    if db.session.scalar(same.where(Project.id != (project.id or 0))) is not None:
        raise Refused(_("There is a project with that name already."))
    changes = apply(project, values)
    db.session.add(project)
    db.session.flush()
    if changes:
        record_change(by.id, "project", project.id, project.name, changes)


def open_queues_to(by: User, project: Project, rights: Mapping[int, Right | None]) -> None:
    """Give groups (group id to right) the same right in every queue of the project."""
    for queue in db.session.scalars(select(Queue).where(Queue.project_id == project.id).order_by(Queue.id)):
        if given := set_rights(queue, rights):
            record_change(by.id, "queue", queue.id, queue.name, {"rights": given})
