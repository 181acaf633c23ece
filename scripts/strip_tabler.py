"""Write helpdesk/static/css/tabler.css: what our pages use of Tabler's style sheet, a fifth of it.

A browser tries every rule on every element that comes new on the page, and carries the whole sheet over the wire. A
rule stays when each class and each data attribute that its selector names stands as a word somewhere in our templates,
scripts or Python. Run it after a class of Tabler is used for the first time; `tests/test_static.py` says when that was
forgotten.
"""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHOLE = ROOT / "helpdesk/static/vendor/tabler/tabler.min.css"
USED = ROOT / "helpdesk/static/css/tabler.css"
HEAD = "/* Made by scripts/strip_tabler.py from vendor/tabler/tabler.min.css (MIT, see its LICENSE). */\n"
NAME = re.compile(r"\.(-?[_a-zA-Z][\w-]*)|\[(data-[\w-]+)")
# A sibling rule for any element at all makes the browser style a whole page anew with each element that comes or goes.
REWORDED = {"legend+*": "fieldset>:nth-child(2)"}
GROUPS = ("@media", "@supports", "@layer", "@container")


def words() -> set[str]:
    """Every word that could be the name of a class, in whatever gives markup to a browser."""
    sources = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "helpdesk/static/js").glob("*.js")]
    sources += [*(ROOT / "helpdesk").rglob("*.py"), *(ROOT / "queues").rglob("*.py")]
    return {word for path in sources for word in re.findall(r"[\w-]+", path.read_text())} | {"tom-select"}


def blocks(sheet: str) -> Iterator[tuple[str, str]]:
    """The rules of a minified sheet as head and body; statements without a body come with an empty one."""
    start = at = 0
    while at < len(sheet):
        end = re.compile(r"[{;]").search(sheet, at)
        if end is None:
            return
        head = sheet[start : end.start()].strip()
        if end[0] == ";":
            yield head, ""
            start = at = end.end()
            continue
        depth, at = 1, end.end()
        for mark in re.finditer(r"[{}]", sheet[at:]):
            depth += 1 if mark[0] == "{" else -1
            if depth == 0:
                yield head, sheet[at : at + mark.start()]
                start = at = at + mark.end()
                break


def selectors(head: str) -> list[str]:
    """The parts of a selector list; commas inside parentheses part nothing."""
    parts, depth = [""], 0
    for sign in head:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def names(selector: str) -> set[str]:
    """The classes and data attributes that a selector names."""
    return {either or other for either, other in NAME.findall(selector)}


def strip(sheet: str, known: set[str]) -> str:
    """The rules of `sheet` that may match something in a page whose classes are among `known`."""
    kept = []
    for head, body in blocks(re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)):
        if head.startswith(GROUPS):
            inner = strip(body, known)
            if inner:
                kept.append(f"{head}{{{inner}}}")
        elif head.startswith("@"):
            if not head.startswith("@charset"):
                kept.append(f"{head}{{{body}}}" if body else f"{head};")
        else:
            named = [REWORDED.get(part, part) for part in selectors(head) if known.issuperset(names(part))]
            if named and body:
                kept.append(f"{','.join(named)}{{{body}}}")
    return "\n".join(kept) if kept else ""


def main() -> None:
    USED.write_text(HEAD + strip(WHOLE.read_text(), words()) + "\n")
    print(f"{USED.relative_to(ROOT)}: {USED.stat().st_size} of {WHOLE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
