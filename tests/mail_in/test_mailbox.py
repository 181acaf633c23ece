"""Mail on its way out of a real mailbox: nothing is lost, nothing is taken twice, nothing of others is touched."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk.models import Channel, InboundEvent, RawInput
from tests.dovecot import PASSWORD, Dovecot, letter, wait_until

pytestmark = pytest.mark.dovecot

KILLED_AT = {
    "between commit and move": "mailbox.Mailbox._finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)",
    "between fetch and commit": "mailbox.Mailbox._store = lambda *_: os.kill(os.getpid(), signal.SIGKILL)",
    "between move and the next": """
finish = mailbox.Mailbox._finish
def die(self, *uids):
    finish(self, *uids)
    os.kill(os.getpid(), signal.SIGKILL)
mailbox.Mailbox._finish = die
fetch.GROUP_MAILS = 2
""",
}


def events(session: Any, channel: Any) -> int:
    session.rollback()
    count = sa.select(sa.func.count()).select_from(InboundEvent)
    return session.scalar(count.where(InboundEvent.channel_id == channel.id))


def error_of(session: Any, channel: Any) -> str:
    session.rollback()
    return session.scalar(sa.select(Channel.last_error).where(Channel.id == channel.id)) or ""


@contextmanager
def database_away(session: Any) -> Iterator[None]:
    """Nobody can connect to the database, and everybody who was connected is thrown out."""
    url = session.get_bind().engine.url
    session.rollback()
    outside = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with outside.connect() as connection:
        connection.execute(sa.text(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS false'))
        everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(sa.text(everybody), {"name": url.database})
        try:
            yield
        finally:
            connection.execute(sa.text(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS true'))


def listen_process(patch: str = "") -> "subprocess.Popen[bytes]":
    """`helpdesk listen` in a process of its own, with a fault built in."""
    program = f"""
import os, signal
from queues.channels.email import fetch, mailbox
{patch}
from wsgi import create_app
from queues.listen import main
with create_app().app_context():
    main()
