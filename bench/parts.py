"""The parts of a bench, each on a stage of its own and in a process of its own."""

import os
import time
from collections.abc import Callable
from typing import Any

from bench import claims, data, mail
from bench.measure import Row
from bench.pages import Pages, count_queries
from bench.stage import Stage


def small_stage(parts: list[str], rounds: int) -> list[Row]:
    """Mail and claims, on a database that is empty at first."""
    by_workers, taking = mail.rows(), claims.row()
    with Stage() as stage:
        mail.prepare(stage)
        for number in range(1, rounds + 1):
            if "mail" in parts:
                told(f"mail, round {number}", lambda number=number: mail.measure(stage, by_workers, number))  # type: ignore[misc]
            if "claims" in parts:
                with stage.serving() as port:
                    told(f"claims, round {number}", lambda n=number, p=port: claims.measure(stage, taking, p, n))  # type: ignore[misc]
    return [*(by_workers.values() if "mail" in parts else ()), *([taking] if "claims" in parts else ())]


def pages(size: int, rounds: int) -> Pages:
    """Pages and search at one size."""
    figures = Pages(size)
    with Stage() as stage:
        told(f"{size:,} tickets made", lambda: data.fill(stage, size))
        queries = count_queries(stage)
        figures.queue.notes["queries"] = queries["queue page"]
        figures.ticket.notes["queries"] = queries["ticket page"]
        figures.common.notes["queries"] = queries["search"]
        with stage.serving() as port, stage.serving("bench.floor_app:app") as floor_port:
            for number in range(1, rounds + 1):
                told(f"pages at {size:,}, round {number}", lambda: figures.measure(stage, port, floor_port))
    return figures


def told(what: str, act: Callable[[], Any]) -> Any:
    """Do it, and say how long that took and how busy the machine was."""
    began = time.monotonic()
    result = act()
    load = os.getloadavg()[0]
    print(f"{what}: {time.monotonic() - began:.0f} s (load {load:.1f})", flush=True)
    return result
