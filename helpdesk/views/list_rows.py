"""Rows of a list as `queues/_list.html` shows them: the ticket's shape with its marks, by one query for all."""

import secrets
import zlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Flask, request
from flask_babel import get_locale, get_timezone, ngettext
from flask_babel import gettext as _
from flask_login import current_user
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup
from sqlalchemy import Row

from helpdesk import presence
from helpdesk.forms import whole
from helpdesk.presence import Here
from helpdesk.queries.list_marks import Begun, Words, drafts_begun, last_words
from helpdesk.queries.lists import PAGE
from helpdesk.shell import once
from helpdesk.views import shapes

MOST_AT_ONCE = 500
MOST_KEPT = 3_000
TOKEN, ONCE = secrets.token_hex(16), secrets.token_hex(16)

# Rows as they were shaped, by all that they hang on: most of a list is the same from one look to the next, and for
# most of those who look.
_kept: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()


def asked_length(usual: int = PAGE) -> int:
    """How many rows a list shall have: a live list asks for as many as it shows already (`span`), up to 500."""
    return min(max(request.args.get("span", usual, type=int), usual), MOST_AT_ONCE)


def list_rows(
    items: Sequence[Row[Any]],
    now: datetime,
    workable: Collection[int] = (),
    within: str = "",
    words: dict[int, Words] | None = None,
    here: Mapping[int, Sequence[Here]] | None = None,
) -> list[dict[str, Any]]:
    """The rows of a page, from rows with `helpdesk.queries.lists.COLUMNS`.

    `workable` are the queues in which the reader may take tickets, `within` is the key of the list, `words` what was
    last said on each and `here` who has it open, where that was read already. A row that the page
    shows already in this very state is `same`: of it the answer says no more than that it is there.
    """
    ids = [item.id for item in items]
    words = last_words(ids) if words is None else words
    here = presence.who(ids) if here is None else here
    begun, replying = drafts_begun(current_user, ids), presence.replying(here, current_user)
    reader, shown, rows = _reader(now), _shown(), []
    for item in items:
        own = (item.owner_id == current_user.id, tuple(replying.get(item.id, ())), begun.get(item.id, Begun()))
        key = (*reader, tuple(item), words.get(item.id, Words()), item.queue_id in workable, within, *own)
        if key not in _kept:
            _kept[key] = _row(item, now, *key[-6:]) | {"kept": {}}
            while len(_kept) > MOST_KEPT:
                _kept.popitem(last=False)
        row = _kept[key]
        rows.append(row | {"same": shown.get(item.id) == row["stamp"]})
    return rows


def kept_row(
    row: dict[str, Any], list_id: str, may_choose: bool, current_id: int, render: Callable[..., Markup]
) -> Markup:
    """A row as HTML, by the macro `ticket_row`: made once for all who see the same; what is each reader's own in its
    forms is put in afterwards, in the place of marks that nobody can guess."""
    made: dict[tuple[str, bool], str] | None = row.get("kept")
    if made is None or row["id"] == current_id:
        return render(row, list_id, _field("csrf_token", generate_csrf()), _field("key", once()))
    html = made.get((list_id, may_choose))
    if html is None:
        html = made[list_id, may_choose] = str(render(row, list_id, _field("csrf_token", TOKEN), _field("key", ONCE)))
    if not row.get("take_url"):
        return Markup(html)  # noqa: S704 - made by the template
    return Markup(html.replace(TOKEN, generate_csrf()).replace(ONCE, once()))  # noqa: S704 - made by the template


def _field(name: str, value: str) -> Markup:
    return Markup('<input type="hidden" name="{}" value="{}">').format(name, value)


def init_app(app: Flask) -> None:
    """Give templates `kept_row`."""
    app.jinja_env.globals["kept_row"] = kept_row


def _reader(now: datetime) -> tuple[object, ...]:
    """On what a row's words hang beside the row: who waits for how long is coloured by the minute."""
    return (str(get_locale()), str(get_timezone()), int(now.timestamp()) // 60)


def _shown() -> dict[int, str]:
    """The rows that a live list shows, by their tickets: the stamp of each."""
    written = request.headers.get("X-Rows", "") if "span" in request.args else ""
    pairs = (part.partition(".") for part in written.split(","))
    return {int(id_): stamp for id_, _dot, stamp in pairs if whole(id_) is not None}


def _row(
    item: Row[Any],
    now: datetime,
    words: Words,
    may_take: bool,
    within: str,
    is_mine: bool,
    replying: tuple[str, ...],
    begun: Begun,
) -> dict[str, Any]:
    row = shapes.row(item, now, may_take, within=within or None)
    row |= {
        "unread": ngettext("%(num)s message is unread", "%(num)s messages are unread", item.unread)
        if item.unread
        else "",
        "last_text": words.text,
        "said_by_us": words.said_by_us,
        "draft": begun.text,
        "draft_mode": begun.mode,
        "owner_name": None if is_mine else item.owner_name,
        "is_mine": is_mine,
        "replying": _("%(names)s is replying", names=", ".join(replying)) if replying else "",
    }
    row["stamp"] = f"{zlib.crc32(repr(sorted(row.items(), key=lambda pair: pair[0])).encode()):x}"
    return row
