"""The tick on a channel's page that lets replies and reports come to signed addresses."""

from typing import Any

from tests.clients import sign_in
from tests.mail_in.test_channel_pages import made, values


def test_tick_is_kept_and_taken_away(session: Any, app: Any, cast: Any) -> None:
    dora = sign_in(app, cast.dora)
    project = str(cast.support.project_id)
    dora.post("/admin/channels", data=values(project_id=project, plus_addressing="y"))
    channel = made(session)
    assert channel.settings["plus_addressing"] is True
    assert 'name="plus_addressing"' in dora.get(f"/admin/channels/{channel.id}").text
    again = values(project_id=project, queue_id=str(channel.queue_id), password="")
    assert dora.post(f"/admin/channels/{channel.id}", data=again).status_code == 303
    session.refresh(channel)
    assert channel.settings["plus_addressing"] is False
