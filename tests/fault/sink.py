"""Where replies arrive: an SMTP server over TLS that writes down what it took, and cuts some connections too late."""

import logging
import random
import re
import ssl
import time
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.dovecot import free_port
from tests.fault.intents import Arrival, Intents

MARKER = re.compile(r"reply-\d+-[a-z]+-\d+")


class Sink:
    """The server. `cut` is the share of mails after whose final dot the connection is cut without an answer."""

    def __init__(self, certificates: Path, intents: Intents, rng: random.Random, cut: float = 0.02) -> None:
        self.intents = intents
        self.rng = rng
        self.cut = cut
        self.port = free_port()
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's own deprecations, for each session
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
        self.controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=context,
            authenticator=lambda *_: AuthResult(success=True),
            auth_require_tls=False,  # aiosmtpd knows STARTTLS only; here all is TLS from the first byte
        )

    def __enter__(self) -> "Sink":
        self.controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.controller.stop()

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:
        """Take one mail, durably, before it is acknowledged; or take it and say nothing."""
        mail = message_from_bytes(envelope.content, policy=policy.default)
        text = mail.get_body(("plain",))
        found = MARKER.search(text.get_content() if text else "")
        cut = self.rng.random() < self.cut
        for recipient in envelope.rcpt_tos:
            header_id = str(mail["Message-ID"]).strip()
            self.intents.arrive(Arrival(header_id, recipient, found[0] if found else "", cut, time.time()))
        if cut:
            server.transport.abort()
        return "250 taken"
