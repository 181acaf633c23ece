"""A reply as the JSON that is posted to the other system; rendered once, so every try posts the same bytes."""

import base64
import json

from flask_babel import gettext as _

from helpdesk.babel import local_size
from queues.channels.base import DeliveryError, Letter, Outbound

MOST_FILE_BYTES = 10 * 1024 * 1024
CHAT, EXTERNAL = "chat:", "http:"


def compose(letter: Letter) -> Outbound:
    """Make the body of a reply. Raises DeliveryError when its files are too large."""
    if sum(len(file.content) for file in letter.files) > MOST_FILE_BYTES:
        words = _("The files are larger than %(size)s together.", size=local_size(MOST_FILE_BYTES))
        raise DeliveryError(words, permanent=True)
    header_id = letter.header_id or f"reply-{letter.message_id}"
    conversation = letter.conversation_key.removeprefix(CHAT)
    body = {
        "type": "reply",
        "id": header_id,
        "conversation": conversation,
        "ticket": letter.number,
        "in_reply_to": _external_id(letter.answers_header_id, conversation),
        "text": letter.text,
        "author": letter.author,
        "automatic": letter.automatic,
        "sent_at": letter.at.isoformat(),
        "files": [
            {
                "name": file.name,
                "type": file.type,
                "size": len(file.content),
                "content": base64.b64encode(file.content).decode("ascii"),
            }
            for file in letter.files
        ],
    }
    rendered = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Outbound(letter.item_id, header_id, "", [letter.conversation_key], rendered)


def _external_id(header_id: str | None, conversation: str) -> str | None:
    """The other system's own id of the message that is answered, where it gave one."""
    start = f"{EXTERNAL}{conversation}/"
    return header_id.removeprefix(start) if header_id and header_id.startswith(start) else None
