"""A real SMTP server (aiosmtpd) in a thread whose answers a test chooses, step by step.

`server.say("rcpt", "450 4.2.1 later")` answers the next RCPT so; `CLOSE` cuts the connection there, `STALL` never
answers, `TAKE_AND_CLOSE` (at "dot") accepts the mail and cuts the connection before saying so.
"""

import asyncio
import re
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.dovecot import make_certificate

CLOSE = "close"
STALL = "stall"
TAKE_AND_CLOSE = "take and close"
PASSWORD = "пароль с пробелом"
TOKEN = "good-token"
STEPS = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot")
_DSN = re.compile(r" (?:RET|ENVID|NOTIFY|ORCPT)=\S+", re.IGNORECASE)


@dataclass
class Received:
    """A mail that the server took: its envelope and bytes."""

    sender: str
    recipients: list[str]
    content: bytes
    mail_options: str = ""

    @property
    def mail(self) -> EmailMessage:
        return BytesParser(policy=policy.default).parsebytes(self.content)


@dataclass
class SmtpServer:
    """The server. `implicit_tls` as on port 465; otherwise it offers STARTTLS unless `tls` is off."""

    folder: Path
    implicit_tls: bool = True
    tls: bool = True
    offers: tuple[str, ...] = ("DSN",)
    size_limit: int = 30_000_000
    utf8: bool = False
    plain_login: bool = True
    port: int = 0
    received: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    at_dot: threading.Event = field(default_factory=threading.Event)
    _script: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _always: dict[str, str] = field(default_factory=dict)

    def say(self, step: str, *answers: str) -> None:
        """Answer the next times at a step so; afterwards as usual."""
        assert step in STEPS
        self._script[step] += answers

    def always(self, step: str, answer: str | None) -> None:
        """Answer so at a step from now on, None: as usual."""
        assert step in STEPS
        self._always.pop(step, None)
        if answer is not None:
            self._always[step] = answer

    def next_answer(self, step: str) -> str | None:
        script = self._script[step]
        return script.pop(0) if script else self._always.get(step)

    def settings(self, **more: Any) -> dict[str, Any]:
        """Settings of a mailbox that sends through this server."""
        way = "ssl" if self.implicit_tls else "starttls"
        return {
            "address": "support@desk.example",
            "smtp_host": "127.0.0.1",
            "smtp_port": self.port,
            "smtp_tls": way,
            **more,
        }

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    def start(self) -> "SmtpServer":
        """Listen on a port of the system's choice, or again on the one it had."""
        self.folder.mkdir(exist_ok=True)
        if not self.certificate.exists():
            make_certificate(self.folder, "127.0.0.1", "localhost")
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(self.certificate, self.folder / "key.pem")
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True, name="smtp-server")
        self._thread.start()
        assert ready.wait(10)
        return self

    def stop(self) -> None:
        """Stop listening and cut all connections."""

        def end() -> None:
            self._server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_later(0.05, self._loop.stop)

        self._loop.call_soon_threadsafe(end)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        context = self._context if self.implicit_tls and self.tls else None
        self._server = self._loop.run_until_complete(
            self._loop.create_server(self._protocol, "127.0.0.1", self.port, ssl=context)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        self._loop.close()

    def _protocol(self) -> SMTP:
        self.connections += 1
        starttls = self._context if self.tls and not self.implicit_tls else None
        return _Protocol(
            _Handler(self),
            server=self,
            tls_context=starttls,
            authenticator=_check_password,
            auth_require_tls=False,
            auth_exclude_mechanism=None if self.plain_login else ["PLAIN"],
            data_size_limit=self.size_limit,
            enable_SMTPUTF8=self.utf8,
            hostname="mail.test",
            loop=self._loop,
        )


def _check_password(_server: Any, _session: Session, _envelope: Envelope, _way: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=right, handled=True) if right else AuthResult(success=False, handled=False)


class _Handler:
    def __init__(self, server: SmtpServer) -> None:
        self.server = server

    async def handle_EHLO(
        self, server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], *(f"250-{offer}" for offer in self.server.offers), *responses[1:]]

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:
        import base64

        told = base64.b64decode(args[1]).decode()
        if f"auth=Bearer {TOKEN}\x01" in told:
            return AuthResult(success=True, auth_data=told)
        await server.challenge_auth('{"status":"401","schemes":"bearer"}')
        return AuthResult(success=False, handled=False)

    async def handle_DATA(self, server: "_Protocol", _session: Session, envelope: Envelope) -> str:
        self.server.at_dot.set()
        answer = self.server.next_answer("dot")
        if answer in (None, TAKE_AND_CLOSE) or str(answer).startswith("2"):
            content = envelope.original_content or b""
            self.server.received.append(
                Received(envelope.mail_from or "", list(envelope.rcpt_tos), content, server.mail_options)
            )
        if answer == TAKE_AND_CLOSE:
            answer = CLOSE
        if answer in (CLOSE, STALL):
            await server.misbehave(answer)
        return answer or "250 2.0.0 queued as ABC123"


class _Protocol(SMTP):
    mail_options = ""

    def __init__(self, *args: Any, server: SmtpServer, **options: Any) -> None:
        self.test = server
        super().__init__(*args, **options)

    async def misbehave(self, how: str) -> None:
        if how == STALL:
            await asyncio.sleep(3600)
        self.transport.abort()
        await asyncio.sleep(3600)

    async def _handle_client(self) -> None:
        answer = self.test.next_answer("connect")
        if answer is None:
            await super()._handle_client()
            return
        if answer in (CLOSE, STALL):
            await self.misbehave(answer)
        await self.push(answer)
        self.transport.close()

    async def _scripted(self, step: str, arg: str | None) -> bool:
        self.test.commands.append(f"{step} {arg or ''}".strip())
        answer = self.test.next_answer(step)
        if answer is None:
            return False
        if answer in (CLOSE, STALL):
            await self.misbehave(answer)
        await self.push(answer)
        if answer.startswith("421"):
            self.transport.close()
        return True

    async def smtp_EHLO(self, arg: str) -> None:
        if not await self._scripted("ehlo", arg):
            await super().smtp_EHLO(arg)

    async def smtp_STARTTLS(self, arg: str) -> None:
        if not await self._scripted("starttls", arg):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:
        if not await self._scripted("auth", arg):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str) -> None:
        if not await self._scripted("mail", arg):
            self.mail_options = arg
            await super().smtp_MAIL(_DSN.sub("", arg))

    async def smtp_RCPT(self, arg: str) -> None:
        if not await self._scripted("rcpt", arg):
            await super().smtp_RCPT(_DSN.sub("", arg))

    async def smtp_DATA(self, arg: str) -> None:
        if not await self._scripted("data", arg):
            await super().smtp_DATA(arg)


Serve = Callable[..., SmtpServer]
