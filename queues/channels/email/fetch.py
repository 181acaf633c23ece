"""Mails out of the selected folder of a mailbox, in groups that fit into memory, as inbound values."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from queues.channels.base import Inbound
from queues.channels.email import imap
from queues.channels.email.boundary import OLD, Reading

LARGEST = 40 * 1024 * 1024
HEADER_BYTES = 256 * 1024
SIZE_SLACK = 16 * 1024  # servers that render a mail anew announce its size only roughly
GROUP_BYTES = 8 * 1024 * 1024
GROUP_MAILS = 100
TOO_LARGE = "too-large"


@dataclass(frozen=True)
class Item:
    """A mail in the folder, before it is fetched."""

    uid: int
    size: int
    arrived: datetime | None


@dataclass(frozen=True)
class Fetcher:
    """Reads mails of one folder, which must be selected. `again` says that they were taken once before."""

    client: imap.Imap
    folder: str
    uidvalidity: int
    reading: Reading
    again: bool = False

    def items(self, uids: list[int]) -> list[Item]:
        """Sizes and moments of arrival of those mails that are still there."""
        if not uids:
            return []
        self.client.allow()
        found = self.client.fetch(uids, ["RFC822.SIZE", "INTERNALDATE"])
        return [
            Item(uid, int(found[uid][b"RFC822.SIZE"]), found[uid].get(b"INTERNALDATE"))
            for uid in uids
            if uid in found and b"RFC822.SIZE" in found[uid]
        ]

    def fetch(self, group: list[Item]) -> dict[int, Inbound]:
        """The mails of a group by UID; one that somebody else took away meanwhile is not among them."""
        if len(group) == 1 and group[0].size > LARGEST:
            return self._fetch_header(group[0])
        bound = max(item.size for item in group) + SIZE_SLACK
        self.client.allow(bound * len(group))
        answer = self.client.fetch([item.uid for item in group], [f"BODY.PEEK[]<0.{bound}>"])
        inbounds: dict[int, Inbound] = {}
        for item in group:
            raw = answer.get(item.uid, {}).get(b"BODY[]<0>")
            if raw is None:
                continue  # another client was faster
            if len(raw) >= bound:
                return self._fetch_larger(group, bound)
            inbounds[item.uid] = self._inbound(item, raw)
        return inbounds

    def _fetch_larger(self, group: list[Item], bound: int) -> dict[int, Inbound]:
        """A mail is larger than the server announced: fetch each alone, with ever more room."""
        inbounds: dict[int, Inbound] = {}
        for item in group:
            inbounds |= self.fetch([Item(item.uid, max(item.size, bound) * 2, item.arrived)])
        return inbounds

    def _fetch_header(self, item: Item) -> dict[int, Inbound]:
        self.client.allow(HEADER_BYTES)
        answer = self.client.fetch([item.uid], [f"BODY.PEEK[HEADER]<0.{HEADER_BYTES}>"])
        raw = answer.get(item.uid, {}).get(b"BODY[HEADER]<0>")
        return {} if raw is None else {item.uid: self._inbound(item, raw, TOO_LARGE)}

    def _inbound(self, item: Item, raw: bytes, problem: str | None = None) -> Inbound:
        envelope: dict[str, Any] = {
            "folder": self.folder,
            "uidvalidity": self.uidvalidity,
            "uid": item.uid,
            "received_at": item.arrived.isoformat() if item.arrived else None,
        }
        before = self.reading.is_old(item.arrived, self.folder, self.uidvalidity, item.uid)
        if before or (self.again and _is_days_old(item.arrived)):
            envelope["old"] = True
        if problem:
            envelope["size"] = item.size
        return Inbound(dedup_key=content_key(raw, problem), raw=raw, envelope=envelope, problem=problem)


def _is_days_old(arrived: datetime | None) -> bool:
    """Whether a mail was answered automatically in its time, if at all. What is read again is not answered late."""
    return arrived is None or arrived < datetime.now(UTC) - OLD


def content_key(raw: bytes, problem: str | None = None) -> str:
    """The dedup key of a mail; a mail of which only the header was taken is never taken for a whole one."""
    return f"{problem or 'mail'}:{hashlib.sha256(raw).hexdigest()}"


def groups(items: list[Item]) -> Iterator[list[Item]]:
    """Mails that are fetched by one command: each may be as large as the largest of them, all within GROUP_BYTES."""
    group: list[Item] = []
    largest = 0
    for item in items:
        largest = max(largest, item.size + SIZE_SLACK)
        if group and (len(group) >= GROUP_MAILS or largest * (len(group) + 1) > GROUP_BYTES):
            yield group
            group, largest = [], item.size + SIZE_SLACK
        group.append(item)
    if group:
        yield group
