"""What somebody who means harm would try on the desk: each class of fault stays tried for ever."""

from typing import Any

from helpdesk.models import TicketPerson
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
