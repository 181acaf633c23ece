"""A mailbox full of years of mail, in which people go on working, is connected: only what was chosen is taken."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk import clock
from helpdesk.models import Channel, InboundEvent, Message, OutboxItem, Ticket
from helpdesk.queries.counters import ledgers
from queues import connecting, intake
from queues.channels.email import mailbox as mailbox_module
from queues.channels.email.settings import MailboxSettings
from queues.channels.email.survey import survey
from queues.held import installation_name, wanted
from queues.rescan import ask_rescan
from queues.secrets import StoredSecrets
from tests.clients import sign_in
from tests.dovecot import PASSWORD, Dovecot, letter, wait_until

pytestmark = pytest.mark.dovecot


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Visits to other folders at every look, and a look every second."""
    monkeypatch.setattr(mailbox_module, "IDLE_SECONDS", (0.5, 1.0))
    monkeypatch.setattr(mailbox_module, "VISIT_SECONDS", 0.3)


@pytest.fixture
def connect(committed: Any, make_committed: Any) -> Callable[..., None]:
    """Choose what is taken, as the screen does."""

    def act(channel: Any, what: str, since: datetime | None = None) -> None:
        dora = committed.scalar(sa.select(connecting.User).limit(1)) or make_committed.user("Dora", "administrator")
        settings = MailboxSettings(**channel.settings)
        looked_at = clock.now()
        found = survey(settings, StoredSecrets(channel))
        connecting.connect(dora, channel, what, since, found, looked_at)  # type: ignore[arg-type]
        committed.commit()

    return act


@pytest.fixture
def undecided(mailbox: Any, committed: Any) -> Callable[..., Any]:
    """A mailbox as it is after its form was saved."""

    def build(**settings: Any) -> Any:
        channel = mailbox(**settings)
        channel.reading = {"what": "ask"}
        committed.commit()
        return channel

    return build


def fill(dovecot: Dovecot, user: str, count: int, *, days: float = 400, word: str = "Старое") -> None:
    """Old mail, put there with the moments at which it came."""
    with dovecot.client(user, None) as client:
        for number in range(count):
            at = datetime.now(UTC) - timedelta(days=days, minutes=-number)
            raw = letter(f"{word} {number}", f"Текст {word} {number}").as_bytes()
            client.append("INBOX", None, f'"{at:%d-%b-%Y %H:%M:%S} +0000"', raw)


def subjects(session: Any, channel: Any) -> list[str]:
    """Subjects of what became tickets, after everything that waits was understood."""
    intake.drain()
    session.rollback()
    query = sa.select(Ticket.title).where(Ticket.channel_id == channel.id).order_by(Ticket.id)
    return list(session.scalars(query))


def events(session: Any, channel: Any) -> int:
    session.rollback()
    return session.scalar(
        sa.select(sa.func.count()).select_from(InboundEvent).where(InboundEvent.channel_id == channel.id)
    )


def cursor(session: Any, channel: Any) -> dict[str, Any]:
    session.rollback()
    return session.scalar(sa.select(Channel.cursor).where(Channel.id == channel.id))


def trouble(session: Any, channel: Any) -> str:
    session.rollback()
    return session.scalar(sa.select(Channel.last_error).where(Channel.id == channel.id)) or ""


def stop(listener: Any) -> None:
    listener.stop.set()
    wait_until(lambda: not any(runner.is_alive() for runner in listener.runners.values()), what="stopped")


def test_nothing_is_taken_before_somebody_says_what(
    dovecot: Dovecot, undecided: Any, committed: Any, listening: Any, connect: Any
) -> None:
    channel = undecided()
    dovecot.deliver(channel.address, letter("Раз"))
    assert channel.id not in wanted(lambda _kind, _settings: True)
    listening()
    connect(channel, "all")
    wait_until(lambda: events(committed, channel) == 1, what=trouble(committed, channel))


