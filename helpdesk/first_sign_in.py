"""A fresh installation gets its first administrator, group and queue; how to sign in is told until it was done once.

The one-time password stands in `run/first-sign-in.txt` of the data folder, for its owner's eyes only, so that a second
start can say it again. It goes when the administrator has chosen a password of their own.
"""

import os
from pathlib import Path

from sqlalchemy import select, text

from helpdesk.config import settings
from helpdesk.db import after_commit, db
from helpdesk.models.event import record_change
from helpdesk.models.project import Project
from helpdesk.models.queue import Queue
from helpdesk.models.user import Group, Right, Role, User
from helpdesk.sign_in import set_one_time_password, user_by_email
from helpdesk.staff import EVERYONE, everyone, set_right

DEFAULT_EMAIL = "admin@localhost"
DEFAULT_NAME = "Administrator"
FIRST_QUEUE = "Support"
# Two programs that start at once must not both make the first administrator.
LOCK = 7391_0002


def kept_file() -> Path:
    """Where the one-time password waits to be used."""
    return settings().data / "run" / "first-sign-in.txt"


def ensure_administrator(email: str = "", name: str = "") -> list[str]:
    """Make sure that somebody can administer. Returns lines that say how to sign in; none once that was done."""
    db.session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    query = select(User).where(User.role == Role.ADMINISTRATOR, User.active).order_by(User.id)
    administrators = db.session.scalars(query).all()
    if not administrators:
        lines = create_administrator(email or DEFAULT_EMAIL, name or DEFAULT_NAME)
        after_commit(lambda: _keep(lines))
        return lines
    if not all(user.password_is_one_time for user in administrators):
        forget()
        return []
    return _say_again(administrators[0])


def create_administrator(email: str, name: str) -> list[str]:
    """A new administrator with a one-time password, and what an empty installation needs. Returns how to sign in."""
    user = user_by_email(email) or User(email=email, name=name, role=Role.ADMINISTRATOR)
    user.role, user.active = Role.ADMINISTRATOR, True
    db.session.add(user)
    db.session.flush()
    furnish(user)
    record_change(None, "person", user.id, user.name, {"created": email, "role": Role.ADMINISTRATOR})
    return renew(user)


def renew(user: User) -> list[str]:
    """A fresh one-time password for `user`. Returns how to sign in."""
    return [
        f"Sign in as:         {user.email}",
        f"One-time password:  {set_one_time_password(user)}",
    ]


def furnish(user: User) -> None:
    """The group that everybody joins, and a first queue open to it, where there are none."""
    group = everyone()
    if group is None:
        group = Group(name=EVERYONE, everyone=True)
        group.users = list(db.session.scalars(select(User)))
        db.session.add(group)
    if user not in group.users:
        group.users.append(user)
    if db.session.scalar(select(Queue.id).limit(1)) is None:
        project = db.session.scalars(select(Project).order_by(Project.id).limit(1)).one()
        queue = Queue(project_id=project.id, name=FIRST_QUEUE)
        db.session.add(queue)
        db.session.flush()
        set_right(group.id, queue.id, Right.WORK)
    db.session.flush()


def forget() -> None:
    """Drop the file after the commit: the one-time password was used."""
    after_commit(lambda: kept_file().unlink(missing_ok=True))


def _say_again(user: User) -> list[str]:
    path = kept_file()
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if lines and user.email in lines[0]:
        return lines
    return [
        f"The administrator {user.email} has not signed in yet.",
        f"A fresh one-time password:  helpdesk admin reset-password {user.email}",
    ]


def _keep(lines: list[str]) -> None:
    path = kept_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
