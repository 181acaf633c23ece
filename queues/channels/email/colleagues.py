"""What colleagues do with taken mail in their own mail programs: they answer it, move it, delete it.

None of that is a fault. It is told to whoever works on the ticket, so that nobody answers twice. Looked at every few
minutes, and only at what is recent: mail of the last weeks, at most some hundreds.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from queues.channels.email import fetch

if TYPE_CHECKING:
    from queues.channels.email.mailbox import Mailbox

ANSWERED = "answered"
GONE = "gone"
RECENT = timedelta(days=30)
MOST_LOOKED_AT = 500
MOST_FETCHED = 50  # of answered mails in the folder for taken mail: each is known by its content alone


def look(mailbox: "Mailbox") -> bool:
    """Tell what colleagues did since the last look. True when another folder may be selected now."""
    if mailbox.done.stays:
        _look_at_marked(mailbox)
        return False
    if mailbox.done.moves:
        _look_at_moved(mailbox)
        return True
    return False


def _look_at_marked(mailbox: "Mailbox") -> None:
    """Taken mail that stays is known by its number: its flags tell, and so does its absence."""
    context, client = mailbox.context, mailbox.client
    taken = context.taken_mails(mailbox.settings.folder, mailbox.uidvalidity)
    if not taken:
        return
    client.allow()
    found = client.fetch(sorted(taken), ["FLAGS"])
    flags = {uid: set(found.get(uid, {}).get(b"FLAGS", ())) for uid in taken}
    gone = [event for uid, event in taken.items() if uid not in found or b"\\Deleted" in flags[uid]]
    context.noticed(GONE, gone)
    context.noticed(ANSWERED, [event for uid, event in taken.items() if b"\\Answered" in flags[uid]])


def _look_at_moved(mailbox: "Mailbox") -> None:
    """Moved mail has a number that nobody told us; those that were answered are fetched and known by their content."""
    context, client = mailbox.context, mailbox.client
    client.allow()
    if not client.folder_exists(mailbox.done_folder):
        return
    uidvalidity = int(client.select_folder(mailbox.done_folder, readonly=True)[b"UIDVALIDITY"])
    since = (datetime.now(UTC) - RECENT).date()
    answered = sorted(client.search(["ANSWERED", "UNDELETED", "SINCE", since]))[-MOST_LOOKED_AT:]
    before = context.cursor.get("answered", {})
    told = set(before.get("uids", [])) if before.get("uidvalidity") == uidvalidity else set()
    fetcher = mailbox.fetcher(mailbox.done_folder, uidvalidity, again=True)
    fresh = [uid for uid in answered if uid not in told][-MOST_FETCHED:]
    for group in fetch.groups(fetcher.items(fresh)):
        keys = {uid: inbound.dedup_key for uid, inbound in fetcher.fetch(group).items()}
        events = context.known(list(keys.values()))
        waiting = context.noticed(ANSWERED, list(events.values()))
        told |= {uid for uid, key in keys.items() if events.get(key) not in waiting}
    kept = sorted(told & set(answered))
    if (kept, uidvalidity) != (before.get("uids"), before.get("uidvalidity")):
        mailbox.remember(answered={"uidvalidity": uidvalidity, "uids": kept})
