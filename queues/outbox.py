"""The outbox: which messages leave now, who sends them, and that nobody else does.

Messages of one conversation leave in the order in which they were written: only the first may be taken. What failed, is
unknown or was taken back never holds up the rest; what was put off by the other side does not either (a later mail may
overtake an earlier one that its server refuses for now), unless both are due.

A drain leases small batches and hands them to a few threads, because servers take their time. A lease is short and
renewed while the thread lives, so the work of a killed process is found within half a minute.
"""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue

import structlog
from flask import Flask, current_app
from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import aliased

from helpdesk import clock
from helpdesk.db import db, transaction
from helpdesk.models import Channel, Message, OutboxItem
from helpdesk.models.message import ARRIVED, DeliveryState
from queues import breakers, delivery, pause, system_mails
from queues.delivery import Taken

log = structlog.get_logger(__name__)

THREADS = 6
MOST_PER_CHANNEL = 3  # so that one slow server never has all threads
LOOK_AHEAD = 50
LEASE_SECONDS = 30
RENEW_SECONDS = 8
LONGEST_SENDING = 20 * 60  # seconds; beyond all time-outs of the wire, then the lease is let go
PATIENCE_SECONDS = 5.0  # how long a drain that must end waits for what is under way


def drain(stopping: Callable[[], bool] = lambda: False) -> int:
    """Send what is due until nothing is; returns how many messages were handled. Safe in several processes at once.

    While sending is paused nothing is taken.

    What is still under way when it must end goes on in its thread, under its lease.
    """
    with transaction():
        if pause.is_paused_now():
            return 0
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # what a context in a thread is made from
    handled = system_mails.send_due(stopping)
    delivery.settle_lost()
    while not stopping():
        was_busy = senders.busy()  # before the look: what ends later may free the next message of its conversation
        room, at_work = senders.room()
        batch = take(room, at_work) if room > 0 else []
        senders.start(app, batch)
        handled += len(batch)
        if not batch:
            if not was_busy:
                return handled
            senders.wait(1.0)
    senders.wait_until_idle(PATIENCE_SECONDS)
    return handled


def take(most: int, at_work: Mapping[int, int] | None = None) -> list[Taken]:
    """Lease up to `most` due messages, at most one of each conversation.

    `at_work` says how many of each channel this process is sending already: none gets more than MOST_PER_CHANNEL.
    """
    rooms = {channel: MOST_PER_CHANNEL - count for channel, count in (at_work or {}).items()}
    full = {channel for channel, room in rooms.items() if room <= 0}
    with transaction():
        if pause.is_paused_now():
            return []
        waiting, to_probe = breakers.closed_ways()
        taken: list[Taken] = []
        for key, channel_ids in to_probe.items():
            if breakers.lock(key) is None:
                continue
            found = _lease(_due(OutboxItem.channel_id.in_(channel_ids - full)).limit(1), probe=True)
            if found:
                breakers.hold(key)
            taken += found
        elsewhere = _due(OutboxItem.channel_id.not_in(waiting | full)).limit(LOOK_AHEAD)
        ids = _share(db.session.execute(elsewhere).tuples(), rooms)[: max(most - len(taken), 0)]
        return [*taken, *(_lease(_due(OutboxItem.id.in_(ids)), probe=False) if ids else [])]


def _share(candidates: Iterable[tuple[int, int]], rooms: dict[int, int]) -> list[int]:
    """Of (item, channel) pairs, in their order, those that their channels have room for."""
    chosen = []
    for item_id, channel_id in candidates:
        left = rooms.get(channel_id, MOST_PER_CHANNEL)
        if left > 0:
            rooms[channel_id] = left - 1
            chosen.append(item_id)
    return chosen


def _due(where: ColumnElement[bool]) -> Select[tuple[int, int]]:
    """(item, channel) of what may leave now, the longest due first."""
    return (
        select(OutboxItem.id, OutboxItem.channel_id)
        .join(Channel, Channel.id == OutboxItem.channel_id)
        .where(
            OutboxItem.state.in_([DeliveryState.QUEUED, DeliveryState.DEFERRED]),
            OutboxItem.not_before <= clock.SQL_NOW,
            Channel.enabled,
            where,
            ~_held_up(),
        )
        .order_by(OutboxItem.not_before, OutboxItem.id)
    )