def test_only_new_mail_while_a_colleague_works_there_and_then_all(
    dovecot: Dovecot, undecided: Any, committed: Any, listening: Any, connect: Any
) -> None:
    channel = undecided()
    queue = channel.queue
    queue.acknowledge = True
    committed.commit()
    fill(dovecot, channel.address, 300)
    dovecot.deliver(channel.address, letter("Вчерашнее"))
    connect(channel, "new")
    with dovecot.client(channel.address) as person:
        listening()
        dovecot.deliver(channel.address, letter("Новое 1"))
        person.create("Archive")
        person.copy("1:20", "Archive")
        person.store("1:20", "+FLAGS", "(\\Deleted)")
        person.store("30:40", "+FLAGS", "(\\Flagged \\Answered)")
        person.uid("EXPUNGE", "1:20")
        dovecot.deliver(channel.address, letter("Новое 2"))
        person.append("INBOX", None, None, letter("Положено коллегой", "Сам").as_bytes())
        wait_until(lambda: events(committed, channel) == 3, what=trouble(committed, channel))
        person.noop()
        person.store("1:10", "-FLAGS", "(\\Seen)")
    assert sorted(subjects(committed, channel)) == ["Новое 1", "Новое 2", "Положено коллегой"]
    assert dovecot.count(channel.address) == 281, "301 old ones, without the twenty put into the archive"
    assert dovecot.count(channel.address, "Archive") == 20
    assert dovecot.count(channel.address, "Processed") == 3
    with dovecot.client(channel.address) as person:
        assert len(person.search(None, "FLAGGED", "ANSWERED")[1][0].split()) == 11
        assert person.search(None, "KEYWORD", "$HelpdeskTaken")[1] == [b""]

    connect(channel, "all")
    wait_until(lambda: dovecot.count(channel.address) == 0, seconds=60, what=trouble(committed, channel))
    assert len(subjects(committed, channel)) == 284
    assert dovecot.count(channel.address, "Archive") == 20
    answered = committed.scalars(sa.select(Message.answers_id).join(OutboxItem, OutboxItem.message_id == Message.id))
    told = committed.scalars(sa.select(Message.subject).where(Message.id.in_(list(answered)))).all()
    assert sorted(told) == ["Новое 1", "Новое 2", "Положено коллегой"], "who wrote before is not greeted now"
    book = ledgers([channel.id])[channel.id]
    assert book.balanced
    assert book.received == 284


@pytest.mark.parametrize("action", ["move", "mark"])
def test_what_is_left_out_is_counted_and_not_touched(
    dovecot: Dovecot, undecided: Any, committed: Any, listening: Any, connect: Any, action: str
) -> None:
    channel = undecided(done_action=action)
    fill(dovecot, channel.address, 5)
    connect(channel, "new")
    dovecot.deliver(channel.address, letter("Новое"))
    listening()
    wait_until(lambda: cursor(committed, channel).get("left_out") == 5)
    wait_until(lambda: subjects(committed, channel) == ["Новое"])
    with dovecot.client(channel.address) as person:
        assert person.search(None, "UNSEEN", "UNKEYWORD", "$HelpdeskTaken")[1] == [b"1 2 3 4 5"]


def test_since_a_date_is_exact(dovecot: Dovecot, undecided: Any, committed: Any, listening: Any, connect: Any) -> None:
    channel = undecided()
    edge = (datetime.now(UTC) - timedelta(days=10)).replace(microsecond=0)
    zones = {"+1400": 14, "-1200": -12, "+0000": 0}
    with dovecot.client(channel.address, None) as client:
        for zone, hours in zones.items():
            for seconds, word in ((-1, "раньше"), (0, "позже")):
                at = edge + timedelta(seconds=seconds, hours=hours)
                raw = letter(f"{word} {zone}", word).as_bytes()
                client.append("INBOX", None, f'"{at:%d-%b-%Y %H:%M:%S} {zone}"', raw)
    fill(dovecot, channel.address, 3, days=100)
    fill(dovecot, channel.address, 2, days=3, word="Недавнее")
    connect(channel, "since", edge)
    listening()
    wait_until(lambda: events(committed, channel) == 5, what=trouble(committed, channel))
    wait_until(lambda: cursor(committed, channel).get("left_out") == 6)
    assert sorted(subjects(committed, channel))[:2] == ["Недавнее 0", "Недавнее 1"]
    assert {title.split()[0] for title in subjects(committed, channel)} == {"Недавнее", "позже"}


