"""Every string for people is marked, and every marked string is translated into every language of the program."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

ROOT = Path(__file__).parent.parent
CATALOGS = ROOT / "helpdesk" / "translations"
LANGUAGES = ("ru", "uk")
KEYWORDS = dict(DEFAULT_KEYWORDS) | {
    "_l": None,
    "lazy_gettext": None,
    "lazy_ngettext": (1, 2),
    "lazy_pgettext": ((1, "c"), 2),
}
PLACEHOLDER = re.compile(r"%\((\w+)\)[sdf]")

# Words that are the same in every language: names, and signs made of letters.
NAMES = set(re.findall(r"\S+", """
    Helpdesk Re IMAP SMTP LMTP TLS STARTTLS DKIM SPF DMARC OAuth TOTP URL API JSON CSV XLSX HTML UTC ID IP OK CC BCC
    Message-ID Telegram Asterisk AMI PBX PostgreSQL Valkey Redis Python Ctrl Alt Shift Enter Esc Tab
    English Русский Українська
"""))  # fmt: skip
SAMPLE = re.compile(r"\S*(?:@|://|#\d|\.json)\S*")  # addresses and marks are the same in every language
READ_ALOUD = {"title", "placeholder", "aria-label", "alt", "aria-description", "label"}


def marked() -> dict[tuple[str, str] | str, str]:
    """Every marked string (or pair of singular and plural) and where it stands first."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found: dict[tuple[str, str] | str, str] = {}
    for path, line, message, _, _ in extract_from_dir(ROOT, methods, options, keywords=KEYWORDS):
        found.setdefault(message, f"{path}:{line}")
    return found


def catalog(language: str):
    with (CATALOGS / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


def faults(message, words, source: tuple[str, str] | str) -> str | None:
    """What is wrong with one translation, or None."""
    forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
    if isinstance(source, tuple) and len(forms) != words:
        return f"{len(forms)} plural forms instead of {words}"
    if not all(form.strip() for form in forms):
        return "not translated"
    if message.fuzzy:
        return "marked fuzzy"
    wanted = set(PLACEHOLDER.findall(source[-1] if isinstance(source, tuple) else source))
    if any(set(PLACEHOLDER.findall(form)) - wanted for form in forms):
        return "a placeholder that the source does not have"
    if set().union(*(PLACEHOLDER.findall(form) for form in forms)) != wanted:
        return "a placeholder is missing"
    return None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_marked_string_is_translated(language):
    known = catalog(language)
    wrong = {}
    for source, place in marked().items():
        message = known.get(source if isinstance(source, str) else source[0])
        fault = faults(message, known.num_plurals, source) if message else "not in the catalog"
        if fault:
            wrong[f"{place} {source!r}"] = fault
    assert wrong == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalog_says_its_plural_forms(language):
    known = catalog(language)
    assert known.num_plurals == 3
    assert known.locale.language == language


class _Text(HTMLParser):
    """Collects what a reader would see or hear of a template whose Jinja parts were cut out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self.silent = 0

    def handle_starttag(self, tag, attrs):
        if tag in {"script", "style", "code", "kbd"} or _is_sample(tag, dict(attrs)):
            self.silent += 1
        is_button = tag == "input" and dict(attrs).get("type") in {"submit", "button", "reset"}
        spoken = READ_ALOUD | ({"value"} if is_button else set())
        self.found += [(self.getpos()[0], value) for name, value in attrs if name in spoken and value]

    def handle_endtag(self, tag):
        if tag in {"script", "style", "code", "kbd", "textarea"} and self.silent:
            self.silent -= 1

    def handle_data(self, data):
        if not self.silent:
            self.found.append((self.getpos()[0], data))


def _is_sample(tag, attributes) -> bool:
    """Whether an element shows something for a shell or a program."""
    return tag == "textarea" and "font-monospace" in (attributes.get("class") or "")


def unmarked(template: str) -> list[tuple[int, str]]:
    """Line and text of words for people that stand in a template unmarked."""
    keep_lines = lambda match: "\n" * match.group().count("\n")  # noqa: E731
    bare = re.sub(r"{%-?\s*trans.*?endtrans\s*-?%}|{#.*?#}", keep_lines, template, flags=re.S)
    bare = re.sub(r"{%-?\s*block (\w+_(class|topics)|shows)\b.*?endblock.*?%}", keep_lines, bare, flags=re.S)
    bare = re.sub(r"{{.*?}}|{%.*?%}", keep_lines, bare, flags=re.S)
    reader = _Text()
    reader.feed(bare)
    seen = []
    for line, text in reader.found:
        text = SAMPLE.sub("", re.sub(r'[\w-]+="[^"]*"', "", text))  # attributes that a macro makes
        words = re.findall(r"[^\W\d_](?:[\w-]*\w)?", text)
        if any(len(word) > 1 and word not in NAMES for word in words):
            seen.append((line, " ".join(text.split())))
    return seen


TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_no_words_stand_unmarked_in_templates(path):
    assert unmarked(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("<p>Hello</p>", ["Hello"]),
        ("<p>{{ _('Hello') }}, 12:30 — IMAP</p>", []),
        ("{% trans %}Hello{% endtrans %}{# a remark #}", []),
        ('<input placeholder="Search" type="text" value="x">', ["Search"]),
        ('<input type="submit" value="Send">', ["Send"]),
        ('<a title="{{ _("Close") }}" class="btn">{{ name }}</a>', []),
        ('<button type="submit" name="then" value="finish">{{ _("Finish") }}</button>', []),
        ("{% block main_class %}page-narrow{% endblock %}", []),
        ("<script nonce='x'>let hello = 1</script>", []),
    ],
)
def test_an_unmarked_word_is_found(template, found):
    assert [text for _, text in unmarked(template)] == found
