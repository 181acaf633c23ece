"""`python -m bench [--large] [--tickets 10000,100000] [--rounds 3] [--only mail,pages,claims,memory]`."""

import argparse
import multiprocessing
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from bench import memory, parts
from bench.measure import HEAD, Row
from bench.pages import Pages
from bench.results import keep

T = TypeVar("T")
PARTS = ("mail", "claims", "pages", "memory")


def main() -> None:
    """Measure what was asked for, show it, and keep it."""
    parser = argparse.ArgumentParser(prog="make bench", description="Our figures beside the floor of this machine.")
    parser.add_argument("--large", action="store_true", help="pages and search at 1,000,000 tickets")
    parser.add_argument("--tickets", default="", help="sizes for pages and search, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    wanted = options.only.split(",") if not options.large else ["pages"]
    sizes = [int(size) for size in (options.tickets or ("1000000" if options.large else "10000,100000")).split(",")]
    began = datetime.now(UTC)
    rows = _measure(wanted, sizes, options.rounds)
    print("\n" + HEAD)
    for row in rows:
        print(row.line())
    path = keep("", began, {"rows": [row.facts() for row in rows]})
    print(f"\nKept in {path}. A ratio says how many times the floor it took.")


def _measure(wanted: list[str], sizes: list[int], rounds: int) -> list[Row]:
    rows: list[Row] = []
    if "mail" in wanted or "claims" in wanted:
        rows += _apart(parts.small_stage, wanted, rounds)
    if "pages" in wanted:
        by_size = [(size, _apart(parts.pages, size, rounds)) for size in sizes]
        rows += [row for _, pages in by_size for row in pages.rows]
        rows += _growth(by_size)
    if "memory" in wanted:
        rows.append(parts.told("memory of the idle stack", memory.measure))
    return rows


def _apart(act: Callable[..., T], *values: Any) -> T:
    """Do it in a process of its own: settings and keys are read once in a process, and each stage has others."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_end_by_signal) as alone:
        return alone.submit(act, *values).result()


def _end_by_signal() -> None:
    """In the process of a part: leave by way of everything that takes its stage down."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def _end(*_: object) -> None:
    for part in multiprocessing.active_children():
        part.terminate()
    sys.exit(143)


def _growth(by_size: list[tuple[int, Pages]]) -> list[Row]:
    if len(by_size) < 2:
        return []
    (small, first), (large, last) = by_size[0], by_size[-1]
    row = Row(f"queue page, from {small:,} to {large:,} tickets", "x", "1.0")
    for before, after in zip(first.queue.ours, last.queue.ours, strict=True):
        row.add(after / before)
    return [row]


if __name__ == "__main__":
    main()
