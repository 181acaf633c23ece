"""What doctor looks at inside: mail, queues, workers, timetable, outbox, clock, versions; a small function each."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from flask_babel import format_decimal, format_timedelta, gettext, ngettext
from sqlalchemy import func, select, text

from helpdesk import clock, files
from helpdesk.backup import LAST_BACKUP
from helpdesk.db import db
from helpdesk.errors import StartError
from helpdesk.models import Channel, Membership, ParkedMail, Queue, QueueRight, Right, User, read_setting
from helpdesk.queries.backlog import backlogs, outbox_figures
from helpdesk.queries.counters import figures_of_queues
from helpdesk.retold import retold
from queues import cron, lanes, ledger, pause, status
from queues.channels import adapter_for, adapters
from queues.chore_names import chore_name
from queues.findings import Check, Finding, Level
from queues.secrets import StoredSecrets

_ = gettext

SILENT_CHANNEL = timedelta(minutes=15)
LATE_WORK = timedelta(minutes=5)
LATE_TICKET = timedelta(days=3)
OLD_BACKUP = timedelta(days=2)
CLOCK_OFF, CLOCK_WRONG = 2.0, 30.0  # seconds
OLDEST_POSTGRES, NEWEST_POSTGRES = 15, 18


def database() -> Iterator[Finding]:
    """Version and schema of the database."""
    found = str(db.session.scalar(text("SHOW server_version"))).split()[0]
    major = int(found.split(".")[0])
    if not OLDEST_POSTGRES <= major <= NEWEST_POSTGRES:
        words = _("PostgreSQL %(version)s is not among those that are tested.", version=found)
        yield Finding("versions", Level.WARNING, words, _("Use version 15 to 18."))
    else:
        yield Finding("versions", Level.OK, f"PostgreSQL {found}.")
    present, wanted = status.schema()
    if present != wanted:
        words = _("The schema is at revision %(present)s, the program at %(wanted)s.", present=present, wanted=wanted)
        yield Finding("versions", Level.FAULT, words, _("Run `helpdesk migrate`, or install the newer version."))
    else:
        yield Finding(
            "versions", Level.OK, _("The schema is at revision %(present)s, as it should be.", present=present)
        )


def redis() -> Iterator[Finding]:
    """Whether Redis answers."""
    engines = status.engines()
    if engines.redis is None:
        words = _("Redis does not answer: %(words)s", words=engines.redis_error)
        advice = _("Nothing is lost, but everything is slower. Start it, or look at REDIS_URL.")
        yield Finding("versions", Level.WARNING, words, advice)
    else:
        yield Finding("versions", Level.OK, f"{engines.redis}.")


def clocks() -> Iterator[Finding]:
    """Whether this machine and the database agree about the time."""
    off = status.clock_offset()
    if abs(off) < CLOCK_OFF:
        yield Finding("clock", Level.OK, _("This machine and the database agree about the time."))
        return
    level = Level.FAULT if abs(off) > CLOCK_WRONG else Level.WARNING
    words = _("The clock of this machine is %(seconds)s s away from the database's.", seconds=_number(round(off, 1)))
    yield Finding("clock", level, words, _("Set the clocks of both machines with NTP."))


def store() -> Iterator[Finding]:
    """Whether the files belong to the database."""
    try:
        files.store()
    except StartError as error:
        yield Finding("files", Level.FAULT, str(error))
    else:
        yield Finding("files", Level.OK, _("The store of files belongs to this database."))


def channels() -> Iterator[Finding]:
    """Each channel: its secrets, its last contact, faults, mails that stay behind."""
    now, found = clock.now(), status.channels(None)
    if not found:
        yield Finding("mail", Level.HINT, _("There is no channel yet."), _("Connect a mailbox under “Channels”."))
    for row in found:
        problems = [*_books_of(row, now), *_contact_of(row, now)]
        if not row.channel.enabled:
            yield Finding("mail", Level.HINT, _("%(name)s is switched off.", name=row.channel.name))
        yield from problems
        if row.channel.enabled and not problems:
            yield Finding("mail", Level.OK, _("%(name)s works.", name=row.channel.name))


def _books_of(row: status.ChannelStatus, now: datetime) -> Iterator[Finding]:
    """What came in by a channel: counted right, understood, fetched, and processed in time."""
    channel, name = row.channel, row.channel.name
    if not row.ledger.balanced:
        words = _("%(name)s: the numbers of received and processed mails differ.", name=name)
        yield Finding("mail", Level.FAULT, words, _("Look at the status page, and report this."))
    if row.ledger.quarantined:
        words = ngettext(
            "%(name)s: %(count)s mail could not be understood.", "%(name)s: %(count)s mails could not be understood.",
            row.ledger.quarantined, count=_number(row.ledger.quarantined), name=name,
        )  # fmt: skip
        yield Finding("mail", Level.WARNING, words, _("Open “Quarantine”: try them again, or leave them out."))
    if row.parked:
        worst = db.session.scalar(select(ParkedMail.last_error).where(ParkedMail.channel_id == channel.id).limit(1))
        words = ngettext(
            "%(name)s: %(count)s mail cannot be fetched (%(words)s).",
            "%(name)s: %(count)s mails cannot be fetched (%(words)s).",
            row.parked,
            count=_number(row.parked),
            name=name,
            words=retold(worst or ""),
        )
        yield Finding(
            "mail", Level.WARNING, words, _("Look at them in the mailbox; the channel’s page tries them again.")
        )
    if row.oldest_at and now - row.oldest_at > LATE_WORK:
        words = _(
            "%(name)s: a mail has been waiting to be processed for %(time)s.",
            name=name,
            time=_lasting(now - row.oldest_at),
        )
        yield Finding("mail", Level.FAULT, words, _("Check that the worker `intake` is running."))


def _contact_of(row: status.ChannelStatus, now: datetime) -> Iterator[Finding]:
    """Whether a channel's secrets can be opened, and whether it still talks with its server."""
    channel, name = row.channel, row.channel.name
    try:
        channel.secrets  # noqa: B018 -- whether they can be opened is the question
    except StartError as error:
        yield Finding(
            "mail",
            Level.FAULT,
            f"{name}: {error}",
            _("Put the keyring of this database back, or type the passwords again."),
        )
    if not channel.enabled or channel.kind not in adapters() or not adapter_for(channel.kind).listens(channel.settings):
        return
    if channel.last_error:
        yield Finding(
            "mail", Level.FAULT, f"{name}: {retold(channel.last_error)}", _("Check the settings on the channel’s page.")
        )
    elif channel.last_contact_at is None or now - channel.last_contact_at > SILENT_CHANNEL:
        if channel.last_contact_at:
            silent = _lasting(now - channel.last_contact_at)
            words = _("%(name)s: no contact with its server for %(time)s.", name=name, time=silent)
        else:
            words = _("%(name)s: there has been no contact with its server yet.", name=name)
        yield Finding("mail", Level.FAULT, words, _("Check that the process `listen` is running."))


