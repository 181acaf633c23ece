"""Search: words in three languages, parts of numbers, rights inside the query, and the right plan at size."""

from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk.db import db
from helpdesk.errors import Refused
from helpdesk.indexing import index_message, reindex_old
from helpdesk.models import Customer, SearchDocument, Ticket
from helpdesk.queries import search, search_plan
from helpdesk.search_text import fold, hints, marks, terms, tokens


def found(user: Any, question: str) -> set[int]:
    return {hit.row.id for hit in search.find_tickets(user, question).hits}


@pytest.fixture
def say(cast: Any, make: Any) -> Any:
    """A ticket on which the customer said something, indexed as intake does."""

    def say(text: str, queue: Any = None, **options: Any) -> Ticket:
        ticket = make.ticket(queue or cast.support, title=options.pop("title", "Обращение"), **options)
        index_message(make.hear(ticket, text))
        return ticket

    return say


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Не приходит код подтверждения", "коды"),
        ("Не приходит код подтверждения", "подтверждением код"),
        ("Верните деньги за возвращённый товар", "возвращенные"),
        ("Не отримав замовлення", "замовлень"),
        ("Не отримав замовлення", "отримала"),
        ("Посилка на пошті", "поштою"),
        ("Питання про доставку", "доставці"),
        ("Чекаю нової посилки", "нова"),
        ("Питання щодо якості", "якість"),
        ("Не працює зв'язок", "зв’язку"),
        ("Прошу надіслати рахунок", "НАДІСЛАТИ"),
        ("I cannot reset my passwords", "password"),
        ("I cannot reset my passwords", "resetting"),
        ("Ошибка входа в кабинет", "каби"),
        ("Ошибка входа в кабинет", "вход каб"),
        ("Ёлка не приехала", "елка"),
        ("заказ № 4815162342 не пришёл", "4815162342"),
        ("заказ № 4815162342 не пришёл", "4815"),
        ("заказ № 4815162342 не пришёл", "62342"),
        ("заказ № 4815162342 не пришёл", "5162"),
        ("заказ 481 516 2342 не пришёл", "4815162342"),
        ("заказ 4815162342 не пришёл", "481 516 2342"),
        ("договор AB-12345/7 от мая", "ab12345"),
        ("договор AB-12345/7 от мая", "AB-12345/7"),
        ("договор AB-12345/7 от мая", "12345"),
        ("звоните +38 (067) 123-45-67", "0671234567"),
        ("звоните +38 (067) 123-45-67", "123-45-67"),
        ("звоните +38 (067) 123-45-67", "380671234567"),
        ("звоните 8 912 345-67-89", "+7 912 345 67 89"),
        ("пишите на Olena.K@mail.acme.example", "olena.k@mail.acme.example"),
        ("пишите на Olena.K@mail.acme.example", "@acme.example"),
        ("пишите на Olena.K@mail.acme.example", "acme.example"),
        ("пишите на Olena.K@mail.acme.example", "acme"),
        ("пишите на Olena.K@mail.acme.example", "olena"),
    ],
)
def test_what_was_said_is_found_as_people_ask(cast: Any, say: Any, said: str, asked: str) -> None:
    ticket = say(said)
    say("Совсем другое, 777 и other@else.example")
    assert found(cast.ann, asked) == {ticket.id}


@pytest.mark.parametrize(
    "asked", ["", "   ", "!!!", "и на в", "'", "\\", "a & | ! :*", "'); DROP TABLE tickets --", "%", "\u202e"]
)
def test_odd_questions_answer_nothing_and_break_nothing(cast: Any, say: Any, asked: str) -> None:
    say("Здравствуйте")
    assert search.find_tickets(cast.ann, asked).hits == []


def test_all_words_must_be_met_and_title_name_and_number_count(cast: Any, make: Any, say: Any) -> None:
    olena = make.customer("Олена Ковальчук")
    ticket = say("Прошу вернуть деньги", customer=olena, title="Возврат за билет")
    assert found(cast.ann, "вернуть деньги") == {ticket.id}
    assert found(cast.ann, "вернуть самолёт") == set()
    assert found(cast.ann, "олена билет") == {ticket.id}
    assert found(cast.ann, ticket.number[2:6]) >= {ticket.id}
    ticket.retitle(cast.ann, "Отмена поездки")
    assert found(cast.ann, "поездка ковальч") == {ticket.id}
    assert found(cast.ann, "билет ковальчук") == set()


