"""OAuth2 against a local provider whose refresh tokens are good once, and a Dovecot that asks it about tokens."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from helpdesk.models import Channel, InboundEvent
from queues.channels.base import Secrets, SourceTrouble
from queues.channels.email import oauth
from queues.channels.email.settings import MailboxSettings
from tests.dovecot import Dovecot, letter, need_dovecot, wait_until
from tests.mail_in.conftest import environment, numbers
from tests.oauth_issuer import Issuer


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer().start()
    with environment(OUTBOUND_ALLOW="127.0.0.1"):
        yield issuer
    issuer.stop()


@pytest.fixture(autouse=True)
def fresh(issuer: Issuer) -> None:
    issuer.revoke()
    issuer.refreshed, issuer.delay, issuer.broken, issuer.life = 0, 0.0, False, 3600


@pytest.fixture(scope="module")
def trusting_dovecot(issuer: Issuer) -> Iterator[Dovecot]:
    need_dovecot()
    folder = Path("/tmp") / f"dvo-{os.getpid()}"
    server = Dovecot(folder, introspection=f"{issuer.url}/introspect")
    with environment(SSL_CERT_FILE=server.ca_file):
        yield server.start()
    server.remove()


def box(issuer: Issuer, **more: Any) -> MailboxSettings:
    return MailboxSettings(address="support@desk.example", **issuer.settings, **more)


def test_code_with_pkce_gives_tokens(issuer: Issuer) -> None:
    import httpx

    settings = box(issuer)
    verifier = "v" * 64
    address = oauth.authorize_address(settings, "http://desk.example/callback", "state-1", verifier)
    assert address.startswith(f"{issuer.url}/authorize?prompt=consent&")
    back = httpx.get(address).headers["Location"]
    query = dict(httpx.URL(back).params)
    assert query["state"] == "state-1"
    secrets = {"oauth_client_secret": issuer.client_secret}
    with pytest.raises(SourceTrouble):
        oauth.exchange_code(settings, secrets, query["code"], "another verifier", "http://desk.example/callback")
    back = httpx.get(address).headers["Location"]
    code = httpx.URL(back).params["code"]
    fresh = oauth.exchange_code(settings, secrets, code, verifier, "http://desk.example/callback")
    assert issuer.access_tokens[fresh["oauth_access_token"]] == "support@desk.example"
    assert fresh["oauth_refresh_token"] in issuer.refresh_tokens


def test_tokens_are_kept_until_they_end(issuer: Issuer) -> None:
    secrets = Secrets(issuer.tokens_for("support@desk.example"))
    first = oauth.access_token(box(issuer), secrets)
    assert oauth.access_token(box(issuer), secrets) == first
    assert issuer.refreshed == 1
    assert oauth.access_token(box(issuer), secrets, fresh=True) != first
    assert issuer.refreshed == 2


def test_two_workers_never_lose_a_rotating_token(app: Any, issuer: Issuer, make_committed: Any, committed: Any) -> None:
    from queues.secrets import StoredSecrets

    channel = make_committed.channel(make_committed.queue(), settings={})
    channel.keep_secrets(issuer.tokens_for("support@desk.example"))
    committed.commit()
    issuer.delay = 0.3
    workers = [StoredSecrets(channel) for _ in range(4)]
    results: list[str] = []

    def use(secrets: StoredSecrets) -> None:
        with app.app_context():
            results.append(oauth.access_token(box(issuer), secrets))

    threads = [threading.Thread(target=use, args=(secrets,)) for secrets in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == 4
    assert len(set(results)) == 1
    assert issuer.refreshed == 1
    committed.expire_all()
    assert committed.get(Channel, channel.id).secrets["oauth_refresh_token"] in issuer.refresh_tokens


def test_a_revoked_token_asks_for_a_person(issuer: Issuer) -> None:
    secrets = Secrets(issuer.tokens_for("support@desk.example"))
    issuer.revoke()
    with pytest.raises(oauth.SignInNeeded) as refused:
        oauth.access_token(box(issuer), secrets)
    assert "sign in again" in str(refused.value)
    assert refused.value.slow


def test_a_provider_that_is_away_is_asked_again_soon(issuer: Issuer) -> None:
    secrets = Secrets(issuer.tokens_for("support@desk.example"))
    issuer.broken = True
    with pytest.raises(SourceTrouble) as away:
        oauth.access_token(box(issuer), secrets)
    assert not isinstance(away.value, oauth.SignInNeeded)
    assert not away.value.slow
    issuer.broken = False
    assert oauth.access_token(box(issuer), secrets)


@pytest.mark.dovecot
def test_mail_by_xoauth2(
    issuer: Issuer, trusting_dovecot: Dovecot, make_committed: Any, committed: Any, listening: Any
) -> None:
    user = f"oauth{next(numbers)}@desk.example"
    settings = {**trusting_dovecot.settings(user), **issuer.settings}
    channel = make_committed.channel(make_committed.queue(), address=user, settings=settings)
    channel.keep_secrets(issuer.tokens_for(user))
    committed.commit()
    trusting_dovecot.deliver(user, letter())
    listening()

    def taken() -> int:
        committed.rollback()
        return committed.scalar(sa.select(sa.func.count()).select_from(InboundEvent))

    wait_until(lambda: taken() == 1, what=trusting_dovecot.log())


@pytest.mark.dovecot
def test_a_withdrawn_token_is_refreshed_once_and_then_a_person_is_needed(
    issuer: Issuer, trusting_dovecot: Dovecot
) -> None:
    user = f"oauth{next(numbers)}@desk.example"
    settings = MailboxSettings(**{**trusting_dovecot.settings(user), **issuer.settings})
    secrets = Secrets(issuer.tokens_for(user))
    oauth.access_token(settings, secrets)
    issuer.withdraw()
    oauth.signed_in_imap(settings, secrets).logout()
    assert issuer.refreshed == 2
    issuer.revoke()
    with pytest.raises(oauth.SignInNeeded):
        oauth.signed_in_imap(settings, secrets)
