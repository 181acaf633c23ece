"""Mail on its way out of a real mailbox: nothing is lost, nothing is taken twice, nothing of others is touched."""

from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk.models import Channel, InboundEvent, RawInput
from tests.dovecot import letter, wait_until

pytestmark = pytest.mark.dovecot


def events(session: Any, channel: Any) -> int:
    session.rollback()
    return session.scalar(
        sa.select(sa.func.count()).select_from(InboundEvent).where(InboundEvent.channel_id == channel.id)
    )


def test_mail_is_stored_and_moved(dovecot: Any, mailbox: Any, committed: Any, listening: Any) -> None:
    channel = mailbox()
    dovecot.deliver(channel.address, letter(body="Добрый день, код 4711 не пришёл."))
    listening()
    wait_until(lambda: dovecot.count(channel.address, "Processed") == 1, what="moved")
    assert events(committed, channel) == 1
    event = committed.scalars(sa.select(InboundEvent)).one()
    raw = committed.get(RawInput, event.id).data
    assert b"Received: from" in raw
    assert event.envelope["folder"] == "INBOX"
    assert event.state == "waiting"
    assert dovecot.count(channel.address) == 0

    dovecot.deliver(channel.address, letter("Второе письмо"))  # now by IDLE
    wait_until(lambda: events(committed, channel) == 2, 5, "taken while idling")
    wait_until(lambda: dovecot.count(channel.address, "Processed") == 2, 5)
    committed.refresh(committed.get(Channel, channel.id))
    assert committed.get(Channel, channel.id).last_contact_at is not None
