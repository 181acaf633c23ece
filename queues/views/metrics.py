"""`/metrics` in the text format of Prometheus, read from the same counters as the screens."""

import hmac
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy import func, select

from helpdesk import clock
from helpdesk.backup import LAST_BACKUP
from helpdesk.config import settings
from helpdesk.db import db
from helpdesk.errors import NotFound
from helpdesk.models import Queue, read_setting
from helpdesk.models.promise import TicketPromise
from helpdesk.queries.backlog import backlogs, outbox_figures
from helpdesk.queries.counters import figures_of_queues
from queues import cron, ledger, pause, status

pages = Blueprint("metrics", __name__)


@pages.get("/metrics")
def show() -> ResponseReturnValue:
    """All figures; for the machine itself, or with `Authorization: Bearer METRICS_TOKEN`. Hidden from all others."""
    if not _may_read():
        raise NotFound(_("There is nothing here, or you may not see it."))
    registry = CollectorRegistry()
    registry.register(Figures())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read() -> bool:
    token = settings().metrics_token
    if token:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), token.encode())
    # A proxy on this machine also connects from it: what it forwards is no local request.
    forwarded = any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"))
    address = request.remote_addr or ""
    return not forwarded and bool(address) and ip_address(address).is_loopback


class Figures(Collector):
    """Reads everything anew at each scrape, so that all web processes give the same answer."""

    def collect(self) -> Iterator[Metric]:
        """The figures of channels, queues, lanes, outbox, chores, disk, backups and promises."""
        yield from _channels()
        yield from _queues()
        yield from _lanes()
        yield from _house()
        yield from _safety()


def _channels() -> Iterator[Metric]:
    received = CounterMetricFamily("helpdesk_inbound_received", "Inbound events stored.", labels=["channel"])
    states = GaugeMetricFamily("helpdesk_inbound_events", "Inbound events by state.", labels=["channel", "state"])
    balanced = GaugeMetricFamily("helpdesk_ledger_balanced", "1 where nothing is lost.", labels=["channel"])
    lag = GaugeMetricFamily("helpdesk_inbound_lag_seconds", "Age of the oldest waiting event.", labels=["channel"])
    parked = GaugeMetricFamily("helpdesk_mails_parked", "Mails that could not be fetched.", labels=["channel"])
    now = clock.now()
    for row in status.channels(None):
        label = str(row.channel.id)
        received.add_metric([label], row.ledger.received)
        for state in ("waiting", "ticketed", "dropped", "quarantined"):
            states.add_metric([label, state], getattr(row.ledger, state))
        balanced.add_metric([label], int(row.ledger.balanced))
        lag.add_metric([label], (now - row.oldest_at).total_seconds() if row.oldest_at else 0)
        parked.add_metric([label], row.parked)
    yield from (received, states, balanced, lag, parked)


def _queues() -> Iterator[Metric]:
    waiting = GaugeMetricFamily("helpdesk_tickets_waiting", "Active tickets of nobody.", labels=["queue"])
    active = GaugeMetricFamily("helpdesk_tickets_active", "Active tickets.", labels=["queue"])
    oldest = GaugeMetricFamily("helpdesk_oldest_wait_seconds", "Longest wait in line.", labels=["queue"])
    now = clock.now()
    for row in figures_of_queues(Queue.active.is_(True)):
        label = str(row.queue_id)
        waiting.add_metric([label], row.waiting)
        active.add_metric([label], row.active)
        oldest.add_metric([label], (now - row.oldest_at).total_seconds() if row.oldest_at else 0)
    yield from (waiting, active, oldest)


def _lanes() -> Iterator[Metric]:
    due = GaugeMetricFamily("helpdesk_lane_due", "Rows that a worker could take now.", labels=["lane"])
    lag = GaugeMetricFamily("helpdesk_lane_lag_seconds", "Since when the oldest of them is due.", labels=["lane"])
    now = clock.now()
    for row in backlogs():
        due.add_metric([row.lane], row.due)
        lag.add_metric([row.lane], max(0.0, (now - row.oldest_at).total_seconds()) if row.oldest_at else 0)
    outbox = GaugeMetricFamily("helpdesk_outbox_items", "Outgoing messages by state.", labels=["state"])
    for state, count in outbox_figures().items():
        outbox.add_metric([state], count)
    workers = GaugeMetricFamily("helpdesk_workers", "Living workers.", labels=["lane"])
    for lane, count in (status.workers() or {}).items():
        workers.add_metric([lane], count)
    yield from (due, lag, outbox, workers)


def _house() -> Iterator[Metric]:
    runs = GaugeMetricFamily("helpdesk_chore_last_run_timestamp_seconds", "Last run of a chore.", labels=["chore"])
    failed = GaugeMetricFamily("helpdesk_chore_failed", "1 where the last run failed.", labels=["chore"])
    for name, run in cron.last_runs().items():
        runs.add_metric([name], run.at.timestamp())
        failed.add_metric([name], int(run.error is not None))
    found = ledger.last_result()
    wrong = len(found["differences"]) + len(found["hollow"]) if found else 0
    disk = status.disk()
    yield from (
        runs,
        failed,
        GaugeMetricFamily("helpdesk_ledger_differences", "Wrong counters at the last comparison.", value=wrong),
        GaugeMetricFamily("helpdesk_disk_free_bytes", "Free bytes of the data folder.", value=disk.free),
    )


def _safety() -> Iterator[Metric]:
    """Whether messages leave, and how old the last backup is; a metric without a value says that there is none."""
    waiting, last, now = pause.waiting(), read_setting(LAST_BACKUP, None), clock.now()
    backup = GaugeMetricFamily("helpdesk_backup_age_seconds", "Age of the newest backup.")
    if last:
        backup.add_metric([], (now - datetime.fromisoformat(last["at"])).total_seconds())
    yield from (
        GaugeMetricFamily("helpdesk_outbox_paused", "1 while nothing is sent.", value=int(pause.is_paused_now())),
        GaugeMetricFamily("helpdesk_outbox_held", "Messages held since a restore.", value=waiting.held),
        GaugeMetricFamily(
            "helpdesk_outbox_oldest_seconds",
            "Age of the oldest message that waits to leave.",
            value=(now - waiting.oldest_at).total_seconds() if waiting.oldest_at else 0,
        ),
        backup,
        _breaches(),
    )


def _breaches() -> Metric:
    """Promises that were not kept, of the tickets that are still worked on."""
    broken = GaugeMetricFamily("helpdesk_promises_breached", "Breached promises of open tickets.", labels=["kind"])
    query = (
        select(TicketPromise.kind, func.count())
        .where(TicketPromise.breached_at.is_not(None), TicketPromise.met_at.is_(None))
        .where(TicketPromise.cancelled_at.is_(None))
        .group_by(TicketPromise.kind)
    )
    for kind, count in db.session.execute(query):
        broken.add_metric([kind], count)
    return broken