def test_a_number_leads_to_its_ticket_only_for_those_who_may_see_it(cast: Any, say: Any) -> None:
    ticket = say("Помогите")
    for typed in (
        ticket.number,
        ticket.number_text,
        f"#{ticket.number}",
        f" № {ticket.number_text} ",
        f"[#{ticket.number}]",
    ):
        assert search.by_number(cast.ann, typed) == ticket.id
        assert search.by_number(cast.carl, typed) is None
    for typed in ("", "код", "заказ 12", "1" * 60):
        assert search.by_number(cast.ann, typed) is None


def test_hidden_tickets_never_show(cast: Any, say: Any) -> None:
    hidden = say("Секретное слово абракадабра 9876543210")
    for question in ("абракадабра", "9876543210", "абрак", hidden.number):
        answer = search.find_tickets(cast.carl, question)
        assert (answer.hits, answer.total, answer.older_than) == ([], 0, None)
    assert found(cast.ann, "абракадабра") == found(cast.dora, "абракадабра") == {hidden.id}
    hidden.add_person(cast.ann, cast.carl)
    db.session.flush()
    assert found(cast.carl, "абракадабра") == {hidden.id}


@pytest.mark.parametrize("rare", [5000, 0])
def test_pages_are_newest_first_complete_and_without_doubles(
    cast: Any, say: Any, make: Any, monkeypatch: pytest.MonkeyPatch, rare: int
) -> None:
    monkeypatch.setattr(search_plan, "RARE", rare)
    monkeypatch.setattr(search_plan, "STRETCHES", (2, 3))
    tickets = [say("Повторяющееся слово") for _ in range(7)]
    for ticket in tickets[:3]:
        index_message(make.hear(ticket, "Ещё одно слово"))
    say("Слово для других", queue=cast.billing)
    seen, cursor = [], None
    for _page in range(20):
        page = search.find_tickets(cast.ann, "слово", cursor, limit=2)
        seen += [hit.row.id for hit in page.hits]
        assert page.total == (7 if rare == 5000 else None)
        cursor = page.older_than
        if cursor is None:
            break
    order = [tickets[i].id for i in (2, 1, 0, 6, 5, 4, 3)]
    assert seen == order


def test_a_reader_of_few_tickets_is_told_where_to_go_on(cast: Any, say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_plan, "RARE", 0)
    monkeypatch.setattr(search_plan, "MOST_IN_REST", 0)
    monkeypatch.setattr(search_plan, "STRETCHES", (3, 3))
    old = say("частое слово", queue=cast.billing)
    for _ in range(4):
        say("частое слово")
    page = search.find_tickets(cast.carl, "частое")
    assert (page.hits, page.total) == ([], None)
    for _page in range(20):
        assert page.older_than is not None
        page = search.find_tickets(cast.carl, "частое", page.older_than)
        if page.hits:
            break
    assert [hit.row.id for hit in page.hits] == [old.id]


def test_the_snippet_is_cut_around_the_word(cast: Any, say: Any) -> None:
    say("начало " * 300 + "и вот здесь иголка в стоге " + "конец " * 300)
    [hit] = search.find_tickets(cast.ann, "иголки").hits
    assert "здесь иголка в стоге" in hit.snippet
    assert len(hit.snippet) <= search.SNIPPET
    assert hit.said_kind == "inbound"
    asked = terms("иголки")
    assert [hit.snippet[start:end] for start, end in marks(hit.snippet, asked)] == ["иголка"]
    assert hints(asked) == ["игол"]


def test_notes_are_found_by_colleagues(cast: Any, say: Any) -> None:
    ticket = say("Здравствуйте")
    ticket.note(cast.ann, "Клиент уже звонил про апельсины")
    [hit] = search.find_tickets(cast.bob, "апельсин").hits
    assert (hit.row.id, hit.said_kind) == (ticket.id, "note")