def test_many_mails_are_taken_with_visits_in_between(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_module, "LOOK_AHEAD", 7)
    monkeypatch.setattr(mailbox_module, "VISIT_SECONDS", 0.0)
    channel = mailbox()
    fill(dovecot, channel.address, 30)
    listening()
    wait_until(lambda: dovecot.count(channel.address, "Processed") == 30, what=trouble(committed, channel))
    assert events(committed, channel) == 30


def test_a_folder_numbered_anew_is_divided_by_the_moment_of_connecting(
    dovecot: Dovecot, undecided: Any, committed: Any, listening: Any, connect: Any
) -> None:
    channel = undecided()
    fill(dovecot, channel.address, 8)
    connect(channel, "new")
    listener = listening()
    wait_until(lambda: cursor(committed, channel).get("left_out") == 8)
    stop(listener)
    with dovecot.client(channel.address) as person:
        numbering = int(person.untagged_responses["UIDVALIDITY"][0])
    wait_until(lambda: time.time() >= numbering + 1)  # a new numbering is named by the second in which it begins
    for path in (dovecot.folder / "mail" / channel.address).glob("dovecot*"):
        path.unlink()
    assert dovecot.count(channel.address) == 8
    dovecot.deliver(channel.address, letter("Новое"))
    listening()
    wait_until(lambda: dovecot.count(channel.address) == 8, what=trouble(committed, channel))
    assert events(committed, channel) == 1
    wait_until(lambda: "renumbered_at" in cursor(committed, channel), what=trouble(committed, channel))


def test_an_answer_in_another_program_is_told_on_the_ticket_once(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any
) -> None:
    channel = mailbox()
    dovecot.deliver(channel.address, letter("Где код?"), letter("Другое"))
    listener = listening()
    wait_until(lambda: len(subjects(committed, channel)) == 2, what=trouble(committed, channel))
    with dovecot.client(channel.address, "Processed") as person:
        person.store("1", "+FLAGS", "(\\Answered)")
    wait_until(lambda: told(committed, channel) == ["answered"], what="told on the ticket")
    stop(listener)
    committed.execute(sa.update(Channel).values(cursor=Channel.cursor - "answered"))
    committed.commit()
    listening()
    wait_until(lambda: "answered" in cursor(committed, channel), what="looked again")
    assert told(committed, channel) == ["answered"]
    line = committed.scalars(sa.select(Message).where(Message.kind == "system")).one()
    assert "answered this mail in another mail program" in line.text


def told(session: Any, channel: Any) -> list[str]:
    from helpdesk.models.event import Event

    session.rollback()
    query = sa.select(Event.payload["what"].astext).where(Event.kind == "message.elsewhere").order_by(Event.id)
    return list(session.scalars(query))


def test_marked_mail_that_is_answered_or_gone_is_told(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any
) -> None:
    channel = mailbox(done_action="mark")
    dovecot.deliver(channel.address, letter("Раз"), letter("Два"), letter("Три"))
    listening()
    wait_until(lambda: len(subjects(committed, channel)) == 3, what=trouble(committed, channel))
    with dovecot.client(channel.address) as person:
        person.store("1", "+FLAGS", "(\\Answered)")
        person.store("2", "+FLAGS", "(\\Deleted)")
        person.expunge()
    wait_until(lambda: sorted(told(committed, channel)) == ["answered", "gone"], what=trouble(committed, channel))
    assert trouble(committed, channel) == ""


def marks(dovecot: Dovecot, user: str) -> list[bytes]:
    with dovecot.client(user, "Helpdesk reader") as client:
        _, found = client.search(None, "ALL")
        return [client.fetch(number.decode(), "(BODY[HEADER])")[1][0][1] for number in found[0].split()]


