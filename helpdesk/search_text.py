"""Words as the search index knows them: the same treatment for what is stored and for what is asked.

PostgreSQL stems Russian and English (its configuration `russian` does both). Ukrainian has no stemmer there: its
letters and its most frequent endings are first brought to their Russian neighbours, after which the same stemmer cuts
both alike (`пошті`, `поштою`, `пошта` all become `пошт`). Numbers, addresses and codes are tokens of our own, so that
parts of them can be found too.
"""

import re
import unicodedata
from dataclasses import dataclass

MOST_SCANNED = 50_000
MOST_NUMBERS = 60
MOST_TOKENS = 1500
MOST_TERMS = 10
LONGEST_QUESTION = 200
SHORTEST_PART = 4
LONGEST_NUMBER = 20

_LETTERS = str.maketrans("іїєґё", "ииеге")
_APOSTROPHE = re.compile(r"(?<=[а-яіїєґё])['’ʼ`](?=[а-яіїєґё])")
_FLEETING = re.compile(r"\b[а-яіїєґ]{2,}[бвгдзклмнпрстхц]ок\b")
_FIRM_VOWEL = frozenset({"поток", "восток", "приток", "исток", "порок", "пророк", "игрок", "знаток"})
_ENDINGS = re.compile(r"(?<=[а-яіїєґ]{2})(?:ці|ість|(?<=[аяиіїую])ти)\b")
_RUSSIAN_ENDING = {"ці": "ки", "ість": "ость", "ти": "ть"}

# Each begins only where nothing of its kind stands before, so that long runs are read once.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_NUMBER = re.compile(r"(?<!\d)\d{1,20}(?:[ \u00a0().\-/]{1,3}\d{1,20}){0,8}")
_CODE = re.compile(r"(?<![\w-])(?=[^\W\d][\w/-]{0,60}\d|\d[\w/-]{0,60}[^\W\d])\w{1,20}(?:[-/_]\w{1,20}){0,4}(?![\w-])")
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"\w+", re.UNICODE)


def fold(text: str) -> str:
    """Text in the letters in which it is stemmed."""
    text = _APOSTROPHE.sub("", unicodedata.normalize("NFC", text).lower())
    text = _FLEETING.sub(_drop_fleeting, text)
    return _ENDINGS.sub(lambda match: _RUSSIAN_ENDING[match.group()], text).translate(_LETTERS)


def _drop_fleeting(match: re.Match[str]) -> str:
    """`рахунок` as in `рахунку`, `звонок` as in `звонка`: the о of this ending goes in all other forms."""
    word = match.group()
    return word if word in _FIRM_VOWEL else word[:-2] + "к"


def tokens(text: str) -> list[str]:
    """Our own tokens of a text: mail addresses with their parts, numbers with all their endings, codes; sorted."""
    text = text[:MOST_SCANNED].lower()
    found: set[str] = set()
    for match in _EMAIL.finditer(text) if "@" in text else ():
        found |= _address_tokens(match.group())
        if len(found) > MOST_TOKENS:
            break
    for count, match in enumerate(_NUMBER.finditer(text)):
        if count >= MOST_NUMBERS or len(found) > MOST_TOKENS:
            break
        found |= _number_tokens(match.group())
    for match in _CODE.finditer(text):
        code = squash(match.group())
        if is_code(code):
            found.add(code)
        if len(found) > MOST_TOKENS:
            break
    return sorted(found)


def whole_words(text: str) -> list[str]:
    """The words of a name as they stand, so that its beginning is found whatever the stemmer would make of it."""
    return sorted({word for word in _WORD.findall(fold(text)) if 2 <= len(word) <= 60})[:MOST_TOKENS]


def _address_tokens(address: str) -> set[str]:
    local, _at, domain = address.partition("@")
    labels = domain.split(".")
    domains = {".".join(labels[i:]) for i in range(len(labels) - 1)}
    return {address, local.strip(".-+"), *domains, *labels[:-1]} - {""}


def _number_tokens(written: str) -> set[str]:
    groups = _DIGITS.findall(written)
    numbers = {group for group in groups if len(group) >= SHORTEST_PART}
    joined = "".join(groups)
    if SHORTEST_PART < len(joined) <= LONGEST_NUMBER:
        numbers.add(joined)
    return {number[start:] for number in numbers for start in range(max(1, len(number) - SHORTEST_PART + 1))}


