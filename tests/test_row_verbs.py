"""What a list offers for a ticket: the verbs that its reader may use now, and acts that lead nowhere."""

import re
from typing import Any

import pytest

from helpdesk.models import State
from tests.clients import sign_in

VERB = re.compile(r"</svg>\s*([^<]+?)\s*</(?:a|button)>")


def verbs(client: Any, ticket: Any) -> list[str]:
    return VERB.findall(client.get(f"/tickets/{ticket.id}/verbs").text)


def test_whoever_works_in_the_queue_is_offered_what_is_possible_now(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    ann = sign_in(app, cast.ann)
    waiting = verbs(ann, ticket)
    assert waiting[:5] == ["Take", "Assign", "Snooze", "Finish", "Merge into another ticket"]
    assert {"Move to another queue", "Priority", "This is spam", "Follow"} <= set(waiting)
    ticket.hand_over(cast.ann, cast.ann)
    assert verbs(ann, ticket)[:2] == ["Assign", "Hand back to the queue"]
    ticket.finish(cast.ann, State.SOLVED)
    assert verbs(ann, ticket)[0] == "Reopen"
    assert not {"Take", "Snooze", "Finish", "This is spam"} & set(verbs(ann, ticket))


def test_whoever_only_reads_is_offered_to_follow(app: Any, cast: Any, make: Any) -> None:
    reader = make.user("Reader")
    make.allow(make.group("Readers", reader), cast.support, "see")
    ticket = make.ticket(cast.support)
    assert verbs(sign_in(app, reader), ticket) == ["Follow"]
    assert sign_in(app, cast.carl).get(f"/tickets/{ticket.id}/verbs").status_code == 404


@pytest.mark.parametrize(
    ("act", "data", "said"),
    [
        ("closure", {"state": "solved"}, "is finished."),
        ("pause", {"choice": "1h"}, "Done"),
        ("spam", {}, "is marked as spam."),
    ],
)
def test_an_act_that_stays_is_told_and_leads_nowhere(
    app: Any, cast: Any, make: Any, act: str, data: dict[str, str], said: str
) -> None:
    ticket = make.ticket(cast.support, channel=cast.mailbox)
    ann = sign_in(app, cast.ann)
    answer = ann.post(f"/tickets/{ticket.id}/{act}", data=data, headers={"X-Stays": "1", "HX-Request": "true"})
    assert answer.status_code == 200 and "data-toast" in answer.text and said in answer.text
    assert "<html" not in answer.text and ticket.kind != "active"
    assert said not in ann.get("/queues").text  # said once


def test_the_way_back_of_a_merge_is_told_too(app: Any, cast: Any, make: Any) -> None:
    one, other = (make.ticket(cast.support, cast.eve, title, channel=cast.mailbox) for title in ("Первый", "Второй"))
    ann = sign_in(app, cast.ann)
    url = f"/tickets/{one.id}/merge"
    told = ann.post(url, data={"target_id": str(other.id)}, headers={"X-Stays": "1", "HX-Request": "true"}).text
    assert f'action="{url}/undo" data-stays' in told and one.state == State.MERGED


def test_a_refusal_stays_a_refusal(app: Any, cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    answer = sign_in(app, cast.ann).post(
        f"/tickets/{ticket.id}/closure", data={"state": "odd"}, headers={"X-Stays": "1", "HX-Request": "true"}
    )
    assert answer.status_code == 422 and "closed as solved" in answer.text
