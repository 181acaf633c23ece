"""The screens of channels: administrators connect mailboxes; secrets go in and never come out."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk.errors import NotFound, Refused
from helpdesk.models import Channel, ParkedMail, Queue
from helpdesk.models.event import Event
from tests.clients import sign_in
from tests.dovecot import PASSWORD, Dovecot
from tests.mail_in.conftest import environment
from tests.oauth_issuer import Issuer

SECRET = "Тайна-4711-xyzzy"


@pytest.fixture
def dora(app: Any, cast: Any) -> Any:
    return sign_in(app, cast.dora)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer().start()
    with environment(OUTBOUND_ALLOW="127.0.0.1"):
        yield issuer
    issuer.stop()


def values(**more: Any) -> dict[str, Any]:
    return {
        "name": "Почта поддержки",
        "address": "Help@Desk.example",
        "from_name": "Поддержка",
        "aliases": "info@desk.example\nsupport@desk.example",
        "project_id": "1",
        "queue_id": "0",
        "queue_name": "Почта",
        "imap_host": "imap.example.com",
        "imap_port": "993",
        "imap_tls": "ssl",
        "auth": "password",
        "password": SECRET,
        "folder": "INBOX",
        "done_action": "move",
        "done_folder": "Обработано",
        "smtp_host": "",
        "smtp_port": "465",
        "smtp_tls": "ssl",
        "provider": "own",
        **more,
    }


OAUTH = {"provider": "gmail", "auth": "oauth2", "oauth_client_id": "desk"}


def made(session: Any) -> Channel:
    return session.scalars(sa.select(Channel).order_by(Channel.id.desc())).first()


@pytest.mark.parametrize("path", ["/admin/channels", "/admin/channels/new", "/admin/channels/sign-in?state=x"])
def test_only_administrators(app: Any, cast: Any, path: str) -> None:
    assert sign_in(app, cast.ann).get(path).status_code == 403
    assert sign_in(app, cast.sue).get(path).status_code == 403


def test_a_mailbox_is_connected_with_a_queue_of_its_own(session: Any, dora: Any, cast: Any) -> None:
    page = dora.get("/admin/channels/new?provider=yandex").text
    assert "imap.yandex.com" in page
    answer = dora.post("/admin/channels", data=values(project_id=str(cast.support.project_id)))
    assert answer.status_code == 303, answer.text
    channel = made(session)
    assert (channel.name, channel.address, channel.queue.name) == ("Почта поддержки", "help@desk.example", "Почта")
    assert channel.settings["aliases"] == ["info@desk.example", "support@desk.example"]
    assert channel.settings["imap_port"] == 993
    assert channel.secrets == {"password": SECRET}
    page = dora.get(answer.headers["Location"]).text
    assert SECRET not in page
    assert "Stored. Leave empty to keep it." in page
    assert "it goes to the folder" in page
    fact = session.scalars(sa.select(Event).where(Event.kind == "admin.changed").order_by(Event.id.desc())).first()
    assert fact.payload["changes"]["password"] == "changed"
    assert SECRET not in str(fact.payload)


def test_an_empty_password_keeps_the_stored_one(session: Any, dora: Any, cast: Any) -> None:
    project = str(cast.support.project_id)
    dora.post("/admin/channels", data=values(project_id=project))
    channel = made(session)
    version = channel.version
    again = values(project_id=project, queue_id=str(channel.queue_id), password="", from_name="Новая подпись")
    assert dora.post(f"/admin/channels/{channel.id}", data=again).status_code == 303
    session.refresh(channel)
    assert channel.secrets == {"password": SECRET}
    assert channel.settings["from_name"] == "Новая подпись"
    assert channel.version == version + 1


def test_a_stored_password_is_not_told_to_another_server(session: Any, dora: Any, cast: Any) -> None:
    project = str(cast.support.project_id)
    dora.post("/admin/channels", data=values(project_id=project))
    channel = made(session)
    moved = values(project_id=project, queue_id=str(channel.queue_id), password="", imap_host="imap.evil.example")
    answer = dora.post(f"/admin/channels/{channel.id}", data=moved)
    assert answer.status_code == 422
    assert "type this once more" in answer.text
    session.refresh(channel)
    assert channel.settings["imap_host"] == "imap.example.com"


@pytest.mark.parametrize(
    ("kept", "before", "after", "asked"),
    [
        ("password", {}, {"smtp_host": "smtp.evil.example"}, True),  # the mailbox's password serves there, too
        ("password", {"imap_host": "", "smtp_host": "smtp.example.com"}, {"imap_host": "imap.evil.example"}, True),
        ("password", {"smtp_host": "smtp.example.com"}, {"smtp_host": "smtp.evil.example"}, True),
        ("password", {}, {"user": "somebody"}, True),
        ("password", {"smtp_host": "smtp.example.com"}, {"smtp_host": ""}, False),
        ("password", {}, {"folder": "Other"}, False),
        ("oauth_client_secret", OAUTH, {"oauth_token_url": "https://evil.example/token"}, True),
        ("oauth_client_secret", OAUTH, {"oauth_scopes": "mail"}, False),
    ],
)
def test_no_stored_secret_gets_to_know_another_server(
    session: Any, dora: Any, cast: Any, kept: str, before: dict[str, str], after: dict[str, str], asked: bool
) -> None:
    form = values(project_id=str(cast.support.project_id), password="", **before)
    dora.post("/admin/channels", data={**form, kept: SECRET})
    channel = made(session)
    assert channel.secrets == {kept: SECRET}
    answer = dora.post(f"/admin/channels/{channel.id}", data={**form, "queue_id": str(channel.queue_id), **after})
    assert (answer.status_code, "type this once more" in answer.text) == ((422, True) if asked else (303, False))


@pytest.mark.parametrize("after", [{"imap_host": "imap.evil.example"}, {"oauth_token_url": "https://evil.example/t"}])
def test_tokens_of_a_sign_in_are_told_to_no_other_server(
    session: Any, dora: Any, cast: Any, after: dict[str, str]
) -> None:
    form = values(project_id=str(cast.support.project_id), password="", **OAUTH)
    dora.post("/admin/channels", data=form)
    channel, tokens = made(session), {"oauth_refresh_token": "r", "oauth_access_token": "a", "oauth_expires_at": "1"}
    channel.keep_secrets(tokens)
    session.commit()
    form["queue_id"] = str(channel.queue_id)
    assert dora.post(f"/admin/channels/{channel.id}", data={**form, "folder": "Other"}).status_code == 303
    assert channel.secrets == tokens
    assert dora.post(f"/admin/channels/{channel.id}", data={**form, **after}).status_code == 303
    assert channel.secrets == {}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("address", "nonsense", "must be a mail address"),
        ("aliases", "a@b.example, nonsense", "must be a mail address"),
        ("imap_host", "imap example com", "must be the name or address of a server"),
        ("imap_port", "70000", "must be a number from 1 to 65535"),
        ("folder", "INBOX\r\nA1 DELETE x", "must be one line"),
        ("queue_name", " ", "Say how the new queue is called"),
        ("oauth_token_url", "javascript:alert(1)", "must be an address that begins with https"),
    ],
)
def test_faults_are_told_at_their_field(dora: Any, cast: Any, field: str, value: str, words: str) -> None:
    answer = dora.post("/admin/channels", data=values(project_id=str(cast.support.project_id), **{field: value}))
    assert answer.status_code == 422
    assert words in answer.text


def test_names_and_addresses_are_free(session: Any, dora: Any, cast: Any) -> None:
    project = str(cast.support.project_id)
    dora.post("/admin/channels", data=values(project_id=project))
    same_name = dora.post("/admin/channels", data=values(project_id=project, queue_name="Б", address="b@desk.example"))
    assert "a channel with that name" in same_name.text
    same_address = dora.post("/admin/channels", data=values(project_id=project, queue_name="Б", name="Другая"))
    assert "has this address already" in same_address.text
    assert session.scalar(sa.select(Queue.id).where(Queue.name == "Б")) is None, "nothing is half made"


def test_pause_and_go_on(session: Any, dora: Any, cast: Any) -> None:
    path = f"/admin/channels/{cast.mailbox.id}"
    before = cast.mailbox.version
    dora.post(f"{path}/pause")
    session.refresh(cast.mailbox)
    assert not cast.mailbox.enabled
    assert "paused" in dora.get("/admin/channels").text
    dora.post(f"{path}/resumption")
    session.refresh(cast.mailbox)
    assert cast.mailbox.enabled
    assert cast.mailbox.version == before + 2


def test_parked_mail_is_shown_and_tried_again(session: Any, dora: Any, cast: Any) -> None:
    row = ParkedMail(
        channel_id=cast.mailbox.id, folder="INBOX", uidvalidity=1, uid=7, attempts=3, last_error="<b>took too long</b>"
    )
    session.add(row)
    session.flush()
    page = dora.get(f"/admin/channels/{cast.mailbox.id}").text
    assert "&lt;b&gt;took too long" in page
    dora.post(f"/admin/channels/{cast.mailbox.id}/parked")
    assert session.scalar(sa.select(sa.func.count()).select_from(ParkedMail)) == 0


def test_check_refuses_private_addresses_with_the_name_of_the_setting(session: Any, dora: Any, cast: Any) -> None:
    cast.mailbox.settings = {"address": "a@b.example", "imap_host": "127.0.0.1", "smtp_host": "10.0.0.1"}
    with environment(OUTBOUND_ALLOW=""):
        page = dora.post(f"/admin/channels/{cast.mailbox.id}/check").text
    assert "OUTBOUND_ALLOW=127.0.0.1" in page
    assert "OUTBOUND_ALLOW=10.0.0.1" in page


@pytest.mark.dovecot
def test_check_tells_each_step(session: Any, dora: Any, cast: Any, dovecot: Dovecot) -> None:
    user = dovecot.add_user("box399@desk.example")
    cast.mailbox.settings = dovecot.settings(user)
    cast.mailbox.keep_secrets({"password": PASSWORD})
    fragment = dora.post(f"/admin/channels/{cast.mailbox.id}/check", headers={"HX-Request": "true"}).text
    assert "<html" not in fragment
    words = re.sub(r"<[^>]+>", " ", fragment)
    assert words.count("fine") == 5
    assert "TLSv1.3" in words
    assert "0 mails in “INBOX”. Taken mail is moved to “Processed”." in words
    cast.mailbox.keep_secrets({"password": "wrong"})
    fragment = dora.post(f"/admin/channels/{cast.mailbox.id}/check", headers={"HX-Request": "true"}).text
    assert "The server refuses the sign-in" in fragment
    assert "Folder" not in fragment


@pytest.mark.dovecot
def test_check_believes_no_certificate_that_is_not_trusted(
    session: Any, dora: Any, cast: Any, dovecot: Dovecot
) -> None:
    cast.mailbox.settings = dovecot.settings("nobody@desk.example")
    with environment(SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt"):
        page = dora.post(f"/admin/channels/{cast.mailbox.id}/check").text
    assert "The certificate of the server is not valid" in page


def begin(dora: Any, channel: Channel) -> str:
    answer = dora.post(f"/admin/channels/{channel.id}/sign-in")
    assert answer.status_code == 200
    address = answer.headers["Refresh"].partition("url=")[2]
    assert "code_challenge_method=S256" in address
    return address


def test_sign_in_at_the_provider(make_committed: Any, committed: Any, app: Any, issuer: Issuer) -> None:
    import httpx

    cast = make_committed.cast()
    channel = cast.mailbox
    channel.settings = {"address": "box@desk.example", "imap_host": "127.0.0.1", **issuer.settings}
    channel.keep_secrets({"oauth_client_secret": issuer.client_secret})
    committed.commit()
    dora = sign_in(app, cast.dora)
    back = httpx.get(begin(dora, channel)).headers["Location"]
    path = back.partition("8000")[2]
    assert path.startswith("/admin/channels/sign-in?code=")
    other = make_committed.user("Дора вторая", "administrator")
    assert sign_in(app, other).get(path).status_code == 422, "whoever did not begin it cannot end it"
    assert dora.get(path).status_code == 303
    committed.expire_all()
    assert channel.secrets["oauth_refresh_token"] in issuer.refresh_tokens
    assert dora.get(path).status_code == 422, "a state is good once"


def test_a_forged_return_changes_nothing(session: Any, dora: Any, cast: Any, issuer: Issuer) -> None:
    cast.mailbox.settings = {"address": "box@desk.example", "imap_host": "127.0.0.1", **issuer.settings}
    begin(dora, cast.mailbox)
    assert dora.get("/admin/channels/sign-in?code=stolen&state=guess").status_code == 422
    begin(dora, cast.mailbox)
    assert cast.mailbox.secrets == {}


def test_reading_again_is_asked_for_by_name(session: Any, cast: Any) -> None:
    from queues.rescan import ask_by_name

    before = cast.mailbox.version
    session.commit()
    with pytest.raises(NotFound):
        ask_by_name("No such channel", None)
    cast.mailbox.settings = {}
    session.commit()
    with pytest.raises(Refused, match="is not in a mailbox"):
        ask_by_name(cast.mailbox.name, None)
    cast.mailbox.settings = {"imap_host": "imap.example.com"}
    session.commit()
    since = datetime(2026, 11, 1, tzinfo=UTC)
    assert ask_by_name(cast.mailbox.name, since) == since
    session.refresh(cast.mailbox)
    assert cast.mailbox.rescan_since == since
    assert cast.mailbox.version == before + 1
