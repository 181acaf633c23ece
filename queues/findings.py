"""What `helpdesk doctor` says: findings, each one sentence of what is and one of what to do."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum

import structlog
from flask_babel import gettext as _
from sqlalchemy.exc import SQLAlchemyError

from helpdesk.errors import HelpdeskError, StartError

log = structlog.get_logger(__name__)


class Level(IntEnum):
    """How bad it is; the worst one decides about the exit code."""

    OK = 0
    HINT = 1
    WARNING = 2
    FAULT = 3


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its area (mail, queues, ...), what was found, and what to do about it."""

    area: str
    level: Level
    words: str
    advice: str = ""


Check = Callable[[], Iterable[Finding]]


def examine(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """Run checks one after another; one that cannot be made is a finding itself, and stops no other."""
    for area, check in checks:
        try:
            yield from check()
        except (SQLAlchemyError, HelpdeskError, StartError, OSError) as error:
            words = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
            yield Finding(area, Level.FAULT, _("This could not be looked at: %(words)s", words=words))
        except Exception as error:
            log.exception("check failed", area=area)
            yield Finding(area, Level.FAULT, _("This could not be looked at: %(words)s", words=repr(error)[:300]))


def exit_code(findings: Iterable[Finding]) -> int:
    """0: all is well, 1: something wants attention, 2: something does not work."""
    worst = max((finding.level for finding in findings), default=Level.OK)
    return max(0, worst - Level.HINT)


def as_lines(findings: Iterable[Finding], everything: bool = True) -> Iterator[str]:
    """Findings for the terminal, the worst first."""
    marks = {Level.OK: "ok  ", Level.HINT: "hint", Level.WARNING: "WARN", Level.FAULT: "FAULT"}
    for finding in sorted(findings, key=lambda one: -one.level):
        if everything or finding.level > Level.HINT:
            yield f"{marks[finding.level]:5} {finding.area}: {finding.words} {finding.advice}".rstrip()


def as_json(findings: Iterable[Finding]) -> str:
    """Findings for programs: a list of {area, level, words, advice}."""
    return json.dumps([asdict(one) | {"level": one.level.name.lower()} for one in findings], ensure_ascii=False)
