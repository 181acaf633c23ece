"""Pages of queues that all who look at a queue share, kept by this process for a moment or until the queue changes.

When something happens in a queue, every operator who looks at it asks for it again in the same second. The rows and the
last words are the same for all of them; what is a reader's own is added to them afterwards (`list_rows`).
"""

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from helpdesk import presence
from helpdesk.models import Queue
from helpdesk.presence import Here
from helpdesk.queries.list_marks import Words, last_words
from helpdesk.queries.lists import Page, View, of_queue
from helpdesk.queries.narrowing import NOTHING, Narrowing

MOST_KEPT = 64
KEEP_SECONDS = 3.0  # a new name of a customer or a channel changes no queue, and is seen so much later at most


@dataclass(frozen=True)
class SharedPage:
    """A page with the last words of its tickets, and who has which open: what changes of that, the stream tells."""

    page: Page
    words: dict[int, Words]
    here: Mapping[int, Sequence[Here]]

    @property
    def rows(self) -> Sequence[Row[Any]]:
        """The rows of the page."""
        return self.page.rows


_kept: OrderedDict[tuple[object, ...], tuple[float, SharedPage]] = OrderedDict()


def queue_page(
    queue: Queue, view: View, after: str | None, length: int, version: str, narrowing: Narrowing = NOTHING
) -> SharedPage:
    """The page as it was at the queue's live `version`, or later. Without a version, or narrowed, it is read anew."""
    key = (queue.id, queue.clock, queue.by_priority, view, after, length, version)
    if not version or narrowing != NOTHING:
        return _read(queue, view, after, length, narrowing)
    read_at, kept = _kept.get(key, (0.0, None))
    now = time.monotonic()
    if kept is None or now - read_at > KEEP_SECONDS:
        kept = _read(queue, view, after, length, narrowing)
        _kept[key] = (now, kept)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return kept


def _read(queue: Queue, view: View, after: str | None, length: int, narrowing: Narrowing) -> SharedPage:
    page = of_queue(queue, view, after, length, narrowing.where)
    ids = [row.id for row in page.rows]
    return SharedPage(page, last_words(ids), presence.who(ids))
