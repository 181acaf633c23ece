"""What a restored copy does with the world, which has gone on since the backup was made.

Mail is read again from before the backup, and none of it is answered automatically: it was answered in its time, if at
all. Messages that waited are set aside. Until all that is done, and until a person says so, nothing leaves.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from helpdesk import clock
from helpdesk.db import db, transaction
from helpdesk.models import Channel, read_setting, write_setting
from queues import pause
from queues.channels import adapter_for, adapters
from queues.rescan import ask_rescan

log = structlog.get_logger(__name__)

MARGIN = timedelta(days=1)  # mail is taken some time after it arrived, and mail servers search by days


def finish() -> int:
    """Do what is still to be done after a restore; returns how much. Commits by itself, and may be cut off anywhere."""
    with transaction():
        value = read_setting(pause.KEY, None) or {}
        backup_at = value.get("backup_at")
        if backup_at is None or value.get("finished"):
            return 0
        channels = list(db.session.scalars(select(Channel.id)))
    for channel_id in channels:
        with transaction() as session:
            channel = session.get(Channel, channel_id, with_for_update={"key_share": True})
            if channel is not None:
                read_again(channel, datetime.fromisoformat(backup_at))
    held = pause.hold_doubtful()
    with transaction():
        value = read_setting(pause.KEY, None)
        if value:
            write_setting(pause.KEY, {**value, "finished": True})
    log.info("restored copy is ready", channels=len(channels), held=held)
    return len(channels) + held


def read_again(channel: Channel, backup_at: datetime) -> None:
    """Have a channel that is read look for what came since the backup; what came until now is not acknowledged."""
    if channel.kind not in adapters() or not adapter_for(channel.kind).listens(channel.settings):
        return
    now = clock.now()
    channel.reading = {**channel.reading, "connected_at": now.isoformat()}
    ask_rescan(channel, backup_at - MARGIN)