def connections() -> Iterator[Finding]:
    """Each channel tried now: names, encryption, sign-in, folder."""
    for channel in db.session.scalars(select(Channel).where(Channel.enabled).order_by(Channel.id)):
        if channel.kind not in adapters():
            continue
        name, steps = channel.name, adapter_for(channel.kind).check(channel.settings, StoredSecrets(channel))
        for step in steps:
            if not step.ok:
                yield Finding(
                    "mail",
                    Level.FAULT,
                    f"{name}, {step.name}: {retold(step.words)}",
                    _("Check the settings on the channel’s page."),
                )
        if steps and all(step.ok for step in steps):
            yield Finding("mail", Level.OK, _("%(name)s can be reached, signed in at and read.", name=name))


def queues() -> Iterator[Finding]:
    """Queues without people, and tickets that nobody will ever see."""
    able = (
        select(QueueRight.queue_id)
        .join(Membership, Membership.group_id == QueueRight.group_id)
        .join(User, User.id == Membership.user_id)
        .where(User.active, QueueRight.right.in_([Right.WORK, Right.SUPERVISE]))
    )
    manned, now = set(db.session.scalars(able.distinct())), clock.now()
    open_ids = set(db.session.scalars(select(Queue.id).where(Queue.active)))
    problems = False
    for row in figures_of_queues(Queue.id.is_not(None)):
        if row.active and row.queue_id not in open_ids:
            problems = True
            words = ngettext(
                "%(count)s ticket is in the closed queue %(name)s.",
                "%(count)s tickets are in the closed queue %(name)s.",
                row.active,
                count=_number(row.active),
                name=row.name,
            )
            yield Finding("queues", Level.WARNING, words, _("Open the queue again, or move its tickets."))
        elif row.queue_id in open_ids and row.queue_id not in manned:
            problems = True
            level = Level.FAULT if row.active else Level.WARNING
            words = ngettext(
                "Nobody works in the queue %(name)s; %(count)s ticket is waiting there.",
                "Nobody works in the queue %(name)s; %(count)s tickets are waiting there.",
                row.waiting,
                count=_number(row.waiting),
                name=row.name,
            )
            yield Finding("queues", level, words, _("Give a group the right to work in it."))
        if row.oldest_at and now - row.oldest_at > LATE_TICKET:
            words = _(
                "In %(name)s somebody has been waiting for %(time)s.", name=row.name, time=_lasting(now - row.oldest_at)
            )
            yield Finding("queues", Level.HINT, words)
    if not problems:
        yield Finding("queues", Level.OK, _("Every queue has people who work in it."))


