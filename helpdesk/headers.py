"""Headers of every answer: a strict content policy with a fresh nonce, and no caching of private pages."""

import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from helpdesk.config import settings


def csp_nonce() -> str:
    """The nonce of the present answer; scripts without it do not run."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def content_policy() -> str:
    """The Content-Security-Policy of our own pages. Frames show mail from the file origin, else from ourselves."""
    files = " ".join(filter(None, ["'self'", _origin(settings().files_url)]))
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'nonce-{csp_nonce()}' 'strict-dynamic'",
            "style-src 'self'",
            f"img-src {files} data: blob:",
            "media-src 'self' blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            f"frame-src {files}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "object-src 'none'",
            "manifest-src 'self'",
        ]
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def init_app(app: Flask) -> None:
    """Set the headers on each answer that did not set its own."""

    @app.context_processor
    def nonce() -> dict[str, object]:
        return {"csp_nonce": csp_nonce()}

    @app.after_request
    def protect(response: Response) -> Response:
        headers = response.headers
        if request.endpoint == "static":
            headers.setdefault("X-Content-Type-Options", "nosniff")  # a style or a script has no policy of its own
            return response
        headers.setdefault("Content-Security-Policy", content_policy())
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), microphone=(self), geolocation=()")
        headers.setdefault("Cache-Control", "no-store")
        headers.add("Vary", "Cookie, HX-Request, X-Panes, X-List")
        if settings().secure:
            headers.setdefault("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
        return response
