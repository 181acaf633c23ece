"""Where a new ticket goes: a pure function of what is known of the mail, the rules, and the channel's own queue.

Rules are looked at in their order. The first that fires decides, unless it says "go on": then later ones may add what
is still open. Nothing here knows the database.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from helpdesk.models.ticket.states import Priority
from helpdesk.rules import Actions, Condition, Fate, Feature, LiveRule, fold
from queues import spam_marks


class SpamCause(StrEnum):
    """Why a mail is filed as spam."""

    RULE = "rule"
    BLOCKED = "blocked"
    SERVER = "server"
    FLOOD = "flood"


@dataclass(frozen=True)
class MailFacts:
    """What rules look at.

    Addresses in their normal form; `headers` have lower-case names and their values a line each; `size` in bytes;
    `files` are (name, type); `known_customer`: has had a ticket before; `blocked` and `flooding` are about the sender.
    """

    sender: str = ""
    recipients: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    language: str | None = None
    files: tuple[tuple[str, str], ...] = ()
    automatic: bool = False
    known_customer: bool = False
    organisation_id: int | None = None
    blocked: bool = False
    flooding: bool = False


@dataclass(frozen=True)
class Fired:
    """A rule that fired, and what it did: only what no rule before it had done. `queue_refused` was not to be used."""

    rule_id: int
    name: str
    queue_id: int | None = None
    queue_refused: int | None = None
    priority: int | None = None
    tags: tuple[str, ...] = ()
    request_type: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    no_acknowledgement: bool = False
    fate: Fate | None = None


@dataclass(frozen=True)
class Route:
    """What becomes of a mail that opens a ticket. `spam` is why it is filed as spam, `dropped_by` a rule's name."""

    queue_id: int
    priority: int = Priority.NORMAL
    tags: tuple[str, ...] = ()
    request_type: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    acknowledge: bool = True
    spam: SpamCause | None = None
    dropped_by: str | None = None
    fired: tuple[Fired, ...] = ()


def route(
    mail: MailFacts,
    rules: Sequence[LiveRule],
    channel_queue_id: int,
    open_queues: Collection[int],
    files_marked_spam: bool = True,
    keep: bool = False,
) -> Route:
    """Where the mail goes.

    `open_queues` are the active queues of its project: a rule that names another is heard but for that. With
    `files_marked_spam` the server's mark is believed. `keep` is for a mail that provably follows a ticket: where a rule
    would leave it out, it is filed as spam instead.
    """
    fired: list[Fired] = []
    reader = _Reader(mail)
    for rule in rules:
        if not all(reader.holds(condition) for condition in rule.conditions):
            continue
        fired.append(_fire(rule, fired, open_queues))
        if not rule.go_on or fired[-1].fate == "drop":
            break
    fate = next((one.fate for one in fired if one.fate), None)
    dropping = fate == "drop" and not keep
    return Route(
        queue_id=next((one.queue_id for one in fired if one.queue_id), None) or channel_queue_id,
        priority=next((one.priority for one in fired if one.priority), None) or Priority.NORMAL,
        tags=tuple(tag for one in fired for tag in one.tags),
        request_type=next((one.request_type for one in fired if one.request_type), ""),
        fields=dict(item for one in fired for item in one.fields.items()),
        acknowledge=not any(one.no_acknowledgement for one in fired),
        spam=None if dropping else _spam(fate, mail, files_marked_spam),
        dropped_by=fired[-1].name if dropping else None,
        fired=tuple(fired),
    )


def _fire(rule: LiveRule, before: Sequence[Fired], open_queues: Collection[int]) -> Fired:
    """What the rule adds to those that fired before it: the first to speak of a thing decides it."""
    actions: Actions = rule.actions
    wants_queue = actions.queue_id is not None and not any(one.queue_id for one in before)
    usable = actions.queue_id in open_queues
    tagged = {tag for one in before for tag in one.tags}
    filled = {key for one in before for key in one.fields}
    return Fired(
        rule_id=rule.id,
        name=rule.name,
        queue_id=actions.queue_id if wants_queue and usable else None,
        queue_refused=actions.queue_id if wants_queue and not usable else None,
        priority=None if any(one.priority for one in before) else actions.priority,
        tags=tuple(tag for tag in dict.fromkeys(actions.tags) if tag not in tagged),
        request_type="" if any(one.request_type for one in before) else actions.request_type,
        fields={key: value for key, value in actions.fields.items() if key not in filled},
        no_acknowledgement=actions.no_acknowledgement and not any(one.no_acknowledgement for one in before),
        fate=None if any(one.fate for one in before) else actions.fate,
    )


