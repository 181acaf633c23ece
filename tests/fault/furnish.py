"""Run inside the environment of the stack: makes the queue, the mailbox and the operators of the fault run.

Reads a JSON object {mailbox: {address, settings, password}, operators: [{email, password}]} from stdin and writes
{queue_id, channel_id} to stdout.
"""

import json
import sys
from typing import Any


def furnish(order: dict[str, Any]) -> dict[str, int]:
    """Make the rows that a fresh installation needs, through the models. Needs an application context."""
    from helpdesk.db import db, transaction
    from helpdesk.models import Channel, Group, Project, Queue, QueueRight, Right, Role, User
    from helpdesk.passwords import hash_password

    with transaction() as session:
        project = session.query(Project).order_by(Project.id).first()
        assert project is not None
        queue = Queue(project_id=project.id, name="Under fire", acknowledge=False)
        people = [
            User(name=one["email"].partition("@")[0], role=Role.OPERATOR, email=one["email"],
                 password_hash=hash_password(one["password"]))
            for one in order["operators"]
        ]  # fmt: skip
        group = Group(name="Everybody under fire", users=people)
        session.add_all([queue, group])
        db.session.flush()
        session.add(QueueRight(group_id=group.id, queue_id=queue.id, right=Right.WORK))
        box = order["mailbox"]
        channel = Channel(
            project_id=project.id, queue_id=queue.id, kind="email", name="Under fire", address=box["address"],
            settings=box["settings"],
        )  # fmt: skip
        session.add(channel)
        channel.keep_secrets({"password": box["password"]})
        return {"queue_id": queue.id, "channel_id": channel.id}


def main() -> None:
    """Do as stdin says."""
    from wsgi import create_app

    with create_app().app_context():
        print(json.dumps(furnish(json.load(sys.stdin))))


if __name__ == "__main__":
    main()
