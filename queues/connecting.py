"""How a mailbox is connected: which of the mail that lies there becomes tickets, and which installation reads it."""

from datetime import datetime

from helpdesk.models import Channel, User
from queues.channel_changes import note_change
from queues.channels.email.boundary import Reading, What
from queues.channels.email.survey import Survey


def is_undecided(channel: Channel) -> bool:
    """Whether nobody has said yet which mail of the mailbox is to be taken."""
    return bool(channel.reading.get("what") == "ask")


def connect(by: User, channel: Channel, what: What, since: datetime | None, found: Survey, looked_at: datetime) -> None:
    """Take from now on what was chosen, in the present transaction; `found` is what lay there at `looked_at`."""
    before, moment = Reading(**channel.reading), looked_at.replace(microsecond=0)  # servers keep whole seconds
    after = before.model_copy(
        update={
            "what": what,
            "since": since,
            "connected_at": moment if before.what == "ask" else before.connected_at or channel.created_at,
            "new_from": moment,
            "folder": found.folder,
            "uidvalidity": found.uidvalidity,
            "uidnext": found.uidnext,
            "connected_uid": _connected_uid(before, found),
        }
    )
    channel.reading = after.stored()
    told = since.date().isoformat() if since else None
    note_change(by, channel, {"taken": [before.what, what], "since": told, "mails there": found.mails})


def _connected_uid(before: Reading, found: Survey) -> int:
    """The number that the first mail after connecting got; 0 where the server numbers anew since."""
    if before.what == "ask":
        return found.uidnext
    same = (before.folder, before.uidvalidity) == (found.folder, found.uidvalidity)
    return before.connected_uid if same else 0


def read_here(by: User, channel: Channel) -> None:
    """Decide that this installation reads the mailbox: others that see its mark stop."""
    reading = Reading(**channel.reading)
    rival = channel.cursor.get("rival", {})
    claim = max(reading.claim, int(rival.get("claim", 0))) + 1
    channel.reading = reading.model_copy(update={"claim": claim}).stored()
    channel.last_error = None
    note_change(by, channel, {"read by": ["another installation", "this installation"]})


def chosen_moment(channel: Channel) -> datetime | None:
    """The moment that divides taken mail from mail that is left alone; None where all is taken."""
    reading = Reading(**channel.reading)
    match reading.what:
        case "since":
            return reading.since
        case "new":
            return reading.new_from
        case _:
            return None
