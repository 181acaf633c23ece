"""What somebody who means harm would try on the desk: each class of fault stays tried for ever."""

from io import BytesIO
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from helpdesk import logs
from helpdesk.config import load
from helpdesk.customer_texts import fill
from helpdesk.models import Draft, Message, OutboxItem, Reply, TicketPerson
from queues.channels.base import Secrets
from tests.clients import sign_in

CANARY = "Канарейка-7421"


def test_taking_part_in_one_ticket_shows_nothing_else_of_its_queue(
    app: Any, session: Any, make: Any, cast: Any
) -> None:
    other = make.ticket(cast.support, title=CANARY)
    mine = make.ticket(cast.support, title="Общий")
    session.add(TicketPerson(ticket_id=mine.id, user_id=cast.carl.id))
    session.flush()
    carl = sign_in(app, cast.carl)
    for page in ("", "/thread", "/bar", "/card", "/history"):
        answer = carl.get(f"/tickets/{mine.id}{page}")
        assert answer.status_code == 200
        assert CANARY not in answer.text, page
        assert other.number not in answer.text, page


def test_a_hidden_ticket_and_none_at_all_look_alike(app: Any, make: Any, cast: Any) -> None:
    hidden = make.ticket(cast.support)
    carl = sign_in(app, cast.carl)
    absent = str(int(hidden.number) + 1)

    def told(number: str) -> tuple[int, str]:
        answer = carl.get(f"/t/{number}", headers={"Accept": "application/json"})
        return answer.status_code, answer.text.replace(number, "N")

    assert told(hidden.number) == told(absent)
    assert told(hidden.number)[0] == 404


