"""The way of a message: in through a channel, into a queue, to an operator, and out again.

| # | step | where | leaves behind |
|---|---|---|---|
| 1 | bytes arrive (IMAP, LMTP, pipe) | `queues/channels/<kind>/adapter.py` | nothing yet |
| 2 | stored once, by dedup key; only now acknowledged | `queues/intake.py` `accept()` | `InboundEvent` waiting |
| 3 | understood: who, which ticket, what text and files | `parse.py`, `queues/interpret.py` | `Message`, or a refusal |
| 4 | placed in a queue | `queues/routing.py`, `queues/fifo.py` | `ticket.queue_id`, clocks, event |
| 5 | an operator takes the oldest | `queues/views/claims.py`, `queues/fifo.py` | owner, event, live update |
| 6 | the operator answers | `helpdesk/views/replies.py`, `ticket.reply()` | `Message` and `OutboxItem`, one commit |
| 7 | taken from the outbox, woken or swept | `queues/outbox.py` | item leased |
| 8 | sent by the same adapter | `queues/delivery.py`, `adapter.send()` | `Attempt`; sent, later, or failed and shown |
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # the mail parser's child and `helpdesk mail inspect` import this package without the web framework
    from flask import Flask


def init_app(app: "Flask") -> None:
    """Add channels, queues' URLs and the bells that ring after a commit to the desk."""
    from helpdesk import capabilities
    from queues import api, lanes, views
    from queues.channels import adapters

    for kind, adapter in adapters().items():
        capabilities.register(kind, adapter)
    lanes.hear_commits()
    views.init_app(app)
    api.init_app(app)
