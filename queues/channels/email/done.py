"""What is done with mail that was taken: moved, marked or deleted, as far as its server is able."""

from enum import StrEnum
from typing import Any

from imapclient.exceptions import IMAPClientError

from queues.channels.email import imap

KEYWORD = "$HelpdeskTaken"


class Done(StrEnum):
    """What is done with a taken mail, as far as the server is able."""

    MOVE = "move"
    COPY = "copy and expunge"
    EXPUNGE = "expunge"
    DELETED = "mark as deleted"
    KEYWORD = "keyword"
    SEEN = "seen"
    NOTHING = "nothing"

    @property
    def moves(self) -> bool:
        """Whether taken mail lies in a folder of its own."""
        return self in {Done.MOVE, Done.COPY}

    @property
    def stays(self) -> bool:
        """Whether taken mail stays in the folder that is read."""
        return self in {Done.KEYWORD, Done.SEEN, Done.NOTHING}


def choose(client: imap.Imap, action: str, flags: set[bytes]) -> Done:
    """How taken mail is put out of sight, from what is wished and what the folder allows (its PERMANENTFLAGS)."""
    can_expunge = client.has_capability("UIDPLUS") and b"\\Deleted" in flags
    if action == "move" and b"\\Deleted" in flags and client.has_capability("MOVE"):
        return Done.MOVE
    if action == "move" and can_expunge:
        return Done.COPY
    if action == "delete" and b"\\Deleted" in flags:
        return Done.EXPUNGE if can_expunge else Done.DELETED
    if b"\\*" in flags or KEYWORD.encode() in flags:
        return Done.KEYWORD
    return Done.SEEN if b"\\Seen" in flags else Done.NOTHING


def put_away(client: imap.Imap, done: Done, folder: str, uids: list[int], partial: list[int]) -> None:
    """Take mails of the selected folder out of sight; of the `partial` ones only a part is stored here."""
    client.allow()
    if partial and done in {Done.EXPUNGE, Done.DELETED}:
        _into(client, client.copy, folder, partial)  # the server keeps what we do not have
    match done:
        case Done.MOVE:
            _into(client, client.move, folder, uids)
        case Done.COPY:
            _into(client, client.copy, folder, uids)
            expunge(client, uids)
        case Done.EXPUNGE:
            expunge(client, uids)
        case Done.DELETED:
            client.add_flags(uids, [b"\\Deleted"], silent=True)
        case Done.KEYWORD:
            client.add_flags(uids, [KEYWORD], silent=True)
        case Done.SEEN:
            client.add_flags(uids, [b"\\Seen"], silent=True)


def expunge(client: imap.Imap, uids: list[int]) -> None:
    """Remove these mails of the selected folder and no other."""
    client.add_flags(uids, [b"\\Deleted"], silent=True)
    client.uid_expunge(uids)  # a bare EXPUNGE would remove what other people marked


def make_folder(client: imap.Imap, folder: str) -> None:
    """Make a folder where there is none, and show it to people."""
    if not client.folder_exists(folder):
        client.create_folder(folder)
        client.subscribe_folder(folder)


def with_prefix(client: imap.Imap, folder: str) -> str:
    """The folder below the personal namespace (RFC 2342), which some servers keep at `INBOX.`."""
    if not client.has_capability("NAMESPACE"):
        return folder
    prefix = next((entry[0] for entry in client.namespace().personal or ()), "")
    return folder if folder.startswith(prefix) else prefix + folder


def _into(client: imap.Imap, act: Any, folder: str, uids: list[int]) -> None:
    try:
        act(uids, folder)
    except client.AbortError:
        raise
    except IMAPClientError:
        make_folder(client, folder)
        act(uids, folder)
