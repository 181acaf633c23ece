"""Where a picture stands in the plain text that an operator writes: `[cid:<content id>]`, as mail programs do."""

import re
import secrets
from collections.abc import Mapping

TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
MARK = re.compile(r"\[cid:([A-Za-z0-9._@+-]{1,200})\]")


def new_content_id() -> str:
    """A content id (RFC 2392) that no other picture has."""
    return f"{secrets.token_hex(12)}@picture"


def mark(content_id: str | None) -> str:
    """What stands in the text for the picture; "" for a file that is none."""
    return f"[cid:{content_id}]" if content_id else ""


def named(text: str, names: Mapping[str, str]) -> str:
    """`text` with the names of its pictures (by content id) where they stand; other marks stay as they are."""
    return MARK.sub(lambda found: f"[{names[found[1]]}]" if found[1] in names else found[0], text)