def workers() -> Iterator[Finding]:
    """Living workers, and work that nobody does."""
    living, now = status.workers(), clock.now()
    for lane in lanes.LANES if living is not None else ():
        if not living or not living.get(lane):
            words = _("No worker is running for the lane %(lane)s.", lane=lane)
            yield Finding(
                "workers",
                Level.FAULT,
                words,
                _("Start `helpdesk worker %(lane)s`, or `helpdesk crew` for all.", lane=lane),
            )
        else:
            count = living[lane]
            words = ngettext(
                "%(lane)s: %(count)s worker.", "%(lane)s: %(count)s workers.", count, count=_number(count), lane=lane
            )
            yield Finding("workers", Level.OK, words)
    stopped = pause.is_paused_now()
    for backlog in backlogs():
        late = backlog.oldest_at is not None and now - backlog.oldest_at > LATE_WORK
        if late and backlog.oldest_at and not (stopped and backlog.lane in {"outbox", "webhooks"}):
            words = ngettext(
                "Work of the lane %(lane)s has been due for %(time)s (%(count)s entry).",
                "Work of the lane %(lane)s has been due for %(time)s (%(count)s entries).",
                backlog.due,
                count=_number(backlog.due),
                lane=backlog.lane,
                time=_lasting(now - backlog.oldest_at),
            )
            yield Finding("workers", Level.FAULT, words, _("Look at the workers’ log."))


def timetable() -> Iterator[Finding]:
    """Chores that did not run, or broke."""
    runs, now, well = cron.last_runs(), clock.now(), True
    for chore in cron.TIMETABLE:
        run, name = runs.get(chore.name), chore_name(chore.name)
        late = run is None or now - run.at > timedelta(seconds=5 * chore.every + 60)
        if late:
            well = False
            if run:
                words = _("“%(chore)s” has not run for %(time)s.", chore=name, time=_lasting(now - run.at))
            else:
                words = _("“%(chore)s” has never run.", chore=name)
            advice = _("Check that `helpdesk cron` and the worker `chores` are running.")
            yield Finding("timetable", Level.FAULT, words, advice)
        elif run and run.error:
            well = False
            yield Finding("timetable", Level.FAULT, _("“%(chore)s” failed: %(words)s", chore=name, words=run.error))
    if well:
        yield Finding("timetable", Level.OK, _("All chores run on time."))


def books() -> Iterator[Finding]:
    """The last comparison of counters with rows."""
    last = ledger.last_result()
    wrong = len(last["differences"]) + len(last["hollow"]) if last else 0
    if wrong:
        words = ngettext(
            "%(count)s counter was wrong at the last comparison.",
            "%(count)s counters were wrong at the last comparison.",
            wrong,
            count=_number(wrong),
        )
        advice = _("The counters have been corrected. Look at the status page, and report this.")
        yield Finding("mail", Level.WARNING, words, advice)


def outgoing() -> Iterator[Finding]:
    """Whether messages leave."""
    stopped, waiting = pause.present(), pause.waiting()
    if stopped is not None:
        why = _("after a restore") if stopped.why == pause.RESTORED else _("by hand")
        words = ngettext(
            "Sending is paused %(why)s; %(count)s message is waiting.",
            "Sending is paused %(why)s; %(count)s messages are waiting.",
            waiting.leaving,
            count=_number(waiting.leaving),
            why=why,
        )
        yield Finding("outbox", Level.WARNING, words, _("Open “Sending” as an administrator."))
    if waiting.held:
        words = ngettext(
            "%(count)s message is held since a restore.",
            "%(count)s messages are held since a restore.",
            waiting.held,
            count=_number(waiting.held),
        )
        yield Finding("outbox", Level.WARNING, words, _("Decide about them under “Sending”."))
    figures = outbox_figures()
    bad = figures["failed"] + figures["unknown"] - waiting.held
    if bad > 0:
        words = ngettext(
            "%(count)s message failed, or it is unknown whether it was sent.",
            "%(count)s messages failed, or it is unknown whether they were sent.",
            bad,
            count=_number(bad),
        )
        yield Finding("outbox", Level.HINT, words, _("Open their tickets to see them."))
    if stopped is None and not waiting.held:
        yield Finding("outbox", Level.OK, _("Messages leave."))


def last_backup() -> Iterator[Finding]:
    """How old the last backup is."""
    last, now = read_setting(LAST_BACKUP, None), clock.now()
    age = now - datetime.fromisoformat(last["at"]) if last else None
    advice = _("Run `helpdesk backup` every night, and put the file on another machine.")
    if age is None:
        yield Finding("backup", Level.WARNING, _("No backup was ever made."), advice)
    elif age > OLD_BACKUP:
        yield Finding("backup", Level.WARNING, _("The last backup is %(time)s old.", time=_lasting(age)), advice)
    else:
        yield Finding("backup", Level.OK, _("The last backup is %(time)s old.", time=_lasting(age)))


def people() -> Iterator[Finding]:
    """Whether somebody can administer this."""
    count = db.session.scalar(select(func.count()).select_from(User).where(User.active, User.role == "administrator"))
    if not count:
        yield Finding("people", Level.FAULT, _("There is no administrator."), _("Run `helpdesk admin --help`."))


def _lasting(time: timedelta) -> str:
    return str(format_timedelta(time))


def _number(number: float) -> str:
    return str(format_decimal(number))


CHECKS: tuple[tuple[str, Check], ...] = (
    ("versions", database),
    ("versions", redis),
    ("clock", clocks),
    ("files", store),
    ("mail", channels),
    ("mail", books),
    ("queues", queues),
    ("workers", workers),
    ("timetable", timetable),
    ("outbox", outgoing),
    ("backup", last_backup),
    ("people", people),
)
CONNECTING: tuple[tuple[str, Check], ...] = (("mail", connections),)
