"""Who works at Vesna, which queues they have, and what stands ready for them."""

from helpdesk.db import db
from helpdesk.models import Availability, CannedReply, Category, Channel, ListItem, OwnerAway, Project, Queue, User
from helpdesk.models.organisation import Organisation
from helpdesk.models.user import Group, Right, Role
from helpdesk.passwords import hash_password
from helpdesk.staff import set_right
from queues.demo.desk import DOMAIN, address_of

PEOPLE = [
    ("dora", "Dora Lindqvist", Role.ADMINISTRATOR, "en", ()),
    ("sue", "Сюзанна Гринько", Role.SUPERVISOR, "ru", ("First line", "Payments team")),
    ("ann", "Анна Мельник", Role.OPERATOR, "ru", ("First line",)),
    ("bohdan", "Богдан Коваленко", Role.OPERATOR, "uk", ("First line",)),
    ("clara", "Clara Weiss", Role.OPERATOR, "en", ("First line",)),
    ("dmitry", "Дмитрий Ткачук", Role.OPERATOR, "ru", ("Payments team",)),
    ("eva", "Єва Новак", Role.OPERATOR, "uk", ("Payments team",)),
]
SIGNATURE = "--\n{operator}\nVesna, vesna.example"
QUEUES = {"Support": "First line", "Delivery": "First line", "Payments": "Payments team"}
CATEGORIES = ["Доставка", "Оплата и возвраты", "Поломка", "Вход и кабинет", "Вопрос о товаре", "Сотрудничество"]
ITEMS = {
    "reason": ["Не пришло", "Пришло не то", "Брак", "Передумал", "Вопрос"],
    "component": ["Сайт", "Склад", "Курьеры", "Касса"],
}
ORGANISATIONS = {"ТОВ «Будмаркет»": ["budmarket.example"], "Hotel Aurora": ["aurora-hotel.example"]}
CANNED = [
    (None, "Ждём фото", "Пришлите, пожалуйста, фотографию товара и упаковки: так мы решим вопрос за один день."),
    (None, "Очікуємо фото", "Надішліть, будь ласка, світлину товару та пакування: так ми вирішимо все за один день."),
    (None, "A photo, please", "Could you send a picture of the item and its box? Then we can settle this in one day."),
    ("Delivery", "Посылка задержалась", "Посылка задержалась на сортировке. Новый срок доставки — два рабочих дня."),
    ("Delivery", "Parcel is late", "Your parcel was held up at the sorting centre and arrives in two working days."),
    ("Payments", "Возврат отправлен", "Возврат отправлен в банк. Деньги придут на карту в течение пяти рабочих дней."),
    ("Payments", "Кошти повернено", "Ми відправили повернення. Гроші надійдуть на картку протягом п'яти робочих днів."),
]


def furnish(password: str) -> list[str]:
    """Make people, groups, queues and channels in the present transaction. Returns lines that say who can sign in."""
    project = db.session.query(Project).order_by(Project.id).first()
    assert project is not None
    project.name = "Vesna"
    groups = {name: Group(name=name) for name in dict.fromkeys(QUEUES.values())}
    db.session.add_all(groups.values())
    encoded = hash_password(password)
    for name, shown, role, language, teams in PEOPLE:
        user = User(email=f"{name}@{DOMAIN}", name=shown, role=role, language=language, password_hash=encoded)
        user.availability = Availability.AVAILABLE
        user.groups = [groups[team] for team in teams]
        db.session.add(user)
    queues = {
        name: Queue(project_id=project.id, name=name, signature=SIGNATURE, owner_away=OwnerAway.OWNER)
        for name in QUEUES
    }
    db.session.add_all(queues.values())
    db.session.flush()
    for name, team in QUEUES.items():
        set_right(groups[team].id, queues[name].id, Right.WORK)
        _connect(project, queues[name])
    set_right(groups["First line"].id, queues["Payments"].id, Right.SEE)
    db.session.add_all(Category(name=name, position=place) for place, name in enumerate(CATEGORIES, 1))
    for list_name, words in ITEMS.items():
        places = enumerate(words, 1)
        db.session.add_all(ListItem(list_name=list_name, name=word, position=place) for place, word in places)
    for place, name, body in CANNED:
        db.session.add(CannedReply(queue_id=queues[place].id if place else None, name=name, body=body))
    dora = db.session.query(User).filter_by(role=Role.ADMINISTRATOR).one()
    for name, domains in ORGANISATIONS.items():
        Organisation.found(dora, name, domains)
    return who_can_sign_in(password)


def _connect(project: Project, queue: Queue) -> None:
    """A mailbox without servers: mail comes through the LMTP door and leaves into the local folder."""
    address = address_of(queue.name)
    settings = {"address": address, "from_name": f"Vesna {queue.name}"}
    db.session.add(
        Channel(
            project_id=project.id, queue_id=queue.id, kind="email", name=f"Mail {queue.name}", address=address,
            settings=settings,
        )
    )  # fmt: skip


def who_can_sign_in(password: str) -> list[str]:
    """One line per person."""
    rows = [f"  {name}@{DOMAIN:<16} {role:<14} {shown}" for name, shown, role, _language, _teams in PEOPLE]
    return [f"Sign in with the password {password} as one of:", *rows]