def test_nobody_takes_back_what_another_wrote(app: Any, session: Any, make: Any, cast: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    reply = ticket.reply(cast.ann, Reply(body="Наш ответ"))
    session.commit()
    bob, ann = sign_in(app, cast.bob), sign_in(app, cast.ann)
    undo = f"/messages/{reply.id}/undo"
    assert undo not in bob.get(f"/tickets/{ticket.id}").text
    assert bob.post(undo).status_code == 422
    assert reply.delivery == "queued"
    assert undo in ann.get(f"/tickets/{ticket.id}").text
    assert ann.post(undo).status_code == 303


def test_acts_on_two_things_need_a_right_on_both(app: Any, session: Any, make: Any, cast: Any) -> None:
    mine, foreign = make.ticket(cast.support), make.ticket(cast.billing, title=CANARY)
    secret = session.query(Message).filter_by(ticket_id=foreign.id).one()
    mine.claim(cast.ann)
    session.commit()
    ann, at = sign_in(app, cast.ann), f"/tickets/{mine.id}"
    forward = {"message_id": secret.id, "to": "me@elsewhere.example"}
    assert ann.post(f"{at}/forwards", data=forward).status_code == 404
    assert ann.get(f"{at}/dialogs/forward?message_id={secret.id}").status_code in {200, 404}
    assert ann.post(f"{at}/move", data={"queue_id": cast.billing.id}).status_code == 404
    assert ann.post(f"{at}/handover", data={"user_id": cast.carl.id}).status_code == 422
    assert ann.post(f"/queues/{cast.billing.id}/claims").status_code == 404
    assert ann.post(f"/messages/{secret.id}/undo").status_code == 404
    assert ann.post(f"/messages/{secret.id}/retries").status_code == 404
    assert ann.get(f"{at}/thread?before=999999999").text.count(CANARY) == 0
    session.refresh(mine)
    assert (mine.queue_id, mine.owner_id) == (cast.support.id, cast.ann.id)
    assert session.query(OutboxItem).count() == 0


def test_what_is_marked_as_a_note_never_leaves(app: Any, session: Any, make: Any, cast: Any) -> None:
    """Without scripts both buttons can be pressed, whatever was chosen above them."""
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    session.commit()
    data = {"mode": "note", "body": CANARY, "then": "finish"}
    assert sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/replies", data=data).status_code == 303
    assert session.query(OutboxItem).count() == 0
    assert session.query(Message).filter_by(text=CANARY).one().kind == "note"
    assert ticket.kind == "active"


def test_notes_are_never_forwarded_to_the_customer(app: Any, session: Any, make: Any, cast: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.ann)
    note = ticket.note(cast.ann, CANARY)
    session.commit()
    forward = {"message_id": note.id, "to": f"me@elsewhere.example, {ticket.customer.identities[0].value}"}
    assert sign_in(app, cast.ann).post(f"/tickets/{ticket.id}/forwards", data=forward).status_code == 422
    assert session.query(OutboxItem).count() == 0


def test_drafts_and_their_files_are_their_authors(app: Any, session: Any, make: Any, cast: Any) -> None:
    ticket = make.ticket(cast.support)
    ticket.claim(cast.bob)
    session.commit()
    ann, bob, at = sign_in(app, cast.ann), sign_in(app, cast.bob), f"/tickets/{ticket.id}"
    ann.put(f"{at}/draft", data={"body": CANARY})
    file = ann.post(f"{at}/draft/files", data={"file": (BytesIO(b"secret"), "secret.txt")}).json["id"]
    assert CANARY not in bob.get(at).text
    assert bob.get(f"/attachments/{file}").status_code == 404
    assert bob.delete(f"{at}/draft/files/{file}").status_code == 404
    assert bob.post(f"{at}/replies", data={"body": "мой ответ", "upload": file}).status_code == 303
    reply = session.query(Message).filter_by(kind="reply").one()
    assert reply.attachments == []
    assert reply.user_id == cast.bob.id
    draft = session.query(Draft).one()
    assert (draft.user_id, draft.body, [one.id for one in draft.attachments]) == (cast.ann.id, CANARY, [file])


def test_the_key_of_another_persons_act_gives_nothing(app: Any, make: Any, cast: Any) -> None:
    make.ticket(cast.support, minutes_ago=500)
    next_one = make.ticket(cast.support)
    first = sign_in(app, cast.ann).post("/claims", headers={"Idempotency-Key": "k"})
    second = sign_in(app, cast.bob).post("/claims", headers={"Idempotency-Key": "k"})
    assert first.location != second.location == f"/tickets/{next_one.id}"


def test_an_answer_that_goes_elsewhere_says_so(app: Any, session: Any, make: Any, cast: Any) -> None:
    ticket = make.ticket(cast.support)
    message = session.query(Message).filter_by(ticket_id=ticket.id).one()
    message.facts = {**message.facts, "reply_to": "mallory@evil.example"}
    session.commit()
    page = sign_in(app, cast.ann).get(f"/tickets/{ticket.id}/thread").text
    assert "mallory@evil.example, which is not the sender" in page


def test_secrets_show_themselves_in_no_text() -> None:
    kept = load(database_url=f"postgresql://app:{CANARY}@db/x", redis_url=f"redis://:{CANARY}@r", metrics_token=CANARY)
    for holder in (kept, Secrets(password=CANARY)):
        assert CANARY not in repr(holder)
        assert CANARY not in str(holder)
        assert "password" in repr(Secrets(password=CANARY))


def test_faults_of_the_database_tell_no_values(app: Any, session: Any) -> None:
    with pytest.raises(DBAPIError) as fault, session.begin_nested():
        session.execute(text("SELECT 1 / (length(:said) - length(:said))"), {"said": CANARY})
    assert CANARY not in str(fault.value)


def test_tracebacks_in_the_log_show_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    logs.configure("INFO")
    try:
        password = CANARY.lower()
        try:
            raise ValueError(len(password))
        except ValueError:
            structlog.get_logger("test").exception("something failed", words="eine\nZeile")
    finally:
        structlog.configure(**before)
    said = capsys.readouterr().err
    assert "ValueError: 14" in said
    assert password not in said
    assert "eine\\nZeile" in said, "nobody writes lines of their own into the log"


def test_texts_for_customers_are_filled_in_once_and_never_run() -> None:
    evil = "{{ 7*7 }} {% x %} {name.__class__} {0} {} %s %(name)s $name {operator} {password} {name}"
    filled = fill(evil, {"name": "{operator} {{ 8*8 }}", "operator": "Ann"})
    assert filled == evil.replace("{operator}", "Ann").replace(" {name}", " {operator} {{ 8*8 }}")


def test_doors_are_shut_until_somebody_opens_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "LMTP_HOST", "LMTP_PORT", "OUTBOUND_ALLOW", "TRUSTED_PROXIES", "METRICS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    found = load()
    assert (found.host, found.lmtp_host, found.lmtp_port) == ("127.0.0.1", "127.0.0.1", 0)
    assert (found.outbound_allow, found.trusted_proxies) == ([], 0)
