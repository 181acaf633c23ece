"""The headers that guard an answer, whatever it is: pages, fragments, refusals, downloads, redirects."""

import re
from typing import Any

# Texts of the house that a browser may keep if it asks each time whether they still hold (ETag).
ASKED_AGAIN = {"GET /composer/parts", "GET /queues/<int:queue_id>/answers"}
OF_PAGES = {"cache", "policy", "scripts", "referrer", "resource policy"}  # a style or a script has no policy of its own


def unguarded(answer: Any, route: str) -> list[str]:
    """The names of what the answer of this "METHOD rule" lacks."""
    headers = answer.headers
    policy = headers.get("Content-Security-Policy", "")
    script = re.search(r"script-src ([^;]*)", policy)
    good = {
        "policy": policy.startswith("default-src 'none'"),
        "scripts": script is None or not re.search("'unsafe|'self'|https?:|data:", script[1]),
        "sniffing": headers.get("X-Content-Type-Options") == "nosniff",
        "referrer": headers.get("Referrer-Policy") in {"same-origin", "no-referrer"},
        "resource policy": "Cross-Origin-Resource-Policy" in headers,
        "cache": "no-store" in headers.get("Cache-Control", ""),
        "no other origins": "Access-Control-Allow-Origin" not in headers,
        "cookies": all("HttpOnly" in one and "SameSite=Lax" in one for one in headers.getlist("Set-Cookie")),
        "no fault": answer.status_code < 500,
    }
    spared = OF_PAGES if route == "GET /static/<path:filename>" else {"cache"} if route in ASKED_AGAIN else set()
    return [name for name, fine in good.items() if not fine and name not in spared]