def _lease(due: Select[tuple[int, int]], probe: bool) -> list[Taken]:
    """Lease what is due, leaving out whatever another process has its hands on."""
    free = due.with_only_columns(OutboxItem.id).with_for_update(of=OutboxItem, skip_locked=True, key_share=True)
    token = uuid.uuid4().hex
    leased = (
        update(OutboxItem)
        .where(OutboxItem.id.in_(free.scalar_subquery()))
        .values(
            state=DeliveryState.SENDING,
            attempts=OutboxItem.attempts + 1,
            lease_token=token,
            lease_until=_lease_end(),
            dot_at=None,
        )
        .returning(OutboxItem.id, OutboxItem.channel_id, OutboxItem.message_id)
        .execution_options(synchronize_session=False)
    )
    rows = sorted(db.session.execute(leased).tuples())
    if rows:
        db.session.execute(
            update(Message)
            .where(
                Message.id.in_([message_id for _, _, message_id in rows]),
                Message.delivery.not_in(ARRIVED),  # a receipt was faster than the answer to the last try
            )
            .values(delivery=DeliveryState.SENDING)
            .execution_options(synchronize_session=False)
        )
    return [Taken(item_id, channel_id, token, probe) for item_id, channel_id, _ in rows]


def _held_up() -> ColumnElement[bool]:
    """Whether an earlier message of the conversation must leave first.

    A subquery with LIMIT is one index probe for each row; an EXISTS compares all due rows with each other.
    """
    earlier = aliased(OutboxItem)
    first = (
        select(earlier.id)
        .where(
            earlier.conversation_id == OutboxItem.conversation_id,
            earlier.seq < OutboxItem.seq,
            earlier.state.in_([DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.SENDING]),
            or_(earlier.state != DeliveryState.DEFERRED, earlier.not_before <= clock.SQL_NOW),
        )
        .order_by(earlier.seq)
        .limit(1)
    )
    return first.scalar_subquery().is_not(None)


def _lease_end() -> ColumnElement[object]:
    return clock.SQL_NOW + func.make_interval(0, 0, 0, 0, 0, 0, LEASE_SECONDS)


@dataclass
class Senders:
    """The sending threads of this process and what they are at. Threads begin with the first message and stay."""

    tasks: "SimpleQueue[tuple[Flask, Taken]]" = field(default_factory=SimpleQueue)
    under_way: dict[Taken, float] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    threads: int = 0

    def room(self) -> tuple[int, Counter[int]]:
        """How many more messages can be begun, and how many of each channel are under way."""
        with self.changed:
            return THREADS - len(self.under_way), Counter(taken.channel_id for taken in self.under_way)

    def start(self, app: Flask, batch: list[Taken]) -> None:
        """Have these sent."""
        with self.changed:
            for taken in batch:
                self.under_way[taken] = time.monotonic()
                self.tasks.put((app, taken))
            while batch and self.threads < THREADS:
                self.threads += 1
                threading.Thread(target=self._work, name=f"sender-{self.threads}", daemon=True).start()
                if self.threads == 1:
                    threading.Thread(target=self._renew, args=(app,), name="lease-keeper", daemon=True).start()

    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self.under_way)

    def wait(self, seconds: float) -> None:
        """Wait until one message under way comes to an end, but not longer than this."""
        with self.changed:
            if self.under_way:
                self.changed.wait(seconds)

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until nothing is under way, but not longer than this."""
        with self.changed:
            self.changed.wait_for(lambda: not self.under_way, seconds)

    def _work(self) -> None:
        while True:
            app, taken = self.tasks.get()
            try:
                with app.app_context():
                    delivery.deliver(taken)
            except Exception:
                # The thread must live on. The lease runs out, and the item is tried again or becomes unknown.
                log.exception("sending failed", item=taken.item_id)
            finally:
                with self.changed:
                    del self.under_way[taken]
                    self.changed.notify_all()

    def _renew(self, app: Flask) -> None:
        """Keep the leases of what is under way, except where it takes longer than anything may."""
        while True:
            time.sleep(RENEW_SECONDS)
            with self.changed:
                alive = [one for one, since in self.under_way.items() if time.monotonic() - since < LONGEST_SENDING]
            if not alive:
                continue
            try:
                with app.app_context(), transaction() as session:
                    session.execute(
                        update(OutboxItem)
                        .where(
                            OutboxItem.id.in_([one.item_id for one in alive]),
                            OutboxItem.lease_token.in_([one.token for one in alive]),
                            OutboxItem.state == DeliveryState.SENDING,
                        )
                        .values(lease_until=_lease_end())
                    )
            except DBAPIError as error:
                log.warning("leases could not be renewed", error=str(error.orig)[:500])


senders = Senders()
