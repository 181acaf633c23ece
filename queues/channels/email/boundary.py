"""Which mail of a mailbox is ours to take: all, what came after the mailbox was connected, or what came since a date.

Mail on the other side of the boundary is never fetched, moved or flagged.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from queues.channels.email import imap

OLD = timedelta(days=2)  # mail of a channel of which nobody knows when it was connected
EDGE = timedelta(days=2)
"""SEARCH SINCE compares days in the zone that a mail was stored with, up to 14 hours off ours (RFC 3501 6.4.4)."""

What = Literal["ask", "new", "since", "all"]


class Reading(BaseModel):
    """What people chose for a mailbox; stored in `channel.reading`. An empty one is a mailbox that is read whole.

    `ask` says that nobody has chosen yet. `connected_at` is when the mailbox was connected, `new_from` when "only new
    mail" was chosen; `folder`, `uidvalidity` and `uidnext` are what its server said at that moment, and `connected_uid`
    is the `uidnext` of the moment of connecting, as long as `uidvalidity` holds. Moments are whole seconds, as servers
    keep them. `claim` is raised each time somebody decides that this installation, and no other, reads the mailbox.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    what: What = "all"
    since: AwareDatetime | None = None
    connected_at: AwareDatetime | None = None
    new_from: AwareDatetime | None = None
    folder: str = ""
    uidvalidity: int = 0
    uidnext: int = 0
    connected_uid: int = 0
    claim: int = 0

    def is_old(self, arrived: datetime | None, folder: str, uidvalidity: int, uid: int) -> bool:
        """Whether a mail was there before the mailbox was connected: then nobody expects an automatic answer."""
        if (folder, uidvalidity) == (self.folder, self.uidvalidity) and uid < self.connected_uid:
            return True
        return arrived is not None and arrived < (self.connected_at or datetime.now(UTC) - OLD)

    def stored(self) -> dict[str, Any]:
        """What `channel.reading` holds."""
        return self.model_dump(mode="json", exclude_none=True)


@dataclass
class Boundary:
    """The boundary in one folder as the server numbers it now: the lowest UID, or the earliest moment of arrival."""

    lowest: int = 1
    moment: datetime | None = None
    _arrived: dict[int, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, reading: Reading, folder: str, uidvalidity: int) -> Self:
        """The boundary that a choice means. A folder that was numbered anew is divided by the moment of connecting."""
        match reading.what:
            case "new" if (reading.folder, reading.uidvalidity) == (folder, uidvalidity):
                return cls(lowest=reading.uidnext)
            case "new" | "ask":
                return cls(moment=reading.new_from or reading.connected_at or datetime.now(UTC))
            case "since":
                return cls(moment=reading.since)
            case _:
                return cls()

    @property
    def leaves_out(self) -> bool:
        """Whether there may be mail on the other side."""
        return self.lowest > 1 or self.moment is not None

    def search(self, client: imap.Imap, criteria: list[Any], lowest: int = 1) -> list[int]:
        """UIDs of the selected folder, in order, that meet the criteria, are not below `lowest`, and are ours."""
        lowest = max(lowest, self.lowest)
        if lowest > 1:
            criteria = [*criteria, "UID", f"{lowest}:*"]
        found = client.search(criteria) if self.moment is None else self._since(client, criteria, self.moment)
        # "n:*" names the newest mail even when its number is lower (RFC 3501 6.4.8)
        return sorted(uid for uid in found if uid >= lowest)

    def _since(self, client: imap.Imap, criteria: list[Any], moment: datetime) -> list[int]:
        """Whole days by the server's search, those around the boundary by the moment of each mail's arrival."""
        day = moment.astimezone(UTC).date()
        certain = client.search([*criteria, "SINCE", day + EDGE])
        around = client.search([*criteria, "SINCE", day - EDGE, "BEFORE", day + EDGE])
        unknown = [uid for uid in around if uid not in self._arrived]
        for start in range(0, len(unknown), 1000):
            some = unknown[start : start + 1000]
            client.allow()
            dates = client.fetch(some, ["INTERNALDATE"])
            for uid in some:
                arrived = dates.get(uid, {}).get(b"INTERNALDATE")
                if uid in dates:
                    self._arrived[uid] = arrived is None or arrived >= moment
        return [*certain, *(uid for uid in around if self._arrived.get(uid))]
