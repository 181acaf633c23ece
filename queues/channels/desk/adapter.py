"""What people write down by hand: calls and visits. Nothing is received here and nothing leaves."""

from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from pydantic import BaseModel

from helpdesk.capabilities import Capabilities
from queues.channels.base import (
    Adapter,
    CheckStep,
    DeliveryError,
    Inbound,
    NotUnderstood,
    Outbound,
    Receipt,
    ReceiveContext,
    Secrets,
    Understood,
)


class NoSettings(BaseModel):
    """There is nothing to set."""


class DeskAdapter(Adapter):
    """The built-in channel of each project for entries by hand; it is made when the first one is written."""

    kind = "desk"
    page = ""
    label = _l("By hand")
    settings_model = NoSettings

    def capabilities(self, settings: dict[str, Any]) -> Capabilities:
        """Nothing can be sent; answers go by mail, where the queue has a mailbox."""
        return Capabilities(writes=False)

    def listens(self, settings: dict[str, Any]) -> bool:
        """Nobody has to listen for what people write down here."""
        return False

    def check(self, settings: dict[str, Any], secrets: Secrets) -> list[CheckStep]:
        """There is nothing to try."""
        return []

    def receive(self, context: ReceiveContext) -> None:
        """Nothing ever comes by itself."""

    def parse(self, inbound: Inbound) -> Understood:
        """No event of this kind is ever stored. Raises NotUnderstood."""
        raise NotUnderstood(_("Entries by hand do not come from outside."))

    def send(
        self,
        outbound: Outbound,
        settings: dict[str, Any],
        secrets: Secrets,
        before_last_byte: Callable[[], None],
    ) -> Receipt:
        """Nothing can leave. Raises DeliveryError."""
        raise DeliveryError(_("Nothing can be sent from an entry that was written down by hand."), permanent=True)
