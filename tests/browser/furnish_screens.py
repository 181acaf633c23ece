"""Something for every screen to show: rules, promises, a door, tokens, a webhook, notices, an entry by hand."""

from typing import Any

from helpdesk.models import (
    ApiToken,
    BlockedSender,
    Calendar,
    CalendarVersion,
    Channel,
    Customer,
    Field,
    FormerPattern,
    HookRefusal,
    Identity,
    Macro,
    Notice,
    Queue,
    Rule,
    SavedView,
    Scope,
    Target,
    Task,
    TextVariable,
    TextVariableValue,
    User,
    Webhook,
    WebhookDelivery,
)
from helpdesk.opening import Entry, write_down

LOTTERY = "лотерея"  # a mail with it in the subject is filed as spam


def furnish_screens(session: Any, people: dict[str, User], queue: Queue) -> dict[str, int]:
    """Make the rows and give their ids, by the names of the variables in URLs where there are such."""
    ids = _rules(session, queue) | _promises(session, queue) | _programs(session, people)
    ids["http"] = _door(session, queue).id
    ids |= _workspace(session, people)
    blocked = BlockedSender(project_id=queue.project_id, value="@lottery.example", by_id=people["sue"].id)
    pattern = FormerPattern.add(queue.project_id, "[Ticket#{number}]", "digits")
    caller = Customer(name="Олена Шевченко", identities=[Identity(namespace="phone", value="+380441234567")])
    session.add_all([blocked, caller])
    session.flush()
    entry = Entry("call", "in", "Звонок о доставке", "Просит перезвонить после шести.")
    entered = write_down(people["ann"], queue, caller, entry, own=True)
    given = {"kind": "ticket.given", "ticket_id": entered.id, "payload": {"name": "Sue"}}
    notices = {name: Notice(user_id=people[name].id, **given) for name in ("ann", "sue", "dora")}
    session.add_all(notices.values())
    session.flush()
    now = notices["dora"].at
    task = Task(user_id=people["dora"].id, title="Проверить возврат", due_at=now, ticket_id=entered.id, note="до обеда")
    session.add(task)
    session.flush()
    own = {f"notice_{name}": notice.id for name, notice in notices.items()}
    return ids | own | {"task_id": task.id, "blocked_id": blocked.id, "pattern_id": pattern.id, "entered": entered.id}


def _rules(session: Any, queue: Queue) -> dict[str, int]:
    looks = [{"test": "subject", "values": [LOTTERY]}, {"test": "known_customer", "negated": True}]
    rules = [
        Rule(name="Лотереи", active=True, conditions=looks, actions={"fate": "spam"}),
        Rule(name="Счета", conditions=looks[:1], actions={"queue_id": queue.id, "tags": ["счёт"], "priority": 2}),
    ]
    for position, rule in enumerate(rules, 1):
        rule.project_id, rule.position = queue.project_id, position
    session.add_all(rules)
    session.flush()
    return {"rule_id": rules[1].id}


def _promises(session: Any, queue: Queue) -> dict[str, int]:
    calendar, target = Calendar(name="Офис"), Target(queue_id=queue.id, first_seconds=3600, solution_seconds=86_400)
    session.add_all([calendar, target])
    session.flush()
    week: list[Any] = [[[540, 1080]]] * 5 + [[], []]
    days = {"2030-01-01": {"name": "Новый год", "hours": []}}
    session.add(CalendarVersion(calendar_id=calendar.id, version=1, time_zone="Europe/Kyiv", week=week, days=days))
    return {"calendar_id": calendar.id, "target_id": target.id}


def _workspace(session: Any, people: dict[str, User]) -> dict[str, int]:
    """What people arranged for themselves and each other: a macro, a view, a variable."""
    actions = {"reply": "Здравствуйте, {customer_first_name}!", "add_tags": ["доставка"]}
    macro = Macro(name="Спросить номер", actions=actions)
    view = SavedView(user_id=people["dora"].id, name="Срочные", conditions="state:open")
    variable = TextVariable(name="часы", note="Когда мы отвечаем", values=[TextVariableValue(value="с 9 до 18")])
    field = Field(about="ticket", kind="text", label="Договор")
    session.add_all([macro, view, variable, field])
    session.flush()
    return {"macro_id": macro.id, "view_id": view.id, "variable_id": variable.id, "field_id": field.id}


def _programs(session: Any, people: dict[str, User]) -> dict[str, int]:
    """Tokens, and a webhook that is off, so that nothing of a test leaves by it."""
    tokens = {
        name: ApiToken.issue(people[name], people[name], "Отчёты", [Scope.TICKETS_READ], None)[0] for name in people
    }
    shop = User(name="Shop", email="shop@desk.example", role="operator", system=True, password_hash=None)
    webhook = Webhook(name="Orders", url="https://orders.example/hook", active=False, off_words="")
    session.add_all([shop, webhook])
    session.flush()
    ApiToken.issue(shop, people["dora"], "Магазин", [Scope.TICKETS_READ, Scope.TICKETS_WRITE], None)
    webhook.keep_secret("whsec_made-up")
    delivery = WebhookDelivery(
        webhook_id=webhook.id, state="failed", attempts=3, status=503, words="Service Unavailable"
    )
    session.add(delivery)
    session.flush()
    return {"webhook_id": webhook.id, "delivery_id": delivery.id, "token_id": tokens["ann"].id}


def _door(session: Any, queue: Queue) -> Channel:
    settings = {"callback_url": "https://shop.example/replies", "takes_files": True}
    door = Channel(project_id=queue.project_id, queue_id=queue.id, kind="http", name="Магазин", settings=settings)
    door.door = "door-of-the-shop"
    session.add(door)
    session.flush()
    door.keep_secrets({"secret": "hds_made-up"})
    session.add(
        HookRefusal(channel_id=door.id, code="signature", words="The signature does not fit.", address="127.0.0.1")
    )
    return door
