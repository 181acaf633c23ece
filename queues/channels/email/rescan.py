"""Taken mail read again: what is missing here is taken once more, what is known is recognised by its content.

After a restore the mailbox knows more than the database. The folder for taken mail (or the folder itself, where taken
mail stays) is read from the newest mail back to a day before the date that was asked for. Progress is in the cursor:
`rescan` holds `asked_at`, `since`, `seen`, `new`, `failed`, `below` (UIDs from there on were read) and `done`.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from queues.channels.email import fetch, imap
from queues.channels.email.done import KEYWORD, Done

if TYPE_CHECKING:
    from queues.channels.email.mailbox import Mailbox

log = structlog.get_logger(__name__)

CHUNK = 500
MARGIN = timedelta(days=1)  # a mail is taken some time after it arrived, and SEARCH SINCE knows only days
PATIENCE = 3  # broken connections at one place, before its mails are read one by one; then before one is passed over


def ask(mailbox: "Mailbox", since: datetime) -> None:
    """Begin to read again, because the mailbox itself shows that this installation lacks mail."""
    mailbox.remember(rescan=_begun(_state(mailbox), datetime.now(UTC), since) | {"by_itself": True})


def step(mailbox: "Mailbox") -> bool:
    """Read a piece of it again, and open the usual folder afterwards. False when there is nothing to read."""
    state = _state(mailbox)
    if state is None:
        return False
    if mailbox.done in {Done.EXPUNGE, Done.DELETED}:
        _save(mailbox, {**state, "done": True, "nothing_kept": True})
        return False
    folder = mailbox.done_folder if mailbox.done.moves else mailbox.settings.folder
    mailbox.client.allow()
    if not mailbox.client.folder_exists(folder):
        _save(mailbox, {**state, "done": True})
        return False
    uidvalidity = int(mailbox.client.select_folder(folder, readonly=True)[b"UIDVALIDITY"])
    if state.get("uidvalidity") != uidvalidity:
        state = {name: value for name, value in state.items() if name != "below"} | {"uidvalidity": uidvalidity}
    _read(mailbox, state, folder)
    mailbox.open_folder()
    return True


def _state(mailbox: "Mailbox") -> dict[str, Any] | None:
    """What is under way, with a newer wish of people taken up; None when nothing is."""
    state, wish = mailbox.context.cursor.get("rescan"), mailbox.context.rescan
    if wish is not None and (state is None or state["asked_at"] < wish[0].astimezone(UTC).isoformat()):
        return _begun(None if state is None or state.get("done") else state, *wish)
    return None if state is None or state.get("done") else dict(state)


def _begun(unfinished: dict[str, Any] | None, asked_at: datetime, since: datetime) -> dict[str, Any]:
    """A new beginning, which goes back as far as an unfinished one would have."""
    if unfinished is not None:
        since = min(since, datetime.fromisoformat(unfinished["since"]))
    return {"asked_at": asked_at.astimezone(UTC).isoformat(), "since": since.astimezone(UTC).isoformat()}


def _read(mailbox: "Mailbox", state: dict[str, Any], folder: str) -> None:
    since = datetime.fromisoformat(state["since"]).astimezone(UTC) - MARGIN
    criteria: list[Any] = ["SINCE", since.date()]
    if mailbox.done == Done.KEYWORD:
        criteria += ["KEYWORD", KEYWORD]
    mailbox.client.allow()
    uids = sorted(mailbox.client.search(criteria), reverse=True)
    if mailbox.done in {Done.SEEN, Done.NOTHING}:
        ours = set(mailbox.boundary.search(mailbox.client, ["ALL"]))
        uids = [uid for uid in uids if uid in ours]
    state.setdefault("total", len(uids))
    uids = [uid for uid in uids if uid < state.get("below", uid + 1)]
    fetcher = mailbox.fetcher(folder, state["uidvalidity"], again=True)
    for group in fetch.groups(fetcher.items(uids[:CHUNK])):
        for part in [[item] for item in group] if state.get("tries", 0) >= PATIENCE else [group]:
            if mailbox.context.stopping():
                return
            _take(mailbox, state, fetcher, part)
    state["done"] = len(uids) <= CHUNK
    state["below"] = min(uids[:CHUNK], default=state.get("below", 1))
    _save(mailbox, state)
    if state["done"]:
        log.info("taken mail was read again", channel=mailbox.settings.address, seen=state.get("seen", 0))


def _take(mailbox: "Mailbox", state: dict[str, Any], fetcher: fetch.Fetcher, group: list[fetch.Item]) -> None:
    """Take what is missing of a group. The try is written down first: a mail that breaks the connection is passed
    over in the end."""
    tries = state.get("tries", 0)
    lowest = min(item.uid for item in group)
    if tries >= 2 * PATIENCE and len(group) == 1:
        _save(mailbox, _advance(state, lowest, failed=1))
        return
    _save(mailbox, {**state, "tries": tries + 1})
    try:
        inbounds = fetcher.fetch(group)
    except imap.FAULTS as error:
        log.warning("taken mail cannot be read again", folder=fetcher.folder, uid=lowest, error=str(error)[:500])
        raise
    new = mailbox.context.accept(list(inbounds.values())) if inbounds else 0
    _save(mailbox, _advance(state, lowest, seen=len(group), new=new))


def _advance(state: dict[str, Any], below: int, **counts: int) -> dict[str, Any]:
    state |= {name: state.get(name, 0) + count for name, count in counts.items()}
    state |= {"below": below, "tries": 0}
    return state


def _save(mailbox: "Mailbox", state: dict[str, Any]) -> None:
    mailbox.remember(rescan=state)
    mailbox.context.contact()