def test_customers_are_found_by_name_address_and_phone(cast: Any, session: Any) -> None:
    olena = Customer.for_identity("email", "o.kovalchuk@пошта.укр", "Олена Ковальчук")
    olena.add_identity(cast.ann, "phone", "067 123 45 67")
    Customer.for_identity("email", "other@else.example", "Иван")
    for question in (
        "Ковальчук",
        "ковальч",
        "Олени",
        "o.kovalchuk@пошта.укр",
        "kovalchuk",
        "0671234567",
        "4567",
        "пошта.укр",
    ):
        assert search.find_customers(question) == [olena], question
    assert search.find_customers("Петров") == []
    assert search.find_customers("...") == []


def test_places_of_pages_are_numbers() -> None:
    assert search.read_older_than(None) is None
    assert search.read_older_than("12") == 12
    for wrong in ("x", "-1", "1 OR 1=1", "9" * 30):
        with pytest.raises(Refused):
            search.read_older_than(wrong)


def test_tokens_are_bounded_and_linear() -> None:
    assert len(tokens("1" * 200_000)) <= 40
    assert len(tokens("a@" * 100_000)) <= 2000
    assert len(tokens("x" * 200_000)) == 0
    assert len(tokens(" ".join(f"ab{i}cd" for i in range(50_000)))) <= 1600
    assert len(tokens(" ".join(str(i) * 3 for i in range(10_000, 60_000)))) <= 1600
    assert fold("Зв'язок ІЇЄҐ якість доставці чекати") == "звязк ииег якость доставки чекать"


def test_an_older_index_is_brought_up_to_date(committed: Any, make_committed: Any) -> None:
    cast = make_committed.cast()
    ticket = make_committed.ticket(cast.support, title="Про апельсины")
    index_message(make_committed.hear(ticket, "и мандарины"))
    Customer.for_identity("email", "x@y.example", "Олена")
    committed.commit()
    committed.execute(
        sa.update(SearchDocument).values(version=1, tsv=sa.literal("", sa.Text).op("::")(sa.text("tsvector")))
    )
    committed.commit()
    assert found(cast.ann, "мандарин") == set()
    done = 0
    while batch := reindex_old(2):
        done += batch
    assert done == 3
    assert found(cast.ann, "мандарин") == found(cast.ann, "апельсин") == {ticket.id}
    assert [customer.name for customer in search.find_customers("Олена")] == ["Олена"]


# --- at size


GROW = """
    INSERT INTO search_documents (kind, ref_id, ticket_id, version, tsv)
    SELECT 'message', 1000000 + n, :ticket, 2,
           to_tsvector('russian', 'обычное слово номер ' || n
             || CASE WHEN n % 10 = 0 THEN ' среднее' ELSE '' END
             || CASE WHEN n = 50000 THEN ' иголка' ELSE '' END)
    FROM generate_series(1, 100000) AS n
"""


def plan(statement: Any) -> str:
    """The plan of a statement, as JSON."""
    return str(db.session.execute(search_plan.Explain(statement)).scalar_one())


def test_rare_words_read_the_index_and_common_ones_walk_from_the_newest(cast: Any, make: Any) -> None:
    ticket = make.ticket(cast.support)
    db.session.execute(sa.text(GROW), {"ticket": ticket.id})
    db.session.execute(sa.text("ANALYZE search_documents"))
    rare, common = search.tsquery(terms("иголки")), search.tsquery(terms("обычные"))
    assert not search_plan.is_common(rare)
    assert search_plan.is_common(common)
    rare_plan = plan(search_plan.collecting(cast.ann, rare, None, 25))
    assert "'Bitmap Index Scan'" in rare_plan
    assert "ix_search_documents_tsv" in rare_plan
    newest = db.session.scalar(sa.select(sa.func.max(SearchDocument.id)))
    common_plan = plan(search_plan.stretch(cast.ann, common, newest - 1000, newest + 1, is_first=True))
    assert "pk_search_documents" in common_plan
    assert "ix_search_documents_tsv" not in common_plan
    assert (
        "'Seq Scan', 'Parallel Aware': False, 'Async Capable': False, 'Relation Name': 'search_doc" not in common_plan
    )
    assert found(cast.ann, "иголка") == found(cast.ann, "обычное слово") == {ticket.id}
    assert found(cast.carl, "иголка") == found(cast.carl, "обычное слово") == set()
    assert search.find_tickets(cast.ann, "обычное").total is None
    assert search.find_tickets(cast.ann, "иголка").total == 1
