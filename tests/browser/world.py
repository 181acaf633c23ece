"""Everything that a browser test talks to: the whole helpdesk, its mailbox in Dovecot, and where its replies arrive."""

import contextlib
import json
import random
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext

from tests.browser.furnish import DOOR, MAILBOX
from tests.dovecot import PASSWORD, Dovecot, wait_until
from tests.fault.stack import ROOT, Stack
from tests.smtp_server import SmtpServer

UNDO_SECONDS = 5


def quiet_port() -> int:
    """A free port below those that the system gives to outgoing connections, which might take it meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class World:
    """A running helpdesk with its surroundings. `ids` are the rows that `furnish` made, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        has_dovecot = shutil.which("dovecot") or Path("/usr/sbin/dovecot").exists()
        self.dovecot = Dovecot(folder / "dv") if has_dovecot else None
        # One certificate for both servers, so that the helpdesk trusts one authority.
        self.smtp = SmtpServer(folder / "dv")
        self.lmtp_port = quiet_port()
        self.ids: dict[str, int] = {}
        self.routes: list[str] = []
        self._states: dict[str, Any] = {}
        self.stack = Stack(
            folder,
            {
                "SSL_CERT_FILE": str(folder / "dv" / "cert.pem"),
                "OUTBOUND_ALLOW": "127.0.0.1",
                "UNDO_SECONDS": str(UNDO_SECONDS),
                "LMTP_PORT": str(self.lmtp_port),
            },
        )

    @property
    def url(self) -> str:
        """Where the pages are."""
        return self.stack.url

    def start(self) -> None:
        """Start everything and wait until it works."""
        if self.dovecot is not None:
            self.dovecot.start()
            self.dovecot.add_user(MAILBOX)
        self.smtp.start()
        self.stack.start()
        self.stack.wait_ready(120)
        self._furnish()
        wait_until(self._door_is_open, 60, "the LMTP door opens")

    def stop(self) -> None:
        """End everything."""
        self.stack.stop()
        self.smtp.stop()
        if self.dovecot is not None:
            self.dovecot.stop()

    def _furnish(self) -> None:
        smtp = {"smtp_host": "127.0.0.1", "smtp_port": self.smtp.port, "smtp_tls": "ssl"}
        order = {
            "password": PASSWORD,
            "smtp": smtp,
            "mailbox": self.dovecot.settings(MAILBOX) if self.dovecot else None,
        }
        made = subprocess.run(
            [sys.executable, "-m", "tests.browser.furnish"],
            cwd=ROOT,
            env=self.stack.environment | {"DATABASE_URL": self.stack.database_url()},
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise RuntimeError(f"the helpdesk could not be furnished:\n{made.stderr[-3000:]}")
        told = json.loads(made.stdout.splitlines()[-1])
        self.ids, self.routes = told["ids"], told["routes"]

    def _door_is_open(self) -> bool:
        with contextlib.suppress(OSError), smtplib.LMTP("127.0.0.1", self.lmtp_port) as door:
            return door.noop()[0] == 250
        return False

    # Mail

    def hand_over(self, *mails: bytes | EmailMessage, to: str = DOOR) -> None:
        """Mails through the LMTP door, each acknowledged."""
        with smtplib.LMTP("127.0.0.1", self.lmtp_port) as door:
            for mail in mails:
                raw = mail if isinstance(mail, bytes) else mail.as_bytes()
                door.sendmail("eve@customer.example", [to], raw, ["BODY=8BITMIME"])

    def ticket_of(self, title: str) -> int:
        """The id of the ticket with this subject, once it is there."""
        found: list[Any] = []

        def there() -> bool:
            found[:] = self.stack.query("SELECT id FROM tickets WHERE title = %s ORDER BY id", title)
            return bool(found)

        wait_until(there, 60, f"a ticket for {title!r}")
        return int(found[0][0])

    # People

    def sign_in(self, browser: Browser, name: str) -> Any:
        """The cookies of this person, who went through the sign-in page once."""
        if name not in self._states:
            context = browser.new_context(base_url=self.url, locale="en-GB")
            page = context.new_page()
            page.goto("/sign-in")
            page.get_by_label("Email").fill(f"{name}@desk.example")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.locator("body.desk").wait_for()
            self._states[name] = context.storage_state()
            context.close()
        return self._states[name]

    def context(self, browser: Browser, name: str, **options: Any) -> BrowserContext:
        """A browser window of this person, signed in."""
        return browser.new_context(
            base_url=self.url,
            locale="en-GB",
            storage_state=self.sign_in(browser, name),
            viewport=options.pop("viewport", {"width": 1440, "height": 900}),
            reduced_motion="reduce",
            **options,
        )


@contextlib.contextmanager
def running() -> Iterator[World]:
    """A world in a folder of its own, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="hw-", dir="/tmp"))
    folder.chmod(0o711)  # as root the engines run as another account, which must be able to pass through
    world = World(folder)
    try:
        world.start()
        yield world
    finally:
        world.stop()
        shutil.rmtree(folder, ignore_errors=True)
