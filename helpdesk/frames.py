"""HTML mail in a frame of its own: cleaned when it came, without scripts or our origin, under its own policy.

The cleaner leaves two kinds of pictures in what is stored: `src="cid:<id>"` came with the mail, `src="remote:<url>"`
lies on the internet. No browser loads either; here they get addresses, remote ones only when a person asked for them.
"""

import html
import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from flask import request

from helpdesk.config import settings

SANDBOX = "sandbox allow-popups allow-popups-to-escape-sandbox"

_IMAGE = re.compile(r'<img((?: [\w-]+="[^"]*")*)>')
_SOURCE = re.compile(r' src="([^"]*)"')
_SAFE_ORIGIN = re.compile(r"https?://[a-z0-9.:\[\]-]+", re.IGNORECASE)


def has_remote(cleaned: str) -> bool:
    """Whether stored HTML shows pictures from the internet."""
    return ' src="remote:' in cleaned


def rewrite_images(cleaned: str, inline: Callable[[str], str | None], remote: bool) -> str:
    """Stored HTML with addresses for its pictures.

    `inline` gives the address for a Content-ID, or None; pictures without an address show their alternative text.
    Remote ones are asked for over https, whatever the mail says.
    """

    def give_address(match: re.Match[str]) -> str:
        attributes = match.group(1)
        source = _SOURCE.search(attributes)
        if source is None:
            return match.group()
        scheme, _colon, rest = html.unescape(source.group(1)).partition(":")
        url: str | None = None
        if scheme == "cid":
            url = inline(unquote(rest))
        elif scheme == "remote" and remote and rest.lower().startswith(("http://", "https://")):
            url = "https://" + rest.partition("://")[2]
        shown = f' src="{html.escape(url)}"' if url else ""
        return f"<img{attributes[: source.start()]}{shown}{attributes[source.end() :]}>"

    return _IMAGE.sub(give_address, cleaned)


def policy(remote: bool) -> str:
    """The Content-Security-Policy of the frame, with and without a separate origin for files.

    It must hold alone: were the cleaner wrong, nothing runs, nothing loads, nothing is sent. Our own origin is named
    too, because a sandboxed document has none that `'self'` could mean in every browser.
    """
    if settings().files_url:
        pictures, parents = [_origin(settings().files_url)], [_origin(settings().public_url)]
    else:
        ours = ["'self'", *dict.fromkeys([_origin(settings().public_url), _origin(request.host_url)])]
        pictures, parents = ours, ours
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'none'",
            "style-src 'unsafe-inline'",
            " ".join(["img-src", *pictures, *(["https:"] if remote else [])]),
            "form-action 'none'",
            "base-uri 'none'",
            " ".join(["frame-ancestors", *parents]),
            SANDBOX,
        ]
    )


def headers(remote: bool) -> dict[str, str]:
    """All headers that matter for the frame's safety."""
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy(remote),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-store",
    }


def _origin(url: str) -> str:
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return origin if _SAFE_ORIGIN.fullmatch(origin) else "'none'"
