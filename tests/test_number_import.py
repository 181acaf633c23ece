"""Tickets of a former system out of CSV files as other programs write them."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import select

from helpdesk.errors import StartError
from helpdesk.models import Event, FormerPattern, OutboxItem, Ticket
from helpdesk.models.former import former_numbers_of
from helpdesk.models.ticket import find_by_number
from helpdesk.number_import import Outcome, find_channel, import_file
from helpdesk.queries.counters import figures_of_queues
from tests.clients import sign_in
from tests.test_intake import Post, ticket_of

RUSSIAN = (
    "Номер;Клиент;Тема;Статус;Дата создания;Дата закрытия\r\n"
    "2024010112345678;eve@customer.example;Не приходит код;закрыт успешно;01.01.2024 10:00;02.01.2024 11:30\r\n"
    '2024010112345679;adam@customer.example;"Возврат; срочно";открыт;05.01.2024;\r\n'
)


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "tickets.csv"
    path.write_bytes(text.encode(encoding))
    return path


def imported(channel: Any, path: Path) -> Outcome:
    return import_file(path, channel)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
def test_russian_files_of_any_encoding(session: Any, cast: Any, tmp_path: Path, encoding: str) -> None:
    outcome = imported(cast.mailbox, write(tmp_path, RUSSIAN, encoding))
    assert (outcome.made, outcome.faults) == (2, [])
    first, second = find_by_number("2024010112345678"), find_by_number("2024010112345679")
    assert first and second
    assert (first.state, first.title, first.customer.identities[0].value) == (
        "solved", "Не приходит код", "eve@customer.example")  # fmt: skip
    assert first.finished_at and first.finished_at.isoformat().startswith("2024-01-02T09:30")
    assert (second.state, second.kind, second.title) == ("waiting", "paused", "Возврат; срочно")


def test_nobody_is_told_and_no_line_moves(session: Any, cast: Any, tmp_path: Path) -> None:
    before = {row.queue_id: (row.waiting, row.active) for row in figures_of_queues(sa.true())}
    imported(cast.mailbox, write(tmp_path, RUSSIAN))
    assert {row.queue_id: (row.waiting, row.active) for row in figures_of_queues(sa.true())} == before
    assert session.scalars(select(OutboxItem)).all() == []
    assert session.scalars(select(Event.kind).where(Event.ticket_id.is_not(None))).all() == ["ticket.imported"] * 2


def test_importing_twice_makes_nothing_twice(session: Any, cast: Any, tmp_path: Path) -> None:
    path = write(tmp_path, RUSSIAN)
    imported(cast.mailbox, path)
    again = imported(cast.mailbox, path)
    assert (again.made, again.known) == (0, 2)
    assert len(session.scalars(select(Ticket)).all()) == 2


def test_bad_lines_are_named_and_passed_over(session: Any, cast: Any, tmp_path: Path) -> None:
    text = (
        "1001,eve@customer.example,Hello\n,eve@customer.example,x\n1002,nobody,x\n\n"
        "1003,eve@customer.example,x,closed,when\n1004,eve@customer.example\n"
        "1005,eve@customer.example,x,closed,2999-01-01\n"
    )
    outcome = imported(cast.mailbox, write(tmp_path, text))
    assert outcome.made == 2
    assert [line for line, _reason in outcome.faults] == [2, 3, 5, 7]
    assert "no mail address" in outcome.faults[1][1] and "no date" in outcome.faults[2][1]


def test_an_otrs_export_with_english_headings(session: Any, cast: Any, tmp_path: Path) -> None:
    text = (
        "TicketNumber\tTitle\tState\tCustomerUserID\tCreated\n"
        "[2024-1]\tHi\tclosed unsuccessful\teve@customer.example\t2024-01-01 10:00:00\n"
    )
    assert imported(cast.mailbox, write(tmp_path, text)).made == 1
    ticket = find_by_number("20241")
    assert ticket and ticket.state == "unsolved"


def test_many_lines_in_batches(session: Any, cast: Any, tmp_path: Path) -> None:
    lines = "".join(f"{10_000 + count};c{count % 50}@customer.example;Тема {count}\n" for count in range(450))
    outcome = imported(cast.mailbox, write(tmp_path, lines))
    assert outcome.made == 450 and len(session.scalars(select(Ticket)).all()) == 450


def test_an_answer_with_the_old_number_finds_the_imported_ticket(session: Any, cast: Any, tmp_path: Path) -> None:
    FormerPattern.add(cast.mailbox.project_id, "[Ticket#{number}]", "digits")
    imported(cast.mailbox, write(tmp_path, RUSSIAN))
    post = Post(session, cast.mailbox)
    subject = "Re: [Ticket#2024010112345679] Возврат"
    joined = ticket_of(session, post(sender="adam@customer.example", subject=subject))
    assert (former_numbers_of(joined.id), joined.kind) == (["2024010112345679"], "active")
    stranger = ticket_of(session, post(sender="mallory@elsewhere.example", subject=subject))
    assert stranger.id != joined.id
    finished = find_by_number("2024010112345678")
    follow_up = ticket_of(session, post(subject="Re: [Ticket#2024010112345678] Не приходит код"))
    assert finished and follow_up.conversation_id == finished.conversation_id


def test_what_cannot_be_read_is_one_sentence(session: Any, cast: Any, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot be read"):
        import_file(tmp_path / "missing.csv", cast.mailbox)
    with pytest.raises(StartError, match="no such channel"):
        find_channel("Nowhere", None)
    assert find_channel(None, None).id == cast.mailbox.id


def test_administrators_write_patterns_and_try_subjects(app: Any, session: Any, cast: Any, tmp_path: Path) -> None:
    imported(cast.mailbox, write(tmp_path, RUSSIAN))
    session.commit()
    client = sign_in(app, cast.dora)
    url = f"/admin/projects/{cast.mailbox.project_id}/former-numbers"
    assert client.post(url, data={"written": "Ticket", "alphabet": "digits"}).status_code == 422
    assert client.post(url, data={"written": "[Ticket#2024]", "alphabet": "digits"}).status_code == 303
    assert client.post(url, data={"written": "[Ticket#2024]", "alphabet": "digits"}).status_code == 409
    tried = client.get(url, query_string={"subject": "Re: [Ticket#2024010112345678]"}).text
    assert "is carried by ticket" in tried and "[Ticket#{number}]" in tried
    assert "No number is recognised" in client.get(url, query_string={"subject": "Привет"}).text
    pattern = session.scalars(select(FormerPattern.id)).one()
    assert client.post(f"{url}/{pattern}/removal").status_code == 303
    assert client.post(f"{url}/{pattern}/removal").status_code == 404
