"""What a fresh installation is: every operator sees and works in every queue, and no queue is strict."""

import re
from typing import Any

from click.testing import CliRunner
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import select

from helpdesk import first_sign_in
from helpdesk.cli_people import prepare
from helpdesk.models import Queue, Ticket, User
from tests.clients import Client, sign_in


def form_as_shown(page: str, action: str) -> dict[str, Any]:
    """What a browser would send of the form with this action if nobody touched it."""
    form = LexborHTMLParser(page).css_first(f'form[method="post"][action="{action}"]')
    assert form is not None
    sent: dict[str, Any] = {}
    for field in form.css("input[name], select[name], textarea[name]"):
        name, kind = field.attributes["name"] or "", field.attributes.get("type")
        if field.tag == "select":
            chosen = field.css_first("option[selected]") or field.css_first("option")
            value = chosen.attributes.get("value") if chosen else ""
        elif kind in {"checkbox", "radio"}:
            if "checked" not in field.attributes:
                continue
            value = field.attributes.get("value") or "y"
        else:
            value = field.text() if field.tag == "textarea" else field.attributes.get("value") or ""
        sent[name] = value
    return sent


def test_everybody_works_everywhere_and_nothing_is_strict(app: Any, committed: Any, make_committed: Any) -> None:
    output = CliRunner().invoke(prepare, [], obj=lambda: app)
    assert output.exit_code == 0, output.output
    first_sign_in.kept_file().unlink(missing_ok=True)
    dora = committed.scalars(select(User)).one()
    dora.password_is_one_time = False
    admin = sign_in(app, dora)

    queue_form = form_as_shown(admin.get("/admin/queues/new").text, "/admin/queues")
    assert admin.post("/admin/queues", data=queue_form | {"name": "Возвраты"}).status_code == 302
    person_form = form_as_shown(admin.get("/people/new").text, "/people")
    invited = admin.post("/people", data=person_form | {"name": "Оля", "email": "olya@desk.example"}).text
    found = re.search(r"http://127\.0\.0\.1:8000(/password/[\w-]+)", invited)
    assert found is not None
    olya, words = Client(app), "зелёный чай без сахара"
    assert olya.post(found[1], data={"password": words, "again": words}).status_code == 302

    queues = committed.scalars(select(Queue).order_by(Queue.id)).all()
    assert [(queue.name, queue.strict) for queue in queues] == [("Support", False), ("Возвраты", False)]
    for queue in queues:
        make_committed.ticket(queue, minutes_ago=50)
        younger = make_committed.ticket(queue, minutes_ago=10)
        committed.commit()
        assert queue.name in olya.get("/queues").text
        page = olya.get(f"/queues/{queue.id}").text
        assert younger.number_text in page
        taken = olya.post(f"/tickets/{younger.id}/claims")
        assert taken.location == f"/tickets/{younger.id}", "out of turn, and nobody asks why"
    mine = select(Ticket.queue_id).join(User, User.id == Ticket.owner_id).where(User.name == "Оля")
    assert set(committed.scalars(mine)) == {queue.id for queue in queues}
    assert committed.scalars(select(User.availability).where(User.name == "Оля")).one() == "available"
