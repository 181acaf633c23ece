"""A local identity provider: authorization codes with PKCE, rotating refresh tokens, and introspection for Dovecot."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlencode
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class Issuer:
    """Listens on a random loopback port. `life` is what access tokens are good for, in seconds."""

    def __init__(self, client_id: str = "helpdesk", client_secret: str = "s3cret-of-client") -> None:
        self.client_id, self.client_secret = client_id, client_secret
        self.life = 3600
        self.delay = 0.0
        self.broken = False
        self.codes: dict[str, tuple[str, str, str]] = {}  # code -> user, challenge, redirect address
        self.refresh_tokens: dict[str, str] = {}  # token -> user; each is good once
        self.access_tokens: dict[str, str] = {}
        self.refreshed = 0
        self.lock = threading.Lock()
        self.server: WSGIServer = make_server("127.0.0.1", 0, self.answer, handler_class=_Quiet)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def start(self) -> "Issuer":
        self.thread.start()
        return self

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def settings(self) -> dict[str, str]:
        """Settings of a channel that signs in here."""
        return {
            "auth": "oauth2",
            "oauth_client_id": self.client_id,
            "oauth_authorize_url": f"{self.url}/authorize?prompt=consent",
            "oauth_token_url": f"{self.url}/token",
            "oauth_scopes": "mail offline_access",
        }

    def tokens_for(self, user: str) -> dict[str, str]:
        """Secrets of a channel that is signed in as `user`, its access token just expired."""
        return {"oauth_client_secret": self.client_secret, "oauth_refresh_token": self._refresh_token(user)}

    def withdraw(self) -> None:
        """Make all access tokens worthless before their time."""
        self.access_tokens.clear()

    def revoke(self) -> None:
        """Make all refresh tokens worthless."""
        self.refresh_tokens.clear()
        self.withdraw()

    def answer(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        size = int(environ.get("CONTENT_LENGTH") or 0)
        form = {key: values[0] for key, values in parse_qs(environ["wsgi.input"].read(size).decode()).items()}
        query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
        path = environ["PATH_INFO"]
        time.sleep(self.delay)
        if self.broken:
            start("503 Service Unavailable", [("Content-Type", "text/html")])
            return [b"<h1>later</h1>"]
        if path == "/authorize":
            code = self.grant(query)
            address = f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
            start("302 Found", [("Location", address)])
            return []
        status, content = self._token(form) if path == "/token" else self._introspect(form)
        start(status, [("Content-Type", "application/json")])
        return [json.dumps(content).encode()]

    def grant(self, query: dict[str, str]) -> str:
        """The code for an authorization request: the person said yes."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == self.client_id
        code = secrets.token_urlsafe(16)
        self.codes[code] = (query["login_hint"], query["code_challenge"], query["redirect_uri"])
        return code

    def _token(self, form: dict[str, str]) -> tuple[str, dict[str, Any]]:
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return "401 Unauthorized", {"error": "invalid_client"}
        with self.lock:
            if form["grant_type"] == "authorization_code":
                user, challenge, redirect = self.codes.pop(form["code"], ("", "", ""))
                digest = hashlib.sha256(form["code_verifier"].encode()).digest()
                proved = base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge
                if not user or not proved or redirect != form["redirect_uri"]:
                    return "400 Bad Request", {"error": "invalid_grant"}
            else:
                user = self.refresh_tokens.pop(form["refresh_token"], "")
                if not user:
                    return "400 Bad Request", {"error": "invalid_grant", "error_description": "The token was revoked."}
                self.refreshed += 1
            access = secrets.token_urlsafe(24)
            self.access_tokens[access] = user
        answer = {"access_token": access, "expires_in": self.life, "refresh_token": self._refresh_token(user)}
        return "200 OK", {"token_type": "Bearer", **answer}

    def _introspect(self, form: dict[str, str]) -> tuple[str, dict[str, Any]]:
        user = self.access_tokens.get(form.get("token", ""))
        return "200 OK", {"active": "true", "username": user} if user else {"active": "false"}

    def _refresh_token(self, user: str) -> str:
        token = secrets.token_urlsafe(24)
        self.refresh_tokens[token] = user
        return token
