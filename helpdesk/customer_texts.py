"""Texts that customers read: those the administrators wrote, else ready ones; variables come from a fixed list."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from helpdesk.db import db
from helpdesk.models.queue import CustomerText, Queue
from helpdesk.models.user import User

LANGUAGES = ("en", "ru", "uk")
ACKNOWLEDGEMENT = "acknowledgement"
REFUSAL = "refusal"
SIGNATURE = "signature"
FOOTER = "footer"
VARIABLES = ("number", "subject", "name", "queue", "project", "operator")
_VARIABLE = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True)
class Text:
    """A subject ("" = as the thread is called) and a body, both with variables such as {number}."""

    subject: str
    body: str


READY: dict[tuple[str, str], Text] = {
    **{(key, language): Text("", "") for key in (SIGNATURE, FOOTER) for language in LANGUAGES},
    (ACKNOWLEDGEMENT, "en"): Text(
        "",
        "Hello!\n\nWe have received your message. Its number is {number}.\n"
        "We answer in the order in which messages arrive. To add something, simply reply to this mail.",
    ),
    (ACKNOWLEDGEMENT, "ru"): Text(
        "",
        "Здравствуйте!\n\nМы получили ваше сообщение. Его номер — {number}.\n"
        "Мы отвечаем в порядке поступления. Чтобы что-то добавить, просто ответьте на это письмо.",
    ),
    (ACKNOWLEDGEMENT, "uk"): Text(
        "",
        "Вітаємо!\n\nМи отримали ваше повідомлення. Його номер — {number}.\n"
        "Ми відповідаємо в порядку надходження. Щоб щось додати, просто дайте відповідь на цей лист.",
    ),
    (REFUSAL, "en"): Text(
        "",
        "Hello!\n\nYour request {number} is closed, so this message was not added to the work of our operators.\n"
        "If you need help again, please write a new mail with a new subject.",
    ),
    (REFUSAL, "ru"): Text(
        "",
        "Здравствуйте!\n\nВаше обращение {number} закрыто, поэтому это сообщение не попадёт к операторам.\n"
        "Если вам снова нужна помощь, напишите, пожалуйста, новое письмо с новой темой.",
    ),
    (REFUSAL, "uk"): Text(
        "",
        "Вітаємо!\n\nВаше звернення {number} закрите, тому це повідомлення не потрапить до операторів.\n"
        "Якщо вам знову потрібна допомога, напишіть, будь ласка, новий лист із новою темою.",
    ),
}


def customer_text(project_id: int, key: str, language: str) -> Text:
    """The text in the reader's language: the project's own one, else the ready one."""
    language = language if language in LANGUAGES else "en"
    own = db.session.get(CustomerText, (project_id, key, language))
    return Text(own.subject, own.body) if own is not None else READY[key, language]


def closing(project_id: int, language: str, signature: str) -> str:
    """What stands below a message: the queue's own signature, else the project's, then the project's legal footer."""
    signature = signature.strip() or customer_text(project_id, SIGNATURE, language).body.strip()
    footer = customer_text(project_id, FOOTER, language).body.strip()
    return "\n\n".join(part for part in (signature, footer) if part)


def closing_of(author: User | None, queue: Queue, language: str, values: Mapping[str, str]) -> str:
    """What stands below a message: its author's own signature, which holds no variables, then what all share."""
    shared = fill(closing(queue.project_id, language, queue.signature), values)
    own = author.signature.strip() if author is not None else ""
    return "\n\n".join(part for part in (own, shared) if part)


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with its known variables replaced, once; what is unknown stays as it is written."""
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def unknown_variables(text: str) -> list[str]:
    """Words in braces that are no variables, for the person who writes the text."""
    return [name for name in dict.fromkeys(_VARIABLE.findall(text)) if name not in VARIABLES]
