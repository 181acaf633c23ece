"""The stored secrets of a channel, which change while they are used: OAuth2 tokens expire and rotate.

Refreshing asks the identity provider, which takes a while and makes the former refresh token worthless. So one process
at a time does it, under a lock of its own and with no transaction open meanwhile; the others then find fresh ones.
"""

import time
from collections.abc import Callable

from flask_babel import gettext as _

from helpdesk.db import db, transaction
from helpdesk.models import Channel
from queues.channels.base import Secrets, SourceTrouble
from queues.locks import SecretsLock

LONGEST_WAIT = 20.0


class StoredSecrets(Secrets):
    """Secrets of one channel, read when made. Needs an application context for `rotate`."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel.secrets)
        self.channel_id = channel.id

    def rotate(self, make: Callable[[dict[str, str]], dict[str, str]]) -> None:
        """Replace the stored secrets by what `make` makes of the present ones, and follow them.

        `make` gets what is stored now, which another process may have refreshed meanwhile. Raises SourceTrouble when
        another process keeps the lock for long.
        """
        with SecretsLock(self.channel_id) as lock:
            until = time.monotonic() + LONGEST_WAIT
            while not lock.take():
                if time.monotonic() > until:
                    raise SourceTrouble(_("The secrets of this channel are being changed elsewhere. Try again."))
                time.sleep(0.2)
            with transaction():
                before = self._channel().secrets
            fresh = make(dict(before))
            if fresh != before:
                with transaction():
                    self._channel().keep_secrets(fresh)
        self.clear()
        self.update(fresh)

    def _channel(self) -> Channel:
        return db.session.get_one(Channel, self.channel_id, populate_existing=True)
