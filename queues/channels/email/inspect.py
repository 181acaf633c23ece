"""``helpdesk mail inspect``: what the parser makes of files, without database and settings.

Whatever the file holds, it gives one object, in bounded time and memory.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from queues.channels.email import limits
from queues.channels.email.describe import as_text, describe
from queues.channels.email.parse import parse_headers_only
from queues.channels.email.parsed import ParsedMail, Problem
from queues.channels.email.sandbox import MailParser, ParseError

# leaves room for the start of the child within two seconds a file
_SECONDS_A_FILE = 1.4


def inspect_files(files: list[str], json_output: bool) -> int:
    """Print one JSON object a line, or readable text, for each file ("-" is standard input).

    Returns the exit code: 1 when a file could not be read at all, else 0.
    """
    code = 0
    with MailParser(wall_seconds=_SECONDS_A_FILE) as parser:
        for name in files:
            description = _inspect(parser, name)
            if any(problem["code"] == "file-unreadable" for problem in description["problems"]):
                code = 1
            line = json.dumps(description, ensure_ascii=False) if json_output else as_text(description)
            try:
                sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                # the reader has seen enough; keep the interpreter from complaining when it closes stdout
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return code
    return code


def _inspect(parser: MailParser, name: str) -> dict[str, Any]:
    shown = os.fsencode(name).decode("utf-8", "replace")
    try:
        raw = _read(name)
    except (OSError, ValueError) as error:
        description = describe(ParsedMail(problems=(Problem("file-unreadable"),)))
        reason = getattr(error, "strerror", None) or str(error)
        description["problems"][0]["text"] += f" {reason}."
        return {"file": shown, **description}
    try:
        description = parser.describe(raw)
    except ParseError as error:
        description = describe(parse_headers_only(raw, problem=error.problem))
    return {"file": shown, **description}


def _read(name: str) -> bytes:
    """At most one byte more than what is parsed: enough to know that a mail is too large."""
    if name == "-":
        return sys.stdin.buffer.read(limits.RAW_PARSED + 1)
    with Path(name).open("rb") as file:
        return file.read(limits.RAW_PARSED + 1)


@click.command("inspect")
@click.option("--json", "json_output", is_flag=True, help="Print one JSON object a line.")
@click.argument("files", nargs=-1, required=True)
def inspect_command(files: tuple[str, ...], json_output: bool) -> None:
    """Show what the mail parser makes of FILES ("-" reads standard input)."""
    sys.exit(inspect_files(list(files), json_output))


if __name__ == "__main__":
    inspect_command()
