"""What of a plain text was written now, and what only repeats earlier mail.

Own rules for English, Russian, Ukrainian, German, French, Spanish and Polish: the known libraries get no
Russian reply right. Nothing is ever deleted: what is folded can be unfolded. When in doubt everything shows:
answers below or between quotes, and forwards, whose quoted part is the content.
Lines and joins are capped before any expression sees them; no expression has nested repetition.
"""

import re
from dataclasses import dataclass

from queues.channels.email import limits

_LINE_CHARS = 600
_HEADER_LINES = 4

_VERBS = (
    r"wrote|writes|said"
    r"|пишет|писала?|писал\(а\)|писали|написала?|написал\(а\)|сообщила?|сообщает"
    r"|пише|писав|писала|написав|написала|написав\(ла\)|написав\(-ла\)|повідомля[єв]"
    r"|schrieb|schrieben|geschrieben|schreibt"
    r"|a [ée]crit|[ée]crit|ha escrito|escribi[óo]|escribe"
    r"|napisał|napisała|napisał\(a\)|napisali|pisze|napisano"
)
_VERB = re.compile(rf"(?:^|[\s>,)\"»:])(?:{_VERBS})(?=[\s:]|$)", re.IGNORECASE)
_VERB_AT_END = re.compile(
    rf"(?:^|[\s>,)\"»:])(?:{_VERBS})(?:\s+(?:am|on|в|у|le|el)?\s*(?:[^:]|\d:\d){{0,60}})?\s*[:：]?\s*$", re.I
)
_MONTHS = (
    r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
    r"|янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|окт|ноя|дек"
    r"|січ|лют|бер|кві|тра|чер|лип|сер|вер|жов|лис|гру"
    r"|jän|mär|mai|okt|dez|janv|févr|fév|mars|avr|juin|juil|août|déc|ene|abr|ago|dic"
    r"|sty|lut|kwi|maj|cze|lip|sie|wrz|paź|lis|gru"
)
_DATE = re.compile(
    rf"\b\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2,4}}\b|\b\d{{4}}[./-]\d{{1,2}}[./-]\d{{1,2}}\b"
    rf"|\b\d{{1,2}}\.?\s+(?:de\s+)?(?:{_MONTHS})\w{{0,9}}\.?,?\s+(?:de\s+)?\d{{4}}"
    rf"|\b(?:{_MONTHS})\w{{0,9}}\.?\s+\d{{1,2}},?\s+\d{{4}}",
    re.IGNORECASE,
)
_TIME = re.compile(r"\b\d{1,2}[:.h]\d{2}\b")
_ADDRESS = re.compile(r"[^\s<>\"'(),;:]{1,64}@[^\s<>\"'(),;:]{2,190}")
_STARTER = re.compile(
    r"^[>\s]*(?:On\b|Am\b|Le\b|El\b|W dniu\b|Wiadomość napisana\b|Dnia\b|Em\b|At\b|In\b"
    r"|(?:mon|tue|wed|thu|fri|sat|sun|пн|вт|ср|чт|пт|сб|вс|нд|понедельник|вторник|среда|четверг|пятница|суббота"
    r"|воскресенье|понеділок|вівторок|середа|четвер|п.ятниця|субота|неділя|pon|wt|śr|czw|pt|sob|niedz"
    r"|lun|mar|mié|jue|vie|sáb|dom|jeu|ven|sam|dim|mo|di|mi|do|fr|sa|so)\w*[.,]"
    r"|\d{1,2}[.\s/-]|\d{4}-)",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(
    r"^[>\s]*[-_—–]{2,}\s*(?:original message|original appointment|исходное сообщение|оригинальное сообщение"
    r"|исходное письмо|вихідне повідомлення|оригінальне повідомлення|початкове повідомлення"
    r"|ursprüngliche nachricht|urspr. nachricht|originalnachricht|message d.origine|message original"
    r"|mensaje original|wiadomość oryginalna|oryginalna wiadomość|reply message|письмо)\s*[-_—–]{2,}\s*$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"^[>\s]*(?:[-_—–]{2,}\s*(?:forwarded message|forwarded by|пересылаемое сообщение|пересланное сообщение"
    r"|пересланное письмо|переслано|перенаправленное сообщение|переслане повідомлення|пересилається повідомлення"
    r"|weitergeleitete nachricht|message transf|message transféré|mensaje reenviado|mensaje enviado"
    r"|wiadomość przekazana|przekazana wiadomość|treść przekazanej)"
    r"|begin forwarded message\s*:|начало переадресованного сообщения\s*:|начало пересылаемого сообщения\s*:"
    r"|початок переадресованого|початок листа, що пересилається|anfang der weitergeleiteten"
    r"|début du message (?:transféré|réexpédié)|inicio del mensaje reenviado|początek przekazywanej)",
    re.IGNORECASE,
)
_FORWARD_SUBJECT = re.compile(
    r"^\s*(?:fwd?|wg|tr|rv|enc|pd|i|пересл|переслано|пересл\.|fs|вн|перенаправ\w*|перес)\s*(?:\[\d+\])?\s*:"
    r"|^\s*\[fwd?:|^\s*\(fwd\)",
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"^[>\s*_]*(?P<name>from|sent|date|to|cc|subject|reply-to|importance"
    r"|от|от кого|отправлено|отправитель|дата|кому|копия|тема|важность"
    r"|від|надіслано|відправлено|кому|копія|тема"
    r"|von|gesendet|datum|an|betreff"
    r"|de|envoyé|envoyé le|date|à|objet"
    r"|enviado|enviado el|fecha|para|asunto"
    r"|od|wysłano|wysłane|data|do|dw|temat)\s*\*?\s*:\s*\*?(?P<value>.*)$",
    re.IGNORECASE,
)
_FROM_NAMES = frozenset(("from", "от", "от кого", "отправитель", "від", "von", "de", "od"))
_OWN_MARKER = re.compile(r"^[>\s]*##-.{1,200}-##\s*$")
_RULE = re.compile(r"^\s*[_=-]{10,}\s*$")
# with the initials of the writer, as The Bat does, or without
_QUOTED = re.compile(r"^\s{0,3}(?:[>|](?!\()|[A-ZА-ЯЁІЇЄҐ]{1,4}>(?:[\s>]|$))")

_SIGNATURE_LINE = re.compile(r"^-- ?$|^—\s*$|^--\u00a0$")
_DEVICE_LINE = re.compile(
    r"^(?:sent from (?:my|mail|outlook|yahoo|proton|samsung|a |the )|sent with |sent via "
    r"|get outlook for|скачать outlook|"
    r"отправлено (?:с|из|через)\s|отправлено с моего|послано с|написано с телефона|"
    r"надіслано (?:з|із|через|за допомогою)\s|відправлено (?:з|із)\s|"
    r"von meinem .{1,40} gesendet|gesendet (?:von|mit|mittels)\s|diese nachricht wurde von meinem|"
    r"envoyé (?:de|depuis|à partir)\s|obtenir outlook|"
    r"enviado (?:desde|con)\s|obtener outlook|"
    r"wysłan[eoy] (?:z|ze|za pomocą)\s|pobierz program outlook)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Folded:
    """The visible answer and what was folded away (quotes, signature); ``found`` says that something was."""

    reply: str
    quoted: str

    @property
    def found(self) -> bool:
        """Whether anything was folded."""
        return bool(self.quoted)


def is_forward(subject: str) -> bool:
    """Whether a subject marks a forward: its quoted part is the content."""
    return bool(_FORWARD_SUBJECT.match(subject))


def is_forward_header(line: str) -> bool:
    """Whether a line introduces a forwarded mail."""
    return bool(_FORWARDED.match(line[:_LINE_CHARS]))


def fold_text(text: str, *, subject: str = "", bare_quotes: bool = True) -> Folded:
    """Split a plain text into the visible answer and the rest.

    ``bare_quotes`` says that a last block of ">" lines is a quotation even if no line above says whose.
    """
    lines = text.split("\n")
    if len(lines) > limits.QUOTE_LINES or is_forward(subject):
        return _fold_signature_only(text)
    cut = _find_cut(lines, bare_quotes=bare_quotes)
    if cut is None:
        return _fold_signature_only(text)
    while cut and not lines[cut - 1].strip("> "):
        cut -= 1
    head = "\n".join(lines[:cut]).strip()
    visible = _fold_signature_only(head).reply if head else ""
    if not visible.strip():
        return Folded(text.strip(), "")
    return Folded(visible, text[len(visible) :].strip() if text.startswith(visible) else _rest(text, visible))


def _rest(text: str, visible: str) -> str:
    start = text.find(visible)
    return text[start + len(visible) :].strip() if start >= 0 else text.strip()


def _fold_signature_only(text: str) -> Folded:
    text = text.strip()
    lines = text.split("\n")
    if len(lines) > limits.QUOTE_LINES:
        return Folded(text, "")
    for index, line in enumerate(lines):
        if _SIGNATURE_LINE.match(line) and len(lines) - index <= 40 and index:
            if not any(_QUOTED.match(later) or is_forward_header(later) for later in lines[index:]):
                return _at(lines, index)
        elif _DEVICE_LINE.match(line.strip()[:_LINE_CHARS]) and len(line) < 120 and index:
            following = [later for later in lines[index + 1 :] if later.strip()]
            if len(following) <= 2:
                return _at(lines, index)
    return Folded(text, "")


def _at(lines: list[str], index: int) -> Folded:
    reply = "\n".join(lines[:index]).strip()
    if not reply:
        return Folded("\n".join(lines).strip(), "")
    return Folded(reply, "\n".join(lines[index:]).strip())


def _find_cut(lines: list[str], *, bare_quotes: bool) -> int | None:
    """The line where the quotation begins, or None when all is to be shown."""
    quoted = [bool(_QUOTED.match(line)) for line in lines]
    index = 0
    while index < len(lines):
        line = lines[index][:_LINE_CHARS]
        if is_forward_header(line):
            return None
        if _OWN_MARKER.match(line):
            return index
        if not line.strip():
            index += 1
            continue
        if _ORIGINAL.match(line) or is_header_block(lines, index):
            return _with_rule_above(lines, index)
        header = attribution_length(lines, index)
        if header:
            return _cut_at_attribution(lines, quoted, index, index + header)
        if quoted[index]:
            if not bare_quotes and not _has_name_above(lines, index):
                index += 1
                continue
            return None if _text_follows(lines, quoted, index) else _with_name_above(lines, index)
        index += 1
    return None


def _cut_at_attribution(lines: list[str], quoted: list[bool], start: int, end: int) -> int | None:
    following = next((i for i in range(end, len(lines)) if lines[i].strip()), None)
    if following is None:
        return None if not any(line.strip() for line in lines[:start]) else start
    if quoted[following] and _text_follows(lines, quoted, following):
        return None
    return start


def _text_follows(lines: list[str], quoted: list[bool], start: int) -> bool:
    """Whether somebody wrote below or between the quoted lines that begin at ``start``."""
    for index in range(start, len(lines)):
        line = lines[index].strip()
        if not line or quoted[index]:
            continue
        if _SIGNATURE_LINE.match(lines[index]) or _DEVICE_LINE.match(line[:_LINE_CHARS]) or _RULE.match(line):
            return False
        before = quoted[index - 1] and len(lines[index - 1]) > 60
        wrapped = before and (index + 1 >= len(lines) or quoted[index + 1]) and len(line) < 40
        if not wrapped and not attribution_length(lines, index):
            return True
    return False


def _with_rule_above(lines: list[str], index: int) -> int:
    above = _line_above(lines, index)
    return above if above >= 0 and _RULE.match(lines[above]) else index


def _with_name_above(lines: list[str], index: int) -> int:
    """Take "Anna wrote:", which has neither date nor address, along with the quotation under it."""
    return _line_above(lines, index) if _has_name_above(lines, index) else index


def _has_name_above(lines: list[str], index: int) -> bool:
    above = _line_above(lines, index)
    return above >= 0 and bool(_VERB_AT_END.search(lines[above][-120:]))


def _line_above(lines: list[str], index: int) -> int:
    above = index - 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    return above


def is_header_block(lines: list[str], index: int) -> bool:
    """Whether ``From: / Sent: / To: / Subject:`` in one of the languages starts here."""
    first = _FIELD.match(lines[index][:_LINE_CHARS])
    if not first or first.group("name").lower() not in _FROM_NAMES or not first.group("value").strip():
        return False
    names = {first.group("name").lower()}
    for line in lines[index + 1 : index + 9]:
        match = _FIELD.match(line[:_LINE_CHARS])
        if match:
            names.add(match.group("name").lower())
    return len(names) >= 3


def attribution_length(lines: list[str], index: int) -> int:
    """How many lines from ``index`` on say who wrote the quotation ("On …, X wrote:"); 0 when none do."""
    first = lines[index].strip()[:_LINE_CHARS]
    if not first:
        return 0
    starts = bool(_STARTER.match(first))
    if not starts and not _names_somebody(first):
        return 0
    # "Anna <a@b.example> schrieb am So., 23." goes on in the next line
    wraps = starts or bool(_VERB.search(first) and _ADDRESS.search(first))
    joined = ""
    for count in range(1, _HEADER_LINES + 1):
        if index + count > len(lines) or not lines[index + count - 1].strip():
            return 0
        joined = f"{joined} {lines[index + count - 1].strip(' >')}".strip()
        if len(joined) > _LINE_CHARS:
            return 0
        if joined.endswith((":", "：")) or _VERB_AT_END.search(joined[-120:]):
            if _is_attribution(joined, starts=starts):
                return count
            if joined.endswith((":", "：")):
                return 0
        if not wraps:
            return 0
    return 0


def _names_somebody(line: str) -> bool:
    return bool(_ADDRESS.search(line) or _VERB_AT_END.search(line[-120:]))


def _is_attribution(line: str, *, starts: bool) -> bool:
    dated = bool(_DATE.search(line))
    verb = bool(_VERB_AT_END.search(line[-120:]))
    address = bool(_ADDRESS.search(line))
    if verb and (dated or address):
        return True
    if not line.endswith((":", "：")):
        return False
    if starts and dated and address:
        return True
    # Mail.ru gives no verb and at times no address: a date, a time, and "от" with the name
    return starts and dated and bool(_TIME.search(line)) and bool(re.search(r"\b(?:от|від|from|von|de|od)\s+\S", line))
