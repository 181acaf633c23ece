"""Run inside the environment of the stack: makes the people, queues and mailboxes that the browser tests work with.

Reads {password, smtp: {...}, mailbox: {...} or null} from stdin; writes ids by name and all routes to stdout.
"""

import json
import sys
from typing import Any

PEOPLE = {"ann": "operator", "bob": "operator", "carl": "operator", "sue": "supervisor", "dora": "administrator"}
DOOR, STRANGERS, MAILBOX = "door@desk.example", "strangers@desk.example", "support@desk.example"


def furnish(order: dict[str, Any]) -> dict[str, Any]:
    """Make the rows through the models. Needs an application context."""
    from helpdesk.db import transaction
    from helpdesk.models import CannedReply, Category, Group, Organisation, Project, Queue, QueueRight, Right, User
    from helpdesk.passwords import hash_password
    from tests.browser.furnish_screens import furnish_screens

    with transaction() as session:
        project = session.query(Project).order_by(Project.id).first()
        assert project is not None
        people = {
            name: User(
                name=name.capitalize(),
                role=role,
                email=f"{name}@desk.example",
                password_hash=hash_password(order["password"]),
            )
            for name, role in PEOPLE.items()
        }
        front = Group(name="Front", users=[people[name] for name in ("ann", "bob", "sue")])
        back = Group(name="Back", users=[people["carl"]])
        queues = {
            name: Queue(project_id=project.id, name=name, acknowledge=False)
            for name in ("Care", "Billing", "Strangers")
        }
        canned = CannedReply(name="Приветствие", body="Здравствуйте! Спасибо, что написали.")
        category, organisation = Category(name="Оплата"), Organisation(name="Ромашка")
        session.add_all([*people.values(), front, back, *queues.values(), canned, category, organisation])
        session.flush()
        for group, queue in ((front, "Care"), (front, "Strangers"), (back, "Billing")):
            session.add(QueueRight(group_id=group.id, queue_id=queues[queue].id, right=Right.WORK))
        channels = {"door": _channel(queues["Care"], DOOR, order["smtp"])}
        channels["strangers"] = _channel(queues["Strangers"], STRANGERS, order["smtp"])
        if order["mailbox"]:
            channels["mailbox"] = _channel(queues["Care"], MAILBOX, order["smtp"] | order["mailbox"])
        session.add_all(channels.values())
        session.flush()
        for channel in channels.values():
            channel.keep_secrets({"password": order["password"]})  # sealed for its id
        return {
            "project": project.id,
            "group": front.id,
            "canned": canned.id,
            "category": category.id,
            "organisation": organisation.id,
            **furnish_screens(session, people, queues["Care"]),
            **{name: user.id for name, user in people.items()},
            **{name: queue.id for name, queue in queues.items()},
            **{name: channel.id for name, channel in channels.items()},
        }


def _channel(queue: Any, address: str, settings: dict[str, Any]) -> Any:
    from helpdesk.models import Channel

    return Channel(
        project_id=queue.project_id,
        queue_id=queue.id,
        kind="email",
        name=address.partition("@")[0].capitalize(),
        address=address,
        settings=settings | {"address": address},
    )


def main() -> None:
    """Do as stdin says."""
    from wsgi import create_app

    app = create_app()
    routes = [
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    ]
    with app.app_context():
        print(json.dumps({"ids": furnish(json.load(sys.stdin)), "routes": sorted(routes)}))


if __name__ == "__main__":
    main()
