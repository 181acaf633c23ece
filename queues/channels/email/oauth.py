"""OAuth2 of mailboxes: authorization code with PKCE (RFC 7636), refresh, and signing in by XOAUTH2.

Sources: RFC 6749 4.1 and 6; Google "OAuth 2.0 for web server applications"; Microsoft identity platform, "OAuth 2.0
authorization code flow". Refresh tokens may rotate: each answer may bring a new one, and the old one is worth nothing.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
from flask_babel import gettext as _

from helpdesk import outbound
from queues.channels.base import Secrets, SourceTrouble
from queues.channels.email import imap
from queues.channels.email.settings import MailboxSettings

T = TypeVar("T")

EARLY_SECONDS = 90  # a token is renewed this long before its end
SHORTEST_LIFE = 120
LARGEST_ANSWER = 256 * 1024
TIMEOUT = 10.0


class SignInNeeded(SourceTrouble):
    """Nobody but a person can help: the mailbox needs a new sign-in on the channel's page."""

    def __init__(self, words: str = "") -> None:
        sentence = _("Nobody is signed in to this mailbox any more. Open the channel and sign in again.")
        super().__init__(f"{sentence} {words}".strip(), slow=True)


def authorize_address(settings: MailboxSettings, redirect_uri: str, state: str, verifier: str) -> str:
    """Where to send the administrator's browser. `verifier` is kept until the provider sends the browser back."""
    parts = urlsplit(settings.authorize_url)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        **dict(parse_qsl(parts.query)),
        "response_type": "code",
        "client_id": settings.oauth_client_id,
        "redirect_uri": redirect_uri,
        "scope": settings.scopes,
        "state": state,
        "login_hint": settings.login,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    return urlunsplit(parts._replace(query=urlencode(query)))


def exchange_code(
    settings: MailboxSettings, secrets: dict[str, str], code: str, verifier: str, redirect_uri: str
) -> dict[str, str]:
    """The secrets after a sign-in: `secrets` with the tokens that the code is worth. Raises SourceTrouble."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    fresh = _ask(settings, secrets, form)
    if "oauth_refresh_token" not in fresh:
        raise SignInNeeded(_("The provider gave no refresh token, so the sign-in would end within the hour."))
    return fresh


def access_token(settings: MailboxSettings, secrets: Secrets, fresh: bool = False) -> str:
    """A token that is valid now, refreshed under the channel's lock where needed.

    `fresh` asks for another one than `secrets` hold, because the server refused that. Raises SignInNeeded, or
    SourceTrouble when the provider cannot be asked.
    """
    stale = secrets.get("oauth_access_token", "") if fresh else ""
    if _is_fresh(secrets, stale):
        return secrets["oauth_access_token"]

    def refresh(present: dict[str, str]) -> dict[str, str]:
        if _is_fresh(present, stale):
            return present  # another process was faster
        if not present.get("oauth_refresh_token"):
            raise SignInNeeded
        return _ask(
            settings,
            present,
            {
                "grant_type": "refresh_token",
                "refresh_token": present["oauth_refresh_token"],
                "scope": settings.scopes,
            },
        )

    secrets.rotate(refresh)
    return secrets["oauth_access_token"]


def with_token(
    settings: MailboxSettings, secrets: Secrets, act: Callable[[str], T], refused: tuple[type[Exception], ...]
) -> T:
    """`act(token)`; when it raises one of `refused`, once more with a fresh token, and then SignInNeeded."""
    try:
        return act(access_token(settings, secrets))
    except refused:
        token = access_token(settings, secrets, fresh=True)
    try:
        return act(token)
    except refused as error:
        raise SignInNeeded(imap.server_words(error)) from error


def signed_in_imap(settings: MailboxSettings, secrets: Secrets, timeout: float = imap.CONNECT_SECONDS) -> imap.Imap:
    """A signed-in connection to the mailbox. Raises SourceTrouble, OutboundRefused or one of `imap.FAULTS`."""

    def connected(sign_in: Callable[[imap.Imap, MailboxSettings, str], None], proof: str) -> imap.Imap:
        client = imap.connect(settings, timeout)
        try:
            sign_in(client, settings, proof)
        except BaseException:
            client.end()
            raise
        return client

    if settings.auth == "password":
        return connected(imap.sign_in, secrets.get("password", ""))
    return with_token(settings, secrets, lambda token: connected(imap.sign_in_with_token, token), (imap.SignInRefused,))


def _is_fresh(secrets: dict[str, str], stale: str) -> bool:
    token = secrets.get("oauth_access_token", "")
    return bool(token) and token != stale and float(secrets.get("oauth_expires_at", 0)) - EARLY_SECONDS > time.time()


def _ask(settings: MailboxSettings, secrets: dict[str, str], form: dict[str, str]) -> dict[str, str]:
    """`secrets` with what the token endpoint answers to `form` (RFC 6749 5)."""
    form = {**form, "client_id": settings.oauth_client_id}
    if secrets.get("oauth_client_secret"):
        form["client_secret"] = secrets["oauth_client_secret"]
    answer = _post(settings.token_url, form)
    token = answer.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token:
        raise SourceTrouble(_("The provider's answer to the sign-in makes no sense."))
    try:
        life = max(SHORTEST_LIFE, int(answer.get("expires_in", 3600)))
    except (TypeError, ValueError):
        life = 3600
    fresh = {**secrets, "oauth_access_token": token, "oauth_expires_at": str(int(time.time()) + life)}
    if isinstance(answer.get("refresh_token"), str):
        fresh["oauth_refresh_token"] = answer["refresh_token"]
    return fresh


def _post(url: str, form: dict[str, str]) -> dict[str, Any]:
    """The JSON object that the token endpoint answers with. Raises SourceTrouble for everything else."""
    try:
        outbound.check_url(url)
        with (
            outbound.web_client(TIMEOUT) as client,
            client.stream("POST", url, data=form, headers={"Accept": "application/json"}) as response,
        ):
            status, answer = response.status_code, _read_json(response)
    except outbound.OutboundRefused as error:
        raise SourceTrouble(error.message, slow=True) from error
    except (httpx.HTTPError, OSError) as error:
        raise SourceTrouble(_("The provider of the sign-in cannot be reached: %(words)s", words=str(error))) from error
    if status == 200 and answer:
        return answer
    words = str(answer.get("error_description") or answer.get("error") or status)[:300]
    if answer.get("error") in {"invalid_grant", "interaction_required", "consent_required"}:
        raise SignInNeeded(words)
    slow = 400 <= status < 500 and status != 429
    raise SourceTrouble(_("The provider of the sign-in refuses: %(words)s", words=words), slow=slow)


def _read_json(response: httpx.Response) -> dict[str, Any]:
    """The object in the body of an answer, read only as far as an honest one goes; empty for anything else."""
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) > LARGEST_ANSWER:
            return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
