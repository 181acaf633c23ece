"""The crew of one machine: all workers, listen and cron, forked from one process that imported the program once.

Each of them alone costs some 85 MB, nearly all of it imported code; as forks they share it. They are restarted by a
fork too, in milliseconds. Over several hosts run `helpdesk worker LANE`, `helpdesk listen` and `helpdesk cron` instead.
"""

import gc
import importlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog
from flask import Flask
from sqlalchemy.orm import configure_mappers

from helpdesk.config import Settings, settings
from helpdesk.keeper import Keeper, Program, Stopped
from helpdesk.processes import Forked
from queues import cron, jobs, lanes, listen, worker

log = structlog.get_logger(__name__)

MEMBER_GRACE = 60.0  # seconds; the longest job


def members(config: Settings) -> list[tuple[str, Callable[[], None]]]:
    """Name and main function of each member; functions need an application context."""
    workers = [
        (lane if copy == 0 else f"{lane}-{copy + 1}", partial(worker.work, lane))
        for lane in lanes.LANES
        for copy in range(config.intake_workers if lane == "intake" else 1)
    ]
    return [*workers, ("listen", listen.main), ("cron", cron.main)]


def run(app: Flask) -> None:
    """Keep the crew running until a signal. This process itself never opens a connection: forks would share it."""
    preload()
    pid_file = settings().data / "run" / "crew.json"
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    with Keeper(pid_file) as keeper:
        for leftover in keeper.sweep():
            log.warning("ended a leftover of an earlier crew", process=leftover)
        for name, main in members(settings()):
            keeper.start(Program(name, start=partial(Forked, partial(_inside, app, main)), grace=MEMBER_GRACE))
        with suppress(Stopped):
            keeper.wait(lambda: False)


def preload() -> None:
    """Import what members would import at their first work, and keep the collector from touching (copying) it."""
    for target in jobs.DRAINS.values():
        importlib.import_module(target.partition(":")[0])
    configure_mappers()
    gc.collect()
    gc.freeze()


def _inside(app: Flask, main: Callable[[], None]) -> None:
    with app.app_context():
        main()
