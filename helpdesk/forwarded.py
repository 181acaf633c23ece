"""Who wrote what a colleague forwarded: the addresses in the lines that mail programs put above a forwarded mail."""

import re

from helpdesk.addresses import base_address

_FROM = r"(?:From|Sender|От|От кого|Отправитель|Від|Від кого|Відправник)"
_ADDRESS = r"[A-Za-z0-9._%+'-]+@[A-Za-zА-Яа-яЁёІіЇїЄєҐґ0-9.-]+\.[A-Za-zА-Яа-яЁёІіЇїЄєҐґ0-9-]{2,}"
_LINE = re.compile(rf"^[>\s*]*{_FROM}\s*\**\s*:\s*\**(?P<rest>[^\n]{{1,400}})", re.IGNORECASE | re.MULTILINE)
# "21.11.2026, 10:00, "Ева" <eve@x>:" or "... wrote:" below a mark of forwarding, as Yandex and Mail.ru put it.
_MARKED = re.compile(
    r"^[>\s*-]*(?:Forwarded message|Пересылаемое сообщение|Пересланное сообщение|Переслане повідомлення"
    r"|Пересилане повідомлення)[^\n]*\n+(?P<rest>[^\n]{1,400})",
    re.IGNORECASE | re.MULTILINE,
)
_FOUND = re.compile(_ADDRESS)
_NAME_END = re.compile(r"[<\[(]?\s*(?:mailto:)?\s*$", re.IGNORECASE)
_DATE = re.compile(r"^.*\d{1,2}:\d{2}(?::\d{2})?\s*(?:\([^)]*\))?\s*,?\s*")
MOST_READ = 100_000
MOST_PEOPLE = 10


def people_in(text: str) -> list[tuple[str, str]]:
    """(name, address) of those whom the text names as authors of forwarded mail, each once, in their order.

    English, Russian and Ukrainian mail programs are known. The name is empty where the line gives none.
    """
    text = text[:MOST_READ]
    marked = [found for found in _MARKED.finditer(text) if not _LINE.match(found["rest"])]
    lines = sorted([*_LINE.finditer(text), *marked], key=lambda found: found.start("rest"))
    people: dict[str, tuple[str, str]] = {}
    for line in lines:
        rest = line["rest"]
        found = _FOUND.search(rest)
        if found is None or base_address(found[0]) in people:
            continue
        people[base_address(found[0])] = (_name(rest[: found.start()]), found[0])
        if len(people) == MOST_PEOPLE:
            break
    return list(people.values())


def _name(before: str) -> str:
    """What stands before the address, without a date and the signs around it."""
    name = _DATE.sub("", _NAME_END.sub("", before))
    return " ".join(name.split()).strip("\"'«»*:, ")
