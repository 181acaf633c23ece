"""What a draft keeps beside its text: the message that a reply answers, the sorting and the people of a new ticket."""

import re
from typing import Any

from helpdesk.drafts import own_draft, own_opening
from tests.clients import sign_in

CHIP = re.compile(r'<p class="answers composer-answers only-reply" data-answers-chip( hidden)?>')


def answered(page: str) -> str:
    """The message that the composer names, "" where it names none; the line above the text says the same."""
    (found,) = re.findall(r'<input type="hidden" name="answers" value="(\d*)">', page)
    assert (CHIP.search(page)[1] is None) == bool(found)  # type: ignore[index]  # each composer has the line
    return str(found)


def test_the_message_that_is_answered_is_kept_and_let_go(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    message = make.hear(ticket, "Какой у вас адрес?")
    ann, url = sign_in(app, cast.ann), f"/tickets/{ticket.id}"
    assert answered(ann.get(url).text) == ""
    typed = {"mode": "reply", "body": "Наш адрес", "window": "w"}
    ann.put(f"{url}/draft", data=typed | {"answers": str(message.id)})
    page = ann.get(url).text
    assert answered(page) == str(message.id)
    assert page.count("Какой у вас адрес?") >= 2
    assert ann.get(f"{url}/draft").json["answers"] == str(message.id)
    ann.put(f"{url}/draft", data=typed)  # an older page says nothing of it
    assert answered(ann.get(url).text) == str(message.id)
    ann.put(f"{url}/draft", data=typed | {"answers": ""})
    assert answered(ann.get(url).text) == ""


def test_a_message_of_another_ticket_is_not_named(app: Any, cast: Any, make: Any) -> None:
    ticket, other = make.ticket(cast.support, channel=cast.mailbox), make.ticket(cast.billing)
    secret = make.hear(other, "Тайна")
    ann = sign_in(app, cast.ann)
    ann.put(f"/tickets/{ticket.id}/draft", data={"body": "…", "answers": str(secret.id), "window": "w"})
    page = ann.get(f"/tickets/{ticket.id}").text
    assert answered(page) == "" and "Тайна" not in page


def test_a_new_ticket_keeps_its_sorting_and_its_colleagues(app: Any, cast: Any, make: Any) -> None:
    kind, part = make.item("request_type", "Вопрос"), make.item("component", "Сайт")
    reasons = [make.item("reason", name) for name in ("Опоздал", "Потерян", "Разбит")]
    ann = sign_in(app, cast.ann)
    fresh = ann.get("/tickets/new").text
    assert 'name="takes_part" value="1" checked' in fresh
    kept = {
        "body": "Здравствуйте",
        "window": "w",
        "request_type": str(kind.id),
        "components": str(part.id),
        "reasons": f"{reasons[0].id},{reasons[2].id}",
        "user_id": str(cast.bob.id),
        "takes_part": "",
    }
    assert ann.put("/drafts/mail", data=kept).status_code == 200
    page = ann.get("/tickets/new").text
    ticked = re.findall(r'type="checkbox" name="(\w+)" value="(\d+)" checked', page)
    sorted_by = [("reasons", reasons[0]), ("reasons", reasons[2]), ("components", part), ("user_id", cast.bob)]
    assert ticked == [(name, str(item.id)) for name, item in sorted_by]
    assert f'<option value="{kind.id}" selected>' in page
    assert page.count('<details class="form-field form-wide" open>') == 2
    draft = own_opening(cast.ann, "mail")
    assert draft is not None and draft.fields["reasons"] == kept["reasons"]


def test_nonsense_in_a_draft_is_left_out(app: Any, cast: Any, make: Any) -> None:
    make.item("reason", "Опоздал")
    ann = sign_in(app, cast.ann)
    odd = {"reasons": "a,,9e9,-1", "user_id": "1 OR 1", "category": "?"}
    ann.put("/drafts/hand", data={"body": "x", "window": "w", **odd})
    page = ann.get("/tickets/new?kind=hand")
    assert page.status_code == 200 and not re.findall(r'name="(?:reasons|user_id)" value="\d+" checked', page.text)
    ticket = make.ticket(cast.support)
    ann.put(f"/tickets/{ticket.id}/draft", data={"body": "x", "window": "w", "answers": "9" * 30})
    assert ann.get(f"/tickets/{ticket.id}").status_code == 200
    assert own_draft(cast.ann, ticket) is not None
