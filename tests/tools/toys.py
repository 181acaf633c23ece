"""Toy programs for the parent: `toys.py parent` runs the real parent over small children, not the helpdesk's.

The children: `web` answers every request, `steady` waits, `slow` needs a second to end and then asks Valkey
whether it still lives, `stubborn` ignores TERM and, like `family`, has a child of its own.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

HERE = str(Path(__file__).resolve())


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def web():
    HTTPServer((os.environ.get("HOST") or "127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()


def steady():
    print("привет from steady", flush=True)
    signal.pause()


def slow():
    def end(*_):
        time.sleep(1)
        with socket.socket(socket.AF_UNIX) as valkey:
            valkey.connect(unquote(urlsplit(os.environ["REDIS_URL"]).path))
            valkey.sendall(b"PING\r\n")
            print("slow leaves,", valkey.recv(64).decode().strip(), flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print("slow is here", flush=True)
    while True:
        signal.pause()


def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, HERE, "steady"])
    print("stubborn is here with", child.pid, flush=True)
    while True:
        signal.pause()


def family():
    child = subprocess.Popen([sys.executable, HERE, "steady"])
    print("family is here with", child.pid, flush=True)
    signal.pause()


def crew():
    """Two members, forked, under a keeper of their own."""
    from helpdesk.keeper import Keeper, Program, Stopped
    from helpdesk.processes import Forked

    def member():
        print("member", os.getpid(), flush=True)
        signal.pause()

    with Keeper(Path(os.environ["HELPDESK_DATA"]) / "run" / "crew.json") as keeper:
        keeper.sweep()
        for name in ("one", "two"):
            keeper.start(Program(name, start=lambda: Forked(member)))
        try:
            keeper.wait(lambda: False)
        except Stopped:
            print("crew leaves", flush=True)


def crash():
    sys.exit("toy crash")


def admin():
    print("Sign in as dora, password: secret")


def newer():
    print("looking")
    sys.exit("The database is of a newer version than this program.")


def parent():
    from helpdesk.keeper import Program
    from helpdesk.supervisor import Plan, main

    def plan(config, environment):
        def toy(name, **more):
            return Program(name, (sys.executable, HERE, name), environment=environment, **more)

        names = os.environ.get("TOYS", "steady").split()
        return Plan(
            steps=tuple(toy(name) for name in os.environ.get("TOY_STEPS", "admin").split()),
            programs=(
                toy("web"),
                *(toy(name, grace=1.5 if name == "stubborn" else 20.0, named=name == "crew") for name in names),
            ),
        )

    main(plan)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
