"""Post a customer's message to a helpdesk, and print the replies. Standard library only; see docs/api/http-channel.md.

python http_channel.py 'https://help.example.com/hooks/…' 'hds_…' 8080    (8080: where replies are posted to us)
"""

import hashlib
import hmac
import json
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

DOOR, SECRET, PORT = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
seen: set[str] = set()  # in real life a table: the same reply may come twice


def signature(at: str, body: bytes) -> str:
    return "v1=" + hmac.new(SECRET, at.encode() + b"." + body, hashlib.sha256).hexdigest()


def post(event: dict) -> dict:
    body, at = json.dumps(event).encode(), str(int(time.time()))
    headers = {"Content-Type": "application/json", "Helpdesk-Timestamp": at, "Helpdesk-Signature": signature(at, body)}
    with urllib.request.urlopen(urllib.request.Request(DOOR, body, headers), timeout=30) as answer:
        return json.load(answer)


class Replies(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        at, given = self.headers["Helpdesk-Timestamp"], self.headers["Helpdesk-Signature"].split(",")
        ours = signature(at, body)
        genuine = abs(time.time() - int(at)) < 300 and any(hmac.compare_digest(ours, one) for one in given)
        self.send_response(204 if genuine else 401)
        self.end_headers()
        reply = json.loads(body) if genuine else {}
        if reply.get("type") == "reply" and reply["id"] not in seen:
            seen.add(reply["id"])
            print(f"{reply['author']} in {reply['conversation']}: {reply['text']}", flush=True)


if __name__ == "__main__":
    sender = {"namespace": "crm:example", "value": "4711", "name": "Ева Иванова"}
    said = {"type": "message", "id": "example-1", "conversation": "chat-1", "sender": sender, "text": "Где мой заказ?"}
    print(post(said), flush=True)
    HTTPServer(("", PORT), Replies).serve_forever()