def leave_mark(dovecot: Dovecot, user: str, reader: str, claim: int = 0, *, beat: str = "aa", days: float = 0) -> None:
    """The mark of another installation."""
    at = datetime.now(UTC) - timedelta(days=days)
    mail = letter("mark", X_Helpdesk_Reader=reader, X_Helpdesk_Folder="INBOX", X_Helpdesk_Claim=str(claim))
    mail["X-Helpdesk-Beat"], mail["X-Helpdesk-Place"] = beat, "https%3A//other.example"
    with dovecot.client(user, None) as client:
        client.create('"Helpdesk reader"')
        client.append('"Helpdesk reader"', None, f'"{at:%d-%b-%Y %H:%M:%S} +0000"', mail.as_bytes())


def test_a_second_installation_is_noticed_and_a_person_decides(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any, make_committed: Any
) -> None:
    channel = mailbox()
    leave_mark(dovecot, channel.address, "another", 3)
    dovecot.deliver(channel.address, letter())
    listening()
    wait_until(lambda: "https://other.example" in trouble(committed, channel), what="told")
    assert dovecot.count(channel.address) == 1, "nothing is taken while two read"
    committed.refresh(channel)
    connecting.read_here(make_committed.user("Dora", "administrator"), channel)
    committed.commit()
    wait_until(lambda: events(committed, channel) == 1, what=trouble(committed, channel))
    assert any(b"X-Helpdesk-Claim: 4" in mark for mark in marks(dovecot, channel.address)), "the other one sees it"
    assert "rival" not in cursor(committed, channel)


def test_a_mark_of_an_installation_that_ended_stops_nobody(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any
) -> None:
    channel = mailbox()
    leave_mark(dovecot, channel.address, "another", 9, days=1)
    dovecot.deliver(channel.address, letter())
    first = listening()
    wait_until(lambda: events(committed, channel) == 1, what=trouble(committed, channel))
    stop(first)
    dovecot.deliver(channel.address, letter("Ещё"))
    listening()
    wait_until(lambda: events(committed, channel) == 2, what="our own mark stops us not")
    assert len(marks(dovecot, channel.address)) == 2


def test_whoever_reads_stops_when_a_person_decides_for_another(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any
) -> None:
    channel = mailbox()
    dovecot.deliver(channel.address, letter())
    listening()
    wait_until(lambda: events(committed, channel) == 1, what=trouble(committed, channel))
    leave_mark(dovecot, channel.address, "another", 0, beat="0")
    dovecot.deliver(channel.address, letter("Ещё"))
    leave_mark(dovecot, channel.address, "yet another", 1)
    wait_until(lambda: "Another helpdesk" in trouble(committed, channel), what="it stops")


