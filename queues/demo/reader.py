"""Reads stories from text files, so that prose need not be squeezed into code.

    == Name <address> | Queue | hours ago h | Subject
    category: ...   tags: a, b   priority: 1 to 4          (each on a line of its own, all optional)
    -- mail +minutes [with file, file]
    -- reply who +minutes [with file, file]
    -- note who +minutes
    -- take who +minutes
    -- finish who +minutes state
    -- wait who +minutes [hours h]
    -- move who +minutes Queue
    -- forward who +minutes address

What stands below a step is its text; minutes count from the step before.
"""

import re
from pathlib import Path

from queues.demo.script import Finish, Forward, Mail, Move, Note, Reply, Step, Story, Take, Wait

FOLDER = Path(__file__).parent / "stories"
LANGUAGES = ("ru", "uk", "en")
_HEAD = re.compile(r"(.+) <(.+)> \| (\w+) \| ([\d.]+) h \| (.+)")


def stories() -> list[Story]:
    """All stories of all languages."""
    return [
        _story(block, language)
        for language in LANGUAGES
        for block in (FOLDER / f"{language}.txt").read_text(encoding="utf-8").split("\n== ")
        if block.strip()
    ]


def _story(block: str, language: str) -> Story:
    head, *parts = block.removeprefix("== ").split("\n-- ")
    first, *facts = head.strip().split("\n")
    name, address, queue, ago, subject = _match(_HEAD, first)
    told = dict(line.split(": ", 1) for line in facts)
    return Story(
        name,
        address,
        queue,
        float(ago),
        subject,
        tuple(_step(part) for part in parts),
        language=language,
        category=told.get("category", ""),
        tags=tuple(told["tags"].split(", ")) if "tags" in told else (),
        priority=int(told.get("priority", 3)),
    )


def _step(part: str) -> Step:
    line, _, text = part.partition("\n")
    line, _, named = line.partition(" with ")
    files = tuple(named.split(", ")) if named else ()
    kind, *words = line.split()
    who = "" if kind == "mail" else words.pop(0)
    after, text = float(words.pop(0)), text.strip()
    match kind, words:
        case "mail", []:
            return Mail(text, after, files)
        case "reply", []:
            return Reply(who, text, after, files)
        case "note", []:
            return Note(who, text, after)
        case "take", []:
            return Take(who, after)
        case "finish", [state]:
            return Finish(who, state, text, after)
        case "wait", [] | [_, "h"]:
            return Wait(who, float(words[0]) if words else 0.0, after)
        case "move", [queue]:
            return Move(who, queue, after)
        case "forward", [to]:
            return Forward(who, to, text, after)
    raise ValueError(f"this is no step of a story: {line}")


def _match(pattern: re.Pattern[str], line: str) -> tuple[str, ...]:
    found = pattern.fullmatch(line)
    if found is None:
        raise ValueError(f"this is no beginning of a story: {line}")
    return found.groups()
