"""The button "Check": a signed ping posted to the other system, as replies are."""

import json
import secrets as random
from collections.abc import Iterator

from flask_babel import gettext as _

from helpdesk.outbound import OutboundRefused
from helpdesk.outbound_http import PostFailed
from queues.channels.base import CheckStep, DeliveryError
from queues.channels.http.send import post_signed
from queues.channels.http.settings import HttpSettings


def check(settings: HttpSettings, secrets: dict[str, str]) -> Iterator[CheckStep]:
    """The secret, and a ping where replies are posted."""
    has_secret = bool(secrets.get("secret"))
    words = _("There is one, and requests are signed with it.") if has_secret else _("There is none. Make one below.")
    yield CheckStep(_("Secret"), has_secret, words)
    if not settings.callback_url:
        yield CheckStep(_("Replies"), True, _("No address is set, so operators cannot write replies here."))
        return
    if has_secret:
        yield _ping(settings, secrets)


def _ping(settings: HttpSettings, secrets: dict[str, str]) -> CheckStep:
    name = _("A signed ping to the address for replies")
    key = f"ping-{random.token_hex(8)}"
    try:
        answer = post_signed(settings.callback_url, json.dumps({"type": "ping", "id": key}).encode(), secrets, key)
    except OutboundRefused as error:
        return CheckStep(name, False, error.message)
    except (PostFailed, DeliveryError) as error:
        return CheckStep(name, False, str(error))
    if answer.ok:
        return CheckStep(name, True, _("It was taken with status %(status)s.", status=answer.status))
    said = _("The answer was %(status)s: %(words)s", status=answer.status, words=answer.excerpt or "–")
    return CheckStep(name, False, said)
