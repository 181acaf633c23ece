"""Takes events of a helpdesk: checks the signature, its age, and that the event is a new one. Python's library alone.

    WEBHOOK_SECRET=whsec_... python webhook_receiver.py 8080
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ.get("WEBHOOK_SECRET", "").encode()
OLDEST = 300  # seconds
LARGEST = 64 * 1024
seen: set[str] = set()  # a real receiver keeps these in its database, with what it does about the event


def check(headers, body: bytes) -> str:
    """Why a request is refused, or "" when it comes from the helpdesk and now."""
    timestamp = headers.get("Helpdesk-Timestamp", "")
    if not timestamp.isascii() or not timestamp.isdigit() or abs(time.time() - int(timestamp)) > OLDEST:
        return "too old, or no time"
    ours = "v1=" + hmac.new(SECRET, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    given = headers.get("Helpdesk-Signature", "").split(",")
    if not any(hmac.compare_digest(ours.encode(), one.strip().encode()) for one in given):
        return "wrong signature"
    return ""


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 for what was taken, now or before."""

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            return self.answer(413)
        body = self.rfile.read(int(length))
        if refusal := check(self.headers, body):
            return self.answer(401, refusal)
        event = json.loads(body)
        if event["id"] not in seen:  # the same event may come twice, and later than a younger one
            seen.add(event["id"])
            print(event["kind"], event.get("ticket"), flush=True)
        return self.answer(204)

    def answer(self, status, words=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words.encode())

    def log_message(self, *_args):
        pass


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080), Receiver).serve_forever()
