"""The process behind `helpdesk worker LANE`: waits for one lane's bell and drains the lane in this very process.

One lane per process, because RQ loses the job of a worker on several lanes that is killed while taking it. No fork per
job: RQ's forking worker runs 94 empty jobs a second on two cores, this one answers a bell in milliseconds.
"""

import signal
import time
from types import FrameType
from typing import Any

import redis
import structlog
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from helpdesk import live
from helpdesk.config import settings
from helpdesk.files import check_store
from queues import jobs
from queues.lanes import forget_worker, lane_queue, note_worker

log = structlog.get_logger(__name__)

WORKER_TTL = 60  # seconds; RQ's default would look after its registries every 405 s at best
MAINTENANCE_SECONDS = 30
LONGEST_WAIT = 5.0


class LaneWorker(SimpleWorker):
    """An RQ worker that ends soon after one signal and waits out a Redis that is away."""

    max_connection_wait_time = LONGEST_WAIT

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """First signal: end after the present batch."""
        jobs.ending.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # rq leaves it untyped

    def _shutdown(self) -> None:
        # RQ would write to Redis here, inside a signal handler; with Redis away that would break the running batch.
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        self._stop_requested = True

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say that this worker lives, also to a Redis that was wiped meanwhile."""
        super().heartbeat(timeout, pipeline)
        note_worker(self.name, self.queues[0].name, self.connection)

    def teardown(self) -> None:
        """Say that this worker ends."""
        forget_worker(self.name, self.queues[0].name, self.connection)
        super().teardown()  # type: ignore[no-untyped-call]  # rq leaves it untyped

    def subscribe(self) -> None:
        """Take no commands over Redis: a thread and a connection less, and one door fewer."""

    def unsubscribe(self) -> None:
        """There is nothing to leave."""


def work(lane: str) -> None:
    """Drain `lane` at once and then at each bell, until a signal. Needs an application context.

    Raises StartError when the folder with the files is not the database's.
    """
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    check_store()
    jobs.drain(lane)
    pause = 0.5
    while not jobs.ending.is_set():
        began = time.monotonic()
        try:
            _listen(lane)
        except redis.RedisError as error:
            log.warning("worker lost Redis", lane=lane, error=str(error))
        if time.monotonic() - began > LONGEST_WAIT:
            pause = 0.5
        jobs.ending.wait(pause)
        pause = min(pause * 2, LONGEST_WAIT)


def _listen(lane: str) -> None:
    over_network = {} if settings().redis_url.startswith("unix:") else {"socket_keepalive": True}
    connection = live.connect(socket_connect_timeout=2, **over_network)
    try:
        worker = LaneWorker(
            [lane_queue(lane, connection)],
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL,
            maintenance_interval=MAINTENANCE_SECONDS,
            log_job_description=False,
        )
        worker.work(logging_level="WARNING")
    finally:
        connection.close()


def _end(_signum: int, _frame: Any) -> None:
    jobs.ending.set()
