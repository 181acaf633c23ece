"""What a page did that it must not: dialogs, words from scripts, answers asked of strangers, windows opened."""

import contextlib
import re
import socketserver
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request

CANARY = "canary"
BROWSERS_OWN = "CONNECT content-autofill.googleapis.com:443"  # Chromium asks about any form with an address in it
# Chromium says this when a document without the right to dialogs calls alert(): a script ran.
ALERTED = re.compile(r"Ignored call to '(alert|confirm|prompt)|" + CANARY)
REFUSED = re.compile(r"Content.Security.Policy", re.IGNORECASE)
FRAME = re.compile(r"^/messages/\d+/(html|frame/.+)$")
FILE = re.compile(r"^/(files|attachments)/\d+/")


class Stranger(socketserver.ThreadingTCPServer):
    """A proxy for everything that is not for the helpdesk; it notes what was asked, and answers nothing."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Note)

    @property
    def url(self) -> str:
        """Its address as a proxy."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Note(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            line = self.rfile.readline(2000).decode("latin-1").strip()
            assert isinstance(self.server, Stranger)
            if BROWSERS_OWN not in line:
                self.server.asked.append(line or "a connection without a word")
            self.wfile.write(b"HTTP/1.1 502 Nobody\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@contextlib.contextmanager
def stranger() -> Iterator[Stranger]:
    """A listening stranger."""
    with Stranger() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Watch:
    """Looks at all pages of a context; `faults` are sentences, `urls` all addresses that were asked for."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.origin = origin
        self.faults: list[str] = []
        self.urls: set[str] = set()
        context.on("page", self._watch)

    def _watch(self, page: Page) -> None:
        page.on("dialog", lambda dialog: self._dialog(page, dialog))
        page.on("console", lambda message: self._said(page, message))
        page.on("request", lambda request: self._asked(page, request))
        page.on("popup", lambda popup: self.faults.append(f"{page.url}: opened a window {popup.url}"))

    def _dialog(self, page: Page, dialog: Dialog) -> None:
        self.faults.append(f"{page.url}: a dialog said {dialog.message!r}")
        dialog.dismiss()

    def _said(self, page: Page, message: ConsoleMessage) -> None:
        ours = message.location.get("url", "").startswith(self.origin)
        in_frame = "/frame/" in message.location.get("url", "")
        if ALERTED.search(message.text):
            self.faults.append(f"{page.url}: a script said {message.text!r}")
        elif ours and not in_frame and REFUSED.search(message.text):
            self.faults.append(f"{page.url}: our own page tried what its policy forbids: {message.text!r}")

    def _asked(self, page: Page, request: Request) -> None:
        self.urls.add(request.url)
        if not request.url.startswith(self.origin):
            return  # what really left was noted by the stranger
        path = urlsplit(request.url).path
        # A navigation has no frame yet; what a mail's frame asks for may only be the frame itself and its pictures.
        if not request.is_navigation_request() and request.frame.parent_frame is not None and not FILE.match(path):
            self.faults.append(f"{page.url}: a mail asked for {request.url}")
        if request.is_navigation_request() and request.frame.parent_frame is not None and not FRAME.match(path):
            self.faults.append(f"{page.url}: a frame went to {request.url}")
