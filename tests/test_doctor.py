"""Doctor: each fault is one sentence with what to do, the exit code tells, and it works where hardly anything does."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask_babel import force_locale
from sqlalchemy import text

from helpdesk import clock
from helpdesk.backup import LAST_BACKUP
from helpdesk.config import settings
from helpdesk.models import ParkedMail, write_setting
from queues import checkups, doctor, outside, pause
from queues.cli_moving import doctor as command
from queues.findings import Finding, Level, as_json, as_lines, examine, exit_code
from tests.clients import sign_in
from tests.test_status import quarantined


def words(check: Any) -> str:
    return " | ".join(f"{one.level.name} {one.words} {one.advice}" for one in check())


@pytest.fixture(autouse=True)
def reader(app: Any) -> Any:
    with app.test_request_context():
        yield


def test_exit_codes() -> None:
    def told(*levels: Level) -> int:
        return exit_code([Finding("mail", level, "x") for level in levels])

    assert [told(), told(Level.OK, Level.HINT), told(Level.WARNING), told(Level.FAULT, Level.OK)] == [0, 0, 1, 2]


def test_a_check_that_breaks_is_a_finding_and_stops_no_other() -> None:
    def broken() -> Any:
        raise RuntimeError("boom")

    found = list(examine([("mail", broken), ("disk", outside.disk)]))
    assert found[0].level == Level.FAULT and "boom" in found[0].words
    assert found[1].area == "disk"


def test_lines_begin_with_the_worst_and_json_is_json() -> None:
    found = [Finding("disk", Level.OK, "Well."), Finding("mail", Level.FAULT, "Bad.", "Mend it.")]
    assert next(iter(as_lines(found))) == "FAULT mail: Bad. Mend it."
    assert json.loads(as_json(found))[1] == {"area": "mail", "level": "fault", "words": "Bad.", "advice": "Mend it."}


def test_versions_and_store_are_well(session: Any) -> None:
    for check in (checkups.database, checkups.store, checkups.redis, checkups.clocks):
        assert "FAULT" not in words(check) and "WARNING" not in words(check)


def test_another_schema_is_a_fault(session: Any) -> None:
    session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert "FAULT The schema is at revision 0001" in words(checkups.database)


def test_mail_faults_are_named(session: Any, cast: Any) -> None:
    channel = cast.mailbox
    channel.settings = {"imap_host": "imap.desk.example"}
    session.flush()
    assert "there has been no contact with its server yet" in words(checkups.channels)
    channel.note_contact()
    session.flush()
    assert "works" in words(checkups.channels)
    channel.note_error("The server refuses the password.")
    session.add(ParkedMail(channel_id=channel.id, folder="INBOX", uidvalidity=1, uid=1, attempts=3, last_error="gone"))
    quarantined(channel)
    told = words(checkups.channels)
    assert "The server refuses the password." in told
    assert "1 mail could not be understood" in told and "1 mail cannot be fetched (gone)" in told


def test_old_waiting_mail_is_a_fault(session: Any, cast: Any, move_clock: Any) -> None:
    from queues import intake
    from tests.test_status import mail

    intake.accept(cast.mailbox.id, mail(1))
    move_clock("1 hour")
    assert "waiting to be processed" in words(checkups.channels)
    assert "Work of the lane intake has been due" in words(checkups.workers)


def test_secrets_of_another_keyring_are_a_fault(session: Any, cast: Any) -> None:
    cast.mailbox.sealed_secrets = b"k9:nonsense"
    session.flush()
    assert "does not belong to this database" in words(checkups.channels)


def test_queues_without_people_and_closed_queues_with_tickets(session: Any, make: Any, cast: Any) -> None:
    assert "Every queue has people" in words(checkups.queues)
    lonely = make.queue("Lonely")
    make.ticket(lonely, cast.eve)
    assert f"FAULT Nobody works in the queue {lonely.name}; 1 ticket is waiting there." in words(checkups.queues)
    lonely.active = False
    session.flush()
    assert f"1 ticket is in the closed queue {lonely.name}" in words(checkups.queues)


def test_workers_and_timetable_that_do_not_run(session: Any) -> None:
    assert "No worker is running for the lane intake" in words(checkups.workers)
    assert "“Wake tickets whose time has come” has never run." in words(checkups.timetable)


def test_backup_age(session: Any) -> None:
    assert "No backup was ever made" in words(checkups.last_backup)
    write_setting(LAST_BACKUP, {"at": (clock.now() - timedelta(days=5)).isoformat()})
    assert "WARNING The last backup is 5 days old" in words(checkups.last_backup)
    write_setting(LAST_BACKUP, {"at": clock.now().isoformat()})
    assert words(checkups.last_backup).startswith("OK")


def test_paused_sending_is_told(session: Any, cast: Any) -> None:
    assert "Messages leave" in words(checkups.outgoing)
    pause.begin(cast.dora)
    assert "Sending is paused by hand" in words(checkups.outgoing)


def test_readable_keys_are_a_fault(session: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HELPDESK_DATA", str(tmp_path))
    settings.cache_clear()
    try:
        (tmp_path / "keys").mkdir(mode=0o700)
        path = tmp_path / "keys" / "keyring.json"
        path.write_text("{")
        path.chmod(0o644)
        assert "Others on this machine may read" in words(outside.rights)
        assert "damaged" in words(outside.keyring)
        path.unlink()
        assert "There are no keys" in words(outside.keyring)
    finally:
        monkeypatch.undo()
        settings.cache_clear()


@pytest.mark.parametrize(
    ("base", "host", "says"),
    [
        ("http://127.0.0.1:8000", "0.0.0.0", "which only this machine can open"),
        ("http://help.example", "127.0.0.1", "without encryption"),
        ("https://help.example", "127.0.0.1", "TRUSTED_PROXIES"),
        ("http://127.0.0.1:8000", "127.0.0.1", "OK Links lead to"),
    ],
)
def test_addresses(session: Any, monkeypatch: pytest.MonkeyPatch, base: str, host: str, says: str) -> None:
    monkeypatch.setenv("BASE_URL", base)
    monkeypatch.setenv("HOST", host)
    settings.cache_clear()
    try:
        assert says in words(outside.base_url)
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_the_command_tells_all_and_its_code(app: Any, session: Any, cast: Any) -> None:
    done = CliRunner().invoke(command, ["--no-connect", "--json"], obj=lambda: app)
    found = json.loads(done.output)
    assert done.exit_code == 2 and {"mail", "queues", "workers", "disk"} <= {one["area"] for one in found}


def test_without_a_database_one_sentence_says_so(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    settings.cache_clear()
    try:
        found = doctor.diagnose(lambda: app, connect=False)
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    assert "The database is away" in found[0].words
    assert {"disk", "address"} <= {one.area for one in found}


def test_administrators_find_it_on_a_page(app: Any, session: Any, cast: Any) -> None:
    session.commit()
    page = sign_in(app, cast.dora).get("/status/findings").text
    assert "No worker is running for the lane intake" in page
    assert "Start <code>helpdesk worker intake</code>" in page
    assert "`" not in page.partition("<tbody>")[2].partition("</tbody>")[0]


def test_numbers_and_plurals_are_those_of_the_reader(session: Any, cast: Any) -> None:
    assert checkups._number(1234.5) == "1,234.5"
    with force_locale("ru"):
        assert checkups._number(1234.5) == "1\xa0234,5"


def test_ready_knows_the_schema_and_the_disk(app: Any, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from helpdesk.views import health

    client = app.test_client()
    assert client.get("/ready").get_json() == {"status": "ok"}
    monkeypatch.setattr(health, "LEAST_ROOM", 1 << 62)
    assert (client.get("/ready").status_code, client.get("/ready").get_json()["disk"]) == (503, "full")
    session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert client.get("/ready").get_json() == {"status": "down", "database": "of an older version"}
    assert client.get("/health").status_code == 200


def test_metrics_tell_of_pause_and_backup(app: Any, session: Any, cast: Any) -> None:
    session.commit()
    told = app.test_client().get("/metrics").text
    assert "helpdesk_outbox_paused 0.0" in told and "\nhelpdesk_backup_age_seconds" not in told
    pause.begin(cast.dora)
    write_setting(LAST_BACKUP, {"at": (clock.now() - timedelta(hours=1)).isoformat()})
    session.commit()
    told = app.test_client().get("/metrics").text
    assert "helpdesk_outbox_paused 1.0" in told and "\nhelpdesk_backup_age_seconds 36" in told
    assert "helpdesk_outbox_oldest_seconds" in told
