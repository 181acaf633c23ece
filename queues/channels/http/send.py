"""Posting a reply: signed, with an idempotency key, and what each answer means.

A reply carries the same `Idempotency-Key` on every try, so posting it again is safe, and a try whose answer was lost
is simply repeated: nothing is ever shown as unknown. Whoever receives must leave out what they have seen.
"""

import json
import time
from datetime import UTC, datetime

from flask_babel import gettext as _

from helpdesk import signatures
from helpdesk.outbound_http import Answer, PostFailed, post
from queues.channels.base import ChannelDown, DeliveryError, Outbound, Receipt, RecipientResult
from queues.channels.http.settings import HttpSettings, valid_secrets

TRY_AGAIN = frozenset({408, 409, 425, 429})  # 409: the other side is still at an earlier try of this one
AGENT = "Helpdesk"


def post_signed(url: str, body: bytes, secrets: dict[str, str], key: str) -> Answer:
    """Post a body under an idempotency key, signed with the secrets that are valid now.

    Raises OutboundRefused and PostFailed as `helpdesk.outbound_http.post`, DeliveryError without a secret.
    """
    keys = valid_secrets(secrets, datetime.now(UTC))
    if not keys:
        raise DeliveryError(_("This channel has no secret to sign with. Make one on its page."), permanent=True)
    headers = {"Content-Type": "application/json", "User-Agent": AGENT, "Idempotency-Key": key}
    return post(url, body, headers | signatures.headers(keys, body, int(time.time())))


def send(outbound: Outbound, settings: HttpSettings, secrets: dict[str, str]) -> Receipt:
    """Post one reply. Raises DeliveryError, ChannelDown where nobody can be reached, and OutboundRefused."""
    if not settings.callback_url:
        raise DeliveryError(_("This channel has no address that replies are posted to."), permanent=True)
    try:
        answer = post_signed(settings.callback_url, outbound.rendered, secrets, outbound.header_id)
    except PostFailed as error:
        raise (DeliveryError if error.arrived else ChannelDown)(str(error)) from error
    words = f"{answer.status} {answer.excerpt}".strip()
    if answer.ok:
        sent = [RecipientResult(one, "sent", str(answer.status)) for one in outbound.recipients]
        return Receipt(sent, _external_id(answer))
    if 300 <= answer.status < 400:
        raise DeliveryError(_("The address redirects, and redirects are not followed."), permanent=True)
    if answer.status < 500 and answer.status not in TRY_AGAIN:
        raise DeliveryError(words, permanent=True)
    raise DeliveryError(words, retry_after=answer.retry_after)


def _external_id(answer: Answer) -> str | None:
    """The other system's id of the message, where its answer is a JSON object with one."""
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    found = told.get("id") if isinstance(told, dict) else None
    return found[:200] if isinstance(found, str) else None
