"""`helpdesk mail inspect`: one object a file, whatever the file is."""

# ruff: noqa: E501 -- texts of mails
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from queues.channels.email.inspect import inspect_command
from tests.email.bounces import BOUNCES
from tests.email.build import file_part, multipart, simple, text_part

_KEYS = {
    "file", "subject", "from", "from_name", "to", "cc", "date", "message_id", "in_reply_to", "references", "text", "reply",
    "html", "attachments", "kind", "may_auto_reply", "dsn", "thread_hints", "problems",
}  # fmt: skip


def _run(*arguments: str, data: bytes = b"") -> tuple[int, list[dict[str, Any]]]:
    command = [sys.executable, "-m", "queues.channels.email.inspect", "--json", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.stderr == b""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_a_mail_on_standard_input() -> None:
    content_type, body = multipart(
        "mixed", [text_part("Здравствуйте!\n\n-- \nИван"), file_part("чек.pdf", b"%PDF")], "b"
    )
    code, [found] = _run("-", data=simple("", content_type=content_type, Cc="Bob <bob@example.org>") + body)
    assert code == 0
    assert set(found) >= _KEYS
    assert found["file"] == "-"
    assert (found["subject"], found["from"], found["from_name"]) == ("A question", "eve@example.net", "Eve Customer")
    assert (found["to"], found["cc"]) == (["support@example.com"], ["bob@example.org"])
    assert found["date"] == "2025-04-30T12:19:54+00:00"
    assert found["reply"] == "Здравствуйте!"
    assert found["attachments"] == [{"name": "чек.pdf", "type": "application/octet-stream", "size": 4, "inline": False}]
    assert (found["kind"], found["may_auto_reply"], found["dsn"], found["problems"]) == ("human", True, None, [])


def test_a_bounce_has_its_report(tmp_path: Path) -> None:
    path = tmp_path / "bounce.eml"
    path.write_bytes(BOUNCES["postfix"].raw)
    _code, [found] = _run(str(path))
    assert found["kind"] == "bounce"
    assert {key: found["dsn"][key] for key in ("status", "action", "recipient")} == {
        "status": "5.1.1",
        "action": "failed",
        "recipient": "gone@example.net",
    }


def test_every_file_gives_one_object_in_order(tmp_path: Path) -> None:
    files = {
        "empty": b"",
        "nul": b"\x00" * (50 * 1024 * 1024),
        "random": os.urandom(2_000_000),
        "half": simple()[:70],
        "binary": b"\x7fELF" + bytes(range(256)) * 1000,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    names = [str(tmp_path / name) for name in files] + [str(tmp_path), str(tmp_path / "missing")]
    code, found = _run(*names)
    assert [each["file"] for each in found] == names
    assert all(set(each) >= _KEYS for each in found)
    assert code == 1
    assert [each["problems"][0]["code"] for each in found[-2:]] == ["file-unreadable"] * 2
    assert "No such file" in found[-1]["problems"][0]["text"]


def test_a_name_that_is_no_utf8_is_shown(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.eml"
    Path(os.fsdecode(path)).write_bytes(simple())
    _code, [found] = _run(os.fsdecode(path))
    assert found["subject"] == "A question"


def test_the_readable_form_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(simple("Where is my order?", From="Boss boss@victim.com <evil@x.example>"))
    output = CliRunner().invoke(inspect_command, [str(path)]).output
    assert "<evil@x.example>" in output
    assert "Where is my order?" in output
    assert "the sender may be forged" in output


@pytest.mark.parametrize("arguments", [[], ["--nonsense", "x"]])
def test_wrong_use_is_explained(arguments: list[str]) -> None:
    done = CliRunner().invoke(inspect_command, arguments)
    assert done.exit_code == 2
    assert "Usage" in done.output
