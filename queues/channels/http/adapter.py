"""HTTP: other systems post signed events to a door (`queues/views/hooks.py`), and replies are posted to them."""

from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from pydantic import ValidationError

from helpdesk.capabilities import Capabilities
from queues.channels.base import (
    Adapter,
    CheckStep,
    DeliveryError,
    Inbound,
    Letter,
    Outbound,
    Receipt,
    ReceiveContext,
    Secrets,
    Understood,
)
from queues.channels.http.settings import HttpSettings


class HttpAdapter(Adapter):
    """A door for messages and calls, and a signed webhook for replies. Each act loads what it needs."""

    kind = "http"
    page = "http_channels.show"
    label = _l("HTTP")
    settings_model = HttpSettings

    def capabilities(self, settings: dict[str, Any]) -> Capabilities:
        """A chat: no subject, no recipients, no HTML; the other system may say what became of a reply."""
        from queues.channels.http.compose import MOST_FILE_BYTES

        known = _typed(settings)
        return Capabilities(
            writes=bool(known.callback_url and known.takes_messages),
            largest_message=MOST_FILE_BYTES,
            voice="sent",
            quotes=True,
            says_delivered=True,
            says_read=True,
        )

    def listens(self, settings: dict[str, Any]) -> bool:
        """Events come to the web server by themselves."""
        return False

    def check(self, settings: dict[str, Any], secrets: Secrets) -> list[CheckStep]:
        """Post a signed ping; see `check.py`."""
        from queues.channels.http.check import check

        return list(check(_typed(settings), secrets))

    def receive(self, context: ReceiveContext) -> None:
        """Nothing is held open."""

    def parse(self, inbound: Inbound) -> Understood:
        """Understand a posted event; see `parse.py`."""
        from queues.channels.http.parse import understand

        return understand(inbound)

    def remote(self, settings: dict[str, Any]) -> str:
        """The address that replies are posted to: channels that share it share its fate."""
        return _typed(settings).callback_url

    def compose(self, letter: Letter, settings: dict[str, Any]) -> Outbound:
        """Make the JSON of a reply; see `compose.py`."""
        from queues.channels.http.compose import compose

        return compose(letter)

    def send(
        self,
        outbound: Outbound,
        settings: dict[str, Any],
        secrets: Secrets,
        before_last_byte: Callable[[], None],
    ) -> Receipt:
        """Post a reply; see `send.py`. No byte is the last one here: posting again is safe, so nothing is marked."""
        from queues.channels.http.send import send

        return send(outbound, _typed(settings), secrets)


def _typed(settings: dict[str, Any]) -> HttpSettings:
    try:
        return HttpSettings.model_validate(settings)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, fault["loc"])) for fault in error.errors()}))
        raise DeliveryError(_("The settings of this channel cannot be used: %(fields)s.", fields=fields)) from error
