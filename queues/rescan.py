"""Ask for taken input to be read again: the process that holds the channel does it at its next look.

What is known already is recognised by its content and makes nothing new, so asking once too often does no harm. Nothing
is acknowledged for what is older than two days.
"""

from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import select

from helpdesk import clock
from helpdesk.db import transaction
from helpdesk.errors import NotFound, Refused
from helpdesk.models import Channel
from queues.channels import adapter_for

USUAL = timedelta(days=14)


def ask_rescan(channel: Channel, since: datetime) -> None:
    """Have the channel's source read again, from its newest mail back to `since` (aware), in the present transaction.

    A paused channel does it as soon as it goes on. Progress stands on the channel's page. Raises Refused for a channel
    that has no mailbox to read.
    """
    if not adapter_for(channel.kind).listens(channel.settings):
        raise Refused(_("Nothing can be read again here: mail of this channel is not in a mailbox."))
    channel.rescan_since = since
    channel.rescan_asked_at = clock.now()
    channel.version += 1  # whoever holds the channel takes it up anew


def ask_by_name(name: str, since: datetime | None) -> datetime:
    """The same by a channel's name, with a commit; returns since when mail is read again. Raises NotFound, Refused."""
    with transaction() as session:
        channel = session.scalar(select(Channel).where(Channel.name == name))
        if channel is None:
            raise NotFound(_("There is no such channel."))
        begin = since or clock.now() - USUAL
        ask_rescan(channel, begin)
    return begin
