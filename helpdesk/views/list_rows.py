"""Rows of a list as `queues/_list.html` shows them: the ticket's shape with its marks, by one query for all."""

import zlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from flask import request
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy import Row

from helpdesk import presence
from helpdesk.forms import whole
from helpdesk.queries.list_marks import Marks, marks_of
from helpdesk.queries.lists import PAGE
from helpdesk.views import shapes

MOST_AT_ONCE = 500


def asked_length(usual: int = PAGE) -> int:
    """How many rows a list shall have: a live list asks for as many as it shows already (`span`), up to 500."""
    return min(max(request.args.get("span", usual, type=int), usual), MOST_AT_ONCE)


def list_rows(
    items: Sequence[Row[Any]], now: datetime, workable: Collection[int] = (), within: str = ""
) -> list[dict[str, Any]]:
    """The rows of a page, from rows with `helpdesk.queries.lists.COLUMNS`.

    `workable` are the queues in which the reader may take tickets, `within` is the key of the list. A row that the page
    shows already in this very state is `same`: of it the answer says no more than that it is there.
    """
    ids = [item.id for item in items]
    marks, replying = marks_of(current_user, ids), presence.replying(ids, current_user)
    rows = [_row(item, marks.get(item.id, Marks()), now, workable, within) for item in items]
    shown = _shown()
    for row in rows:
        names = replying.get(row["id"], ())
        row["replying"] = _("%(names)s is replying", names=", ".join(names)) if names else ""
        row["stamp"] = f"{zlib.crc32(repr(sorted(row.items(), key=lambda pair: pair[0])).encode()):x}"
        row["same"] = shown.get(row["id"]) == row["stamp"]
    return rows


def _shown() -> dict[int, str]:
    """The rows that a live list shows, by their tickets: the stamp of each."""
    written = request.headers.get("X-Rows", "") if "span" in request.args else ""
    pairs = (part.partition(".") for part in written.split(","))
    return {int(id_): stamp for id_, _dot, stamp in pairs if whole(id_) is not None}


def _row(item: Row[Any], mark: Marks, now: datetime, workable: Collection[int], within: str) -> dict[str, Any]:
    row = shapes.row(item, now, item.queue_id in workable, within=within or None)
    return row | {
        "unread": ngettext("%(num)s message is unread", "%(num)s messages are unread", item.unread)
        if item.unread
        else "",
        "last_text": mark.words,
        "said_by_us": mark.said_by_us,
        "draft": mark.draft,
        "draft_mode": mark.draft_mode,
        "owner_name": item.owner_name if item.owner_id != current_user.id else None,
        "is_mine": item.owner_id == current_user.id,
    }