def squash(text: str) -> str:
    """A code without what separates its parts, in lower case: `AB-12345/7` is `ab123457`."""
    return "".join(character for character in text.lower() if character.isalnum())


def is_code(squashed: str) -> bool:
    """Whether it mixes letters and digits, as order numbers do."""
    return 3 <= len(squashed) <= 40 and any(c.isdigit() for c in squashed) and any(c.isalpha() for c in squashed)


@dataclass(frozen=True)
class Term:
    """One thing asked for. `words` goes through the stemmer (empty: does not), `literals` are tokens as they stand.

    A document must have the words or one of the literals; `is_part` lets both stand for the beginning of a word.
    """

    shown: str
    words: str = ""
    literals: tuple[str, ...] = ()
    is_part: bool = False


def terms(question: str) -> list[Term]:
    """What a question asks for: all terms must be met. Digits that stand side by side are one number."""
    chunks = question[:LONGEST_QUESTION].split()
    found: list[Term] = []
    number: list[str] = []
    for chunk in [*chunks, ""]:
        if chunk and _is_number_part(chunk):
            number.append(chunk)
            continue
        if number:
            found.extend(_number_terms(number))
            number = []
        if any(character.isalnum() for character in chunk):
            found.append(_chunk_term(chunk))
    if found and chunks and found[-1].words and chunks[-1][-1:].isalnum():
        last = found[-1]
        found[-1] = Term(last.shown, last.words, last.literals, is_part=True)
    return found[:MOST_TERMS]


def _is_number_part(chunk: str) -> bool:
    return any(character.isdigit() for character in chunk) and not any(
        character.isalpha() or character == "@" for character in chunk
    )


def _number_terms(parts: list[str]) -> list[Term]:
    digits = ["".join(_DIGITS.findall(part)) for part in parts]
    joined = "".join(digits)
    if len(joined) > LONGEST_NUMBER:
        return [term for part in parts for term in _number_terms([part])] if len(parts) > 1 else []
    if not joined:
        return []  # superscripts and circled figures, which stand for no number
    if len(joined) < SHORTEST_PART:
        return [Term(" ".join(parts), words=" ".join(digits))]
    literals = [joined]
    if 11 <= len(joined) <= 14:  # a phone number, whose prefix may have been written otherwise
        literals.append(joined[-10:])
    return [Term(" ".join(parts), literals=tuple(literals), is_part=True)]


def _chunk_term(chunk: str) -> Term:
    lowered = chunk.lower().strip(".,;:!?()[]<>\"'«»“”")
    if "@" in lowered:
        return Term(chunk, literals=(lowered.strip("@"),), is_part=True)
    squashed = squash(lowered)
    if is_code(squashed):
        return Term(chunk, words=fold(lowered), literals=(squashed,), is_part=True)
    folded = fold(lowered)
    literals = dict.fromkeys(word for word in (folded, lowered) if re.fullmatch(r"[\w.+-]+", word))
    return Term(chunk, words=folded, literals=tuple(literals))


def marks(text: str, asked: list[Term]) -> list[tuple[int, int]]:
    """Where in a text the terms are met, as far as it can be told without the stemmer: (start, end) of whole words."""
    beginnings = [_beginning(word) for term in asked for word in _WORD.findall(fold(term.shown))]
    found = []
    for match in _WORD.finditer(text):
        folded = fold(match.group())
        if any(folded.startswith(beginning) for beginning in beginnings):
            found.append(match.span())
    return found


def _beginning(word: str) -> str:
    """The part of a word that its other forms are likely to share."""
    if len(word) <= 3 or word.isdigit():
        return word
    return word[: max(3, len(word) - (3 if len(word) > 6 else 2 if len(word) > 4 else 1))]


def hints(asked: list[Term]) -> list[str]:
    """Beginnings of the words as they were typed, by which a database can find the place of a snippet."""
    typed = [_beginning(word) for term in asked for word in _WORD.findall(term.shown.lower())]
    return sorted({word for word in typed if len(word) > 1}, key=len, reverse=True)[:MOST_TERMS]
