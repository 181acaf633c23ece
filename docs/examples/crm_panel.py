"""Answers a helpdesk that asks about a customer: rows for its card, or a page behind a signed link. Python alone.

    CRM_SECRET=... python crm_panel.py 8090

In the helpdesk: Projects, a project, Outer system; the address is http://localhost:8090/card, and for rows
OUTBOUND_ALLOW=localhost. Rows are asked for by POST, the page of a frame or a tab is opened by GET.
"""

import base64
import binascii
import hashlib
import hmac
import html
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

SECRET = os.environ.get("CRM_SECRET", "").encode()
OLDEST = 300  # seconds
LARGEST = 64 * 1024
# A real CRM asks its database.
CUSTOMERS = {"eve@customer.example": {"Plan": "Large", "Debt": 12.5, "Contract": "17/A"}}


def is_signed(timestamp: str, signature: str, signed: bytes) -> bool:
    """Whether the helpdesk signed these bytes a moment ago: HMAC-SHA256 over `<timestamp>.<bytes>`."""
    if not timestamp.isascii() or not timestamp.isdigit() or abs(time.time() - int(timestamp)) > OLDEST:
        return False
    ours = "v1=" + hmac.new(SECRET, timestamp.encode() + b"." + signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(ours.encode(), signature.encode())


def rows_for(told: dict) -> list[dict]:
    """What is known of the first address that we know. A shared one (info@) may be anybody."""
    for identity in told["customer"]["identities"]:
        known = CUSTOMERS.get(identity["value"])
        if known is not None and not identity["shared"]:
            link = "https://crm.example/contracts/17"
            return [{"label": label, "value": value, "link": link} for label, value in known.items()]
    return []


class Crm(BaseHTTPRequestHandler):
    """Rows by POST, a page by GET."""

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            return self.answer(413, b"")
        body = self.rfile.read(int(length))
        if not is_signed(self.headers.get("Helpdesk-Timestamp", ""), self.headers.get("Helpdesk-Signature", ""), body):
            return self.answer(401, b"")
        told = json.loads(body)
        answer = {"title": told["customer"]["name"], "rows": rows_for(told)}
        return self.answer(200, json.dumps(answer).encode(), "application/json")

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        data, timestamp, signature = (query.get(name, [""])[0] for name in ("hd_data", "hd_ts", "hd_sig"))
        if not is_signed(timestamp, signature, data.encode()):
            return self.answer(403, b"The link is not signed, or older than five minutes. Open it from the helpdesk.")
        try:
            told = json.loads(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))
        except (binascii.Error, ValueError):
            return self.answer(400, b"")
        lines = "".join(
            f"<li>{html.escape(str(row['label']))}: {html.escape(str(row['value']))}" for row in rows_for(told)
        )
        page = f"<!doctype html><h1>{html.escape(told['customer']['name'])}</h1><ul>{lines}</ul>"
        return self.answer(200, page.encode(), "text/html; charset=utf-8")

    def answer(self, status, body, kind="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8090), Crm).serve_forever()
