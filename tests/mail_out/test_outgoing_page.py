"""The page of the local outgoing folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpdesk.models import OutboxItem
from queues import outbox
from tests.clients import sign_in


@pytest.fixture
def landed(answered: Callable[..., OutboxItem], outgoing: Path) -> str:
    """The name of a mail that has landed."""
    answered("Ответ <script>alert(1)</script>")
    outbox.drain()
    (file,) = outgoing.glob("*.eml")
    return file.name


def test_administrator_reads_what_landed(app: Any, people: Any, landed: str) -> None:
    client = sign_in(app, people.dora)
    assert "Не приходит код подтверждения" in client.get("/admin/outgoing").text
    page = client.get(f"/admin/outgoing/{landed}")
    assert "Ответ &lt;script&gt;" in page.text
    assert "<script>alert" not in page.text
    raw = client.get(f"/admin/outgoing/{landed}/raw")
    assert raw.mimetype == "application/octet-stream"
    assert raw.data.startswith(b"Return-Path:")


def test_others_have_no_business_there(app: Any, people: Any, landed: str) -> None:
    for person in (people.ann, people.sue):
        for path in ("/admin/outgoing", f"/admin/outgoing/{landed}", f"/admin/outgoing/{landed}/raw"):
            assert sign_in(app, person).get(path).status_code == 403


def test_no_way_out_of_the_folder(app: Any, people: Any, landed: str, outgoing: Path) -> None:
    (outgoing.parent / "secret.eml").write_text("secret")
    client = sign_in(app, people.dora)
    for name in ("..%2Fsecret.eml", "%2Fetc%2Fpasswd", "secret.eml", "000000000001-nothing.eml"):
        assert client.get(f"/admin/outgoing/{name}").status_code == 404


def test_empty_folder_is_explained(app: Any, people: Any) -> None:
    assert "No mail has landed here" in sign_in(app, people.dora).get("/admin/outgoing").text