"""
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def listening_process() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(patch: str = "") -> "subprocess.Popen[bytes]":
        started.append(listen_process(patch))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(10)


def test_mail_is_stored_and_moved(dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any) -> None:
    channel = mailbox()
    dovecot.deliver(channel.address, letter(body="Добрый день, код 4711 не пришёл."))
    listening()
    wait_until(lambda: dovecot.count(channel.address, "Processed") == 1, what="moved")
    assert events(committed, channel) == 1
    event = committed.scalars(sa.select(InboundEvent)).one()
    assert b"Received: from" in committed.get(RawInput, event.id).data
    assert event.envelope["folder"] == "INBOX"
    assert event.state == "waiting"
    assert dovecot.count(channel.address) == 0

    dovecot.deliver(channel.address, letter("Второе письмо"))
    wait_until(lambda: dovecot.count(channel.address, "Processed") == 2, what="taken while idling")
    assert events(committed, channel) == 2
    assert committed.get(Channel, channel.id).last_contact_at is not None


@pytest.mark.fault
@pytest.mark.parametrize("patch", KILLED_AT.values(), ids=KILLED_AT.keys())
def test_killed_at_the_worst_moment(
    patch: str, dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any, listening_process: Any
) -> None:
    channel = mailbox()
    dovecot.deliver(channel.address, *[letter(f"Письмо {number}") for number in range(5)])
    assert listening_process(patch).wait(60) == -signal.SIGKILL
    listening()
    wait_until(lambda: dovecot.count(channel.address) == 0, what="taken after the crash")
    assert events(committed, channel) == 5
    assert dovecot.count(channel.address, "Processed") == 5


def test_numbered_anew_and_moved_back_makes_no_second_event(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any
) -> None:
    channel = mailbox()
    dovecot.deliver(channel.address, letter("Раз"), letter("Два"))
    listener = listening()
    wait_until(lambda: dovecot.count(channel.address, "Processed") == 2)
    listener.stop.set()
    wait_until(lambda: not any(runner.is_alive() for runner in listener.runners.values()))
    with dovecot.client(channel.address, "Processed") as client:
        client.copy("1:*", "INBOX")
    for path in (dovecot.folder / "mail" / channel.address).glob("dovecot*"):
        path.unlink()
    assert dovecot.count(channel.address) == 2
    listening()
    wait_until(lambda: dovecot.count(channel.address) == 0)
    assert events(committed, channel) == 2


def test_equal_names_and_no_names(dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any) -> None:
    channel = mailbox()
    same_id = [letter("Одно", f"Разный текст {number}", Message_ID="<same@customer.example>") for number in range(2)]
    nameless = [letter("Без имени", "Одинаковый текст")] * 3
    dovecot.deliver(channel.address, *same_id, *nameless)
    copy = b"Subject: appended\r\nMessage-ID: <twice@x>\r\n\r\nbyte by byte the same\r\n"
    dovecot.append(channel.address, copy, copy)
    listening()
    wait_until(lambda: dovecot.count(channel.address, "Processed") == 7)
    assert events(committed, channel) == 6, "each delivery is kept; the very same bytes are one mail"


def test_what_others_marked_as_deleted_is_not_touched(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any, tmp_path: Path
) -> None:
    server = Dovecot(Path(f"/tmp/dvu-{os.getpid()}"), capability="IMAP4rev1 LITERAL+ IDLE UIDPLUS")
    server_ca = Path(server.ca_file).read_text() + Path(dovecot.ca_file).read_text()
    bundle = tmp_path / "both.pem"
    bundle.write_text(server_ca)
    before = os.environ["SSL_CERT_FILE"]
    os.environ["SSL_CERT_FILE"] = str(bundle)
    try:
        server.start()
        channel = mailbox(server=server)
        server.deliver(channel.address, letter("Чужое"))
        with server.client(channel.address) as client:
            client.store("1", "+FLAGS", "(\\Deleted)")
        server.deliver(channel.address, letter("Наше"))
        listening()
        wait_until(lambda: server.count(channel.address, "Processed") == 1, what=server.log())
        wait_until(lambda: server.count(channel.address) == 1)
        assert events(committed, channel) == 1
    finally:
        os.environ["SSL_CERT_FILE"] = before
        server.remove()


def test_marked_mail_stays_and_is_taken_once(dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any) -> None:
    channel = mailbox(done_action="mark")
    dovecot.deliver(channel.address, letter("Раз"))
    with dovecot.client(channel.address) as client:
        client.store("1", "+FLAGS", "(\\Seen)")  # a person was faster; that says nothing
    first = listening()
    wait_until(lambda: events(committed, channel) == 1)
    first.stop.set()
    dovecot.deliver(channel.address, letter("Два"))
    listening()
    wait_until(lambda: events(committed, channel) == 2)
    assert dovecot.count(channel.address) == 2
    with dovecot.client(channel.address) as client:
        _, answer = client.search(None, "UNSEEN")
    assert answer == [b"2"], "reading leaves the mark of people alone"


def test_folders_may_have_any_name(dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any) -> None:
    channel = mailbox(done_folder="Обработано/2026")
    dovecot.deliver(channel.address, letter())
    listening()
    wait_until(lambda: dovecot.count(channel.address) == 0)
    assert events(committed, channel) == 1


def test_starttls(dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any) -> None:
    channel = mailbox(imap_port=dovecot.imap_port, imap_tls="starttls")
    dovecot.deliver(channel.address, letter())
    listening()
    wait_until(lambda: events(committed, channel) == 1, what=error_of(committed, channel))


def test_one_of_two_listeners_holds_a_mailbox_and_the_other_takes_over(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any, listening_process: Any
) -> None:
    channel = mailbox()
    dovecot.deliver(channel.address, letter("Раз"))
    first = listening_process()
    wait_until(lambda: events(committed, channel) == 1)
    second = listening()
    dovecot.deliver(channel.address, letter("Два"))
    wait_until(lambda: events(committed, channel) == 2)
    assert not second.runners, "held elsewhere"
    first.kill()
    dovecot.deliver(channel.address, letter("Три"))
    wait_until(lambda: events(committed, channel) == 3, what="taken over")
    epoch = sa.select(Channel.holder_epoch).where(Channel.id == channel.id)
    assert committed.scalar(epoch) == 2


def test_a_lost_lock_ends_the_hold(dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any) -> None:
    channel = mailbox()
    listener = listening()
    wait_until(lambda: channel.id in listener.runners)
    former = listener.runners[channel.id].channel
    committed.execute(
        sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'helpdesk lock'")
    )
    committed.commit()
    wait_until(former.stopping, what="the former hold ends")
    dovecot.deliver(channel.address, letter())
    wait_until(lambda: events(committed, channel) == 1, what="taken again")


def test_the_database_goes_and_comes_back(dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any) -> None:
    channel = mailbox()
    user, channel_id = channel.address, channel.id
    listener = listening()
    wait_until(lambda: channel_id in listener.runners)
    with database_away(committed):
        dovecot.deliver(user, letter())
        wait_until(lambda: not_connected(dovecot, user), what="the mailbox is let go")
        assert dovecot.count(user) == 1
    wait_until(lambda: events(committed, channel) == 1, what="taken after the outage")


def test_changed_settings_take_effect(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any, make_committed: Any
) -> None:
    from queues.channel_changes import save_channel, set_enabled

    channel = mailbox(folder="Нет такой")
    dora = make_committed.user("Dora", "administrator")
    dovecot.deliver(channel.address, letter())
    listening()
    wait_until(lambda: "Нет такой" in error_of(committed, channel), what="the fault is told")
    values = {"name": channel.name, "address": channel.address}
    save_channel(dora, channel, values, {**channel.settings, "folder": "INBOX"}, {"password": PASSWORD})
    committed.commit()
    wait_until(lambda: events(committed, channel) == 1, what="the new folder is read")
    wait_until(lambda: error_of(committed, channel) == "", what="the fault is over")
    set_enabled(dora, channel, False)
    committed.commit()
    wait_until(lambda: not_connected(dovecot, channel.address), what="the pause ends the connection")
    dovecot.deliver(channel.address, letter("Позже"))
    assert dovecot.count(channel.address) == 1


def not_connected(dovecot: Dovecot, user: str) -> bool:
    done = subprocess.run(
        ["doveadm", "-c", str(dovecot.folder / "dovecot.conf"), "who", "-1", user],
        capture_output=True,
        text=True,
        check=False,
    )
    return user not in done.stdout


def test_a_wrong_password_is_told_and_not_tried_in_a_storm(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any
) -> None:
    channel = mailbox()
    channel.keep_secrets({"password": "wrong"})
    committed.commit()
    listener = listening()
    wait_until(lambda: "refuses the sign-in" in error_of(committed, channel))
    runner = listener.runners[channel.id]
    wait_until(lambda: runner.faults == 1)
    assert runner._pause("slow") > 20, "the next try is far away"


def test_sigterm_ends_the_process_in_order(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening_process: Any
) -> None:
    channel = mailbox()
    dovecot.deliver(channel.address, letter())
    process = listening_process()
    wait_until(lambda: events(committed, channel) == 1)
    process.terminate()
    assert process.wait(5) == 0


def test_the_mail_server_crashes_and_comes_back(mailbox: Any, committed: Any, dovecot: Dovecot, listening: Any) -> None:
    channel = mailbox()
    dovecot.deliver(channel.address, *[letter(f"Письмо {number}") for number in range(3)])
    dovecot.stop(signal.SIGKILL)
    listening()
    wait_until(lambda: "refuses the connection" in error_of(committed, channel))
    dovecot.start()
    wait_until(lambda: events(committed, channel) == 3)
    wait_until(lambda: dovecot.count(channel.address, "Processed") == 3)


@pytest.mark.fault
def test_killed_again_and_again(
    dovecot: Dovecot, mailbox: Any, committed: Any, listening: Any, listening_process: Any
) -> None:
    """Kills at moments that nobody chose; each process takes what it can."""
    channel = mailbox()
    mails = [letter(f"Письмо {number}", "текст " * 50) for number in range(300)]
    slow = "fetch.GROUP_MAILS = 7"
    for round_ in range(6):
        dovecot.deliver(channel.address, *mails[round_ * 50 : round_ * 50 + 50])
        process = listening_process(slow)
        before = events(committed, channel)
        wait_until(lambda before=before: events(committed, channel) > before)
        process.kill()
        process.wait(10)
    listening()
    wait_until(lambda: dovecot.count(channel.address) == 0)
    assert events(committed, channel) == 300
    assert dovecot.count(channel.address, "Processed") >= 300