def test_a_restored_copy_notices_that_the_mailbox_knows_more_and_reads_again(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = mailbox()
    dovecot.deliver(channel.address, letter("До копии"))
    first = listening()
    wait_until(lambda: len(subjects(committed, channel)) == 1, what=trouble(committed, channel))
    backup = cursor(committed, channel)
    dovecot.deliver(channel.address, letter("После копии"))
    wait_until(lambda: len(subjects(committed, channel)) == 2, what=trouble(committed, channel))
    stop(first)
    committed.execute(sa.text("DELETE FROM dedup_keys WHERE event_id = (SELECT max(id) FROM inbound_events)"))
    committed.execute(sa.update(Channel).where(Channel.id == channel.id).values(cursor=backup))
    committed.commit()
    leave_mark(dovecot, channel.address, installation_name(), beat="after the copy", days=0.1)
    listening()
    wait_until(lambda: events(committed, channel) == 3, what="what the copy does not know is found again")
    assert "restored_at" in cursor(committed, channel)
    wait_until(lambda: cursor(committed, channel).get("rescan", {}).get("done"), what="it comes to an end")


@pytest.mark.parametrize("action", ["move", "mark"])
def test_taken_mail_is_read_again_and_only_what_is_missing_is_taken(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any, action: str
) -> None:
    channel = mailbox(done_action=action)
    dovecot.deliver(channel.address, *[letter(f"Письмо {number}") for number in range(5)])
    listening()
    wait_until(lambda: events(committed, channel) == 5, what=trouble(committed, channel))
    committed.execute(sa.text("DELETE FROM dedup_keys WHERE event_id = (SELECT min(id) FROM inbound_events)"))
    committed.refresh(channel)
    ask_rescan(channel, datetime.now(UTC) - timedelta(days=2))
    committed.commit()
    wait_until(lambda: cursor(committed, channel).get("rescan", {}).get("done"), what=trouble(committed, channel))
    assert events(committed, channel) == 6
    state = cursor(committed, channel)["rescan"]
    assert (state["seen"], state["new"], state["total"]) == (5, 1, 5)


def test_a_wish_goes_back_as_far_as_one_that_is_not_fulfilled_yet() -> None:
    from queues.channels.email import rescan

    early, late, now = (datetime(2026, 11, day, tzinfo=UTC) for day in (1, 15, 20))
    unfinished = rescan._begun(None, now - timedelta(days=1), early)
    assert datetime.fromisoformat(rescan._begun(unfinished, now, late)["since"]) == early
    assert datetime.fromisoformat(rescan._begun(None, now, late)["since"]) == late


@pytest.fixture
def dora(app: Any, cast: Any) -> Any:
    return sign_in(app, cast.dora)


@pytest.fixture
def shown(cast: Any, session: Any, dovecot: Dovecot) -> Iterator[Any]:
    """The cast's mailbox on a real server, not connected yet."""
    user = dovecot.add_user(f"box{399 - len(dovecot.users) % 50}@desk.example")
    cast.mailbox.settings, cast.mailbox.reading = dovecot.settings(user), {"what": "ask"}
    cast.mailbox.keep_secrets({"password": PASSWORD})
    session.commit()
    dovecot.append(user, letter("Старое").as_bytes())
    yield cast.mailbox


def test_the_screen_shows_what_lies_there_and_connects(session: Any, dora: Any, shown: Any) -> None:
    path = f"/admin/channels/{shown.id}"
    page = dora.get(path).text
    assert "No mail is taken yet." in page
    checked = dora.post(f"{path}/check", headers={"HX-Request": "true"}).text
    assert 'data-survey="1"' in checked
    assert "The oldest came on" in checked
    assert 'value="new"' in checked
    assert dora.post(f"{path}/reading", data={"what": "since"}).status_code == 422
    assert dora.post(f"{path}/reading", data={"what": "new"}).status_code == 303
    session.refresh(shown)
    assert shown.reading["what"] == "new"
    assert shown.reading["uidnext"] == 2
    page = dora.get(path).text
    assert "Mail that came after the mailbox was connected" in page
    assert "data-survey" not in dora.post(f"{path}/check").text, "asked once"
    assert 'data-survey="1"' in dora.get(f"{path}/reading").text


def test_another_folder_is_asked_about_anew(session: Any, dora: Any, shown: Any) -> None:
    from queues.channel_changes import save_channel

    path = f"/admin/channels/{shown.id}"
    dora.post(f"{path}/reading", data={"what": "all"})
    session.refresh(shown)
    shown.cursor = {"folder": "INBOX"}
    dora_user = session.scalar(sa.select(connecting.User).where(connecting.User.role == "administrator").limit(1))
    values = {"name": shown.name, "address": shown.address}
    save_channel(dora_user, shown, values, {**shown.settings, "done_folder": "Fertig"}, {})
    assert shown.reading["what"] == "all"
    save_channel(dora_user, shown, values, {**shown.settings, "folder": "Sales"}, {})
    assert shown.reading == {"what": "ask"}


def test_the_page_says_who_else_reads_and_how_far_reading_again_is(session: Any, dora: Any, shown: Any) -> None:
    path = f"/admin/channels/{shown.id}"
    shown.reading = {"what": "all"}
    shown.cursor = {"rival": {"place": "https://b.example", "claim": 4, "is_copy": False}, "left_out": 39988}
    session.commit()
    page = dora.get(path).text
    assert "Another helpdesk at https://b.example" in page
    assert "A copy of this installation" not in page
    assert "39,988 older mails stay as they are." in page
    assert dora.post(f"{path}/reader").status_code == 303
    assert dora.post(f"{path}/rescan", data={"since": "2026-11-01"}).status_code == 303
    session.refresh(shown)
    assert shown.reading["claim"] == 5
    assert shown.rescan_since is not None
    assert 'data-rescan="going"' in dora.get(path).text