def _spam(fate: Fate | None, mail: MailFacts, files_marked_spam: bool) -> SpamCause | None:
    """Rules come first; a trusted mail is never spam."""
    if fate is not None:
        return None if fate == "trusted" else SpamCause.RULE
    if mail.blocked:
        return SpamCause.BLOCKED
    if files_marked_spam and spam_marks.is_marked(mail.headers):
        return SpamCause.SERVER
    return SpamCause.FLOOD if mail.flooding else None


class _Reader:
    """One mail, its long texts folded once for all rules."""

    def __init__(self, mail: MailFacts) -> None:
        self.mail = mail
        self._folded: dict[str, str] = {}

    def holds(self, condition: Condition) -> bool:
        """Whether the mail meets the condition."""
        return self._met(condition) != condition.negated

    def _met(self, condition: Condition) -> bool:
        mail, values = self.mail, condition.values
        match condition.test:
            case Feature.SENDER:
                return any(address_fits(mail.sender, value) for value in values)
            case Feature.RECIPIENT:
                return any(address_fits(one, value) for one in mail.recipients for value in values)
            case Feature.SUBJECT | Feature.TEXT:
                whole = self._text(condition.test, mail.subject if condition.test == Feature.SUBJECT else mail.text)
                return any(contains(whole, fold(value)) for value in values)
            case Feature.HEADER:
                if condition.header not in mail.headers:
                    return False
                whole = self._text(f"header {condition.header}", mail.headers[condition.header])
                return not values or any(contains(whole, fold(value)) for value in values)
            case Feature.SIZE:
                return mail.size > float(values[0]) * 1024
            case Feature.LANGUAGE:
                return mail.language is not None and mail.language in {value.casefold() for value in values}
            case Feature.ATTACHMENT:
                return any(file_fits(name, type_, value) for name, type_ in mail.files for value in values or ("*",))
            case Feature.ORGANISATION:
                return mail.organisation_id == int(float(values[0]))
            case _:
                return self._is(condition)

    def _is(self, condition: Condition) -> bool:
        """The conditions without patterns."""
        mail = self.mail
        match condition.test:
            case Feature.AUTOMATIC:
                return mail.automatic
            case Feature.SPAM_MARK:
                return spam_marks.is_marked(mail.headers)
            case Feature.SPAM_SCORE:
                points = spam_marks.score(mail.headers)
                return points is not None and points > float(condition.values[0])
            case Feature.DMARC_FAIL:
                return spam_marks.dmarc_failed(mail.headers)
            case Feature.BLOCKED:
                return mail.blocked
            case Feature.KNOWN_CUSTOMER:
                return mail.known_customer
            case _:
                raise ValueError(condition.test)

    def _text(self, key: str, text: str) -> str:
        if key not in self._folded:
            self._folded[key] = fold(text)
        return self._folded[key]


def address_fits(address: str, pattern: str) -> bool:
    """Whether an address in its normal form fits an address, `@domain`, or a pattern with `*`."""
    if "*" in pattern:
        return glob(address, pattern)
    return address.endswith(pattern) if pattern.startswith("@") else address == pattern


def file_fits(name: str, type_: str, pattern: str) -> bool:
    """Whether a file is of a kind: a name such as `*.pdf`, an ending such as `pdf` or `.pdf`, or a type, `image/*`."""
    name, type_, pattern = name.casefold(), type_.casefold(), pattern.casefold()
    if "/" in pattern:
        return glob(type_, pattern)
    if "*" in pattern:
        return glob(name, pattern)
    return name == pattern or name.endswith(f".{pattern.removeprefix('.')}")


def contains(text: str, piece: str) -> bool:
    """Whether the pieces between the `*` of a pattern stand in the text, in their order."""
    at = 0
    for part in piece.split("*"):
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def glob(text: str, pattern: str) -> bool:
    """Whether the whole text fits a pattern in which `*` stands for anything. Linear: no backtracking."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    last = rest.pop()
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    return contains(text[len(first) : len(text) - len(last)], "*".join(rest)) if rest else True
