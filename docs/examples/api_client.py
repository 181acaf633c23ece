"""Takes the oldest ticket, reads what the customer wrote, leaves a note. Python's library alone.

    HELPDESK_URL=https://help.example.com HELPDESK_TOKEN=hd_... python api_client.py
"""

import json
import os
import urllib.error
import urllib.request
import uuid

BASE = os.environ["HELPDESK_URL"].rstrip("/") + "/api/v1"
TOKEN = os.environ["HELPDESK_TOKEN"]


def call(method: str, path: str, body: object = None) -> dict:
    """One request. A key makes a POST safe to send again: it is done once, and answered the same."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    if method == "POST":
        headers["Idempotency-Key"] = str(uuid.uuid4())
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, headers, method=method)
    for _try in range(3):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            raise SystemExit(f"{problem['status']} {problem['title']}: {problem['detail']}") from error
        except (urllib.error.URLError, TimeoutError) as error:
            trouble = error  # nothing is known of the first try; the same key makes the second one harmless
    raise SystemExit(f"The helpdesk cannot be reached: {trouble}")


ticket = call("POST", "/claims")["ticket"]
if ticket is None:
    print("Nobody waits.")
else:
    messages = call("GET", f"/tickets/{ticket['id']}/messages")["items"]
    print(ticket["number"], ticket["title"], "-", messages[-1]["text"][:200])
    call("POST", f"/tickets/{ticket['id']}/notes", {"body": f"Read by {call('GET', '/token')['token']}."})
