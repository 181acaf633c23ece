"""Short-lived links to files and mail frames, for browsers that send no cookie there.

From a sandboxed frame everything is another site, and a separate file origin has no session at all. So a link carries
who asked, until when it holds and what it shows, signed; whoever serves it looks at the rights once more.
"""

from dataclasses import dataclass
from datetime import datetime

from helpdesk.config import settings
from helpdesk.keyring import keyring
from helpdesk.models.message import Attachment, Message
from helpdesk.models.user import User

SECONDS = 600


@dataclass(frozen=True)
class Pass:
    """What a link's token says: for whom, and the one flag (a file's picture, a frame's remote pictures)."""

    user_id: int
    flag: bool


def file_link(attachment: Attachment, user_id: int, at: datetime, picture: bool = False) -> str:
    """The address at which `user_id` may fetch a file until ten minutes after `at`; `picture` is its safe copy."""
    token = _token("file", attachment.token, user_id, picture, at)
    return f"{settings().files_url}/files/{attachment.id}/{token}"


def frame_link(message: Message, user: User, at: datetime, remote: bool = False) -> str:
    """The address of the frame with a message's HTML; `remote` lets it load pictures from the internet."""
    token = _token("frame", str(message.id), user.id, remote, at)
    return f"{settings().files_url}/messages/{message.id}/frame/{token}"


def read_file_token(attachment: Attachment, token: str, now: datetime) -> Pass | None:
    """What the token of a file's link says, or None when it was not made here or is over."""
    return _read("file", attachment.token, token, now)


def read_frame_token(message_id: int, token: str, now: datetime) -> Pass | None:
    """What the token of a frame's link says, or None when it was not made here or is over."""
    return _read("frame", str(message_id), token, now)


def _token(purpose: str, subject: str, user_id: int, flag: bool, at: datetime) -> str:
    until = int(at.timestamp()) + SECONDS
    signature = keyring().sign(purpose, subject, user_id, int(flag), until)
    return f"{until}.{user_id}.{int(flag)}.{signature}"


def _read(purpose: str, subject: str, token: str, now: datetime) -> Pass | None:
    parts = token.split(".", 3)
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts[:3]):
        return None
    until, user_id, flag = (int(part) for part in parts[:3])
    seconds_left = until - now.timestamp()
    if not 0 < seconds_left <= SECONDS + 1 or not keyring().verify(parts[3], purpose, subject, user_id, flag, until):
        return None
    return Pass(user_id, bool(flag))
