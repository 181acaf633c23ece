"""Handing a mail to the outgoing server (RFC 5321): who took it, who did not, and when nobody can know.

4yz means later and 5yz never, for each recipient. A connection that is lost after the final dot leaves the delivery
unknown (RFC 1047). Encryption is required and never falls back. Connections are kept for the next mail.
"""

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask_babel import gettext as _

from helpdesk.outbound import OutboundRefused
from queues.channels.base import ChannelDown, DeliveryError, Outbound, Receipt, RecipientResult, Secrets, SourceTrouble
from queues.channels.email import tokens, wire
from queues.channels.email.problems import N_
from queues.channels.email.settings import MailboxSettings, password_for_smtp
from queues.channels.email.smtp_wire import ANSWER_SECONDS, DATA_SECONDS, DOT_SECONDS, Answer, Lost, Wire

_AUTH_WANTED = frozenset({530, 534, 535, 538})
_KEEP_SECONDS = 20.0
_MOST_MAILS = 100


@dataclass
class Session:
    """A connection that is signed in, and what its server offers (RFC 1869 keywords with their parameters)."""

    wire: Wire
    offers: dict[str, str]
    mails: int = 0
    used_at: float = field(default_factory=time.monotonic)


def send(
    outbound: Outbound,
    box: MailboxSettings,
    secrets: Secrets,
    before_last_byte: Callable[[], None],
) -> Receipt:
    """Hand a mail over; `before_last_byte` is called just before the final dot, and may raise to stop it.

    Raises ChannelDown when the server cannot be reached or does not let us in, DeliveryError when the connection broke
    before the mail was handed over.
    """
    session = _kept.take(box)
    if session is not None:
        try:
            return _use(session, box, outbound, before_last_byte)
        except _LostAtOnce:
            pass  # a kept connection may have ended meanwhile; nothing was said on it yet
    try:
        return _use(open_session(box, secrets), box, outbound, before_last_byte)
    except _LostAtOnce as lost:
        raise ChannelDown(_("%(host)s ends the connection: %(words)s.", host=box.smtp_host, words=lost)) from lost


def open_session(box: MailboxSettings, secrets: Secrets, patience: float = DOT_SECONDS) -> Session:
    """Connect, encrypt, sign in; no answer is waited for longer than `patience`, in seconds.

    Raises ChannelDown with the reason in words.
    """
    try:
        connection = Wire(box.smtp_host, box.smtp_port, patience)
    except OutboundRefused as error:
        raise ChannelDown(error.message) from error
    except OSError as error:
        words = error.strerror or str(error)
        raise ChannelDown(
            _(
                "%(host)s cannot be reached on port %(port)s: %(words)s.",
                host=box.smtp_host,
                port=box.smtp_port,
                words=words,
            )
        ) from error
    try:
        return Session(connection, _begin(connection, box, secrets))
    except Lost as error:
        connection.close()
        raise ChannelDown(_("%(host)s cannot be used: %(words)s.", host=box.smtp_host, words=error)) from error
    except SourceTrouble as error:  # nobody is signed in any more, or the identity provider is away
        connection.close()
        raise ChannelDown(str(error)) from error
    except BaseException:
        connection.close()
        raise


def _begin(connection: Wire, box: MailboxSettings, secrets: Secrets) -> dict[str, str]:
    if box.smtp_tls == "ssl":
        connection.encrypt()
    _expect_yes(connection.answer(ANSWER_SECONDS), box, N_("%(host)s does not take mail at the moment: %(words)s"))
    offers = _introduce(connection, box)
    if box.smtp_tls == "starttls":
        if "STARTTLS" not in offers:
            raise ChannelDown(_("%(host)s offers no encryption (STARTTLS), so no mail is sent.", host=box.smtp_host))
        _expect_yes(connection.command("STARTTLS"), box, N_("%(host)s refuses encryption: %(words)s"))
        connection.encrypt()
        offers = _introduce(connection, box)
    _sign_in(connection, offers, box, secrets)
    return offers


def _introduce(connection: Wire, box: MailboxSettings) -> dict[str, str]:
    answer = connection.command(f"EHLO {connection.name}")
    _expect_yes(answer, box, N_("%(host)s does not greet us: %(words)s"))
    keywords = (line.partition(" ") for line in answer.lines[1:])
    return {name.upper(): parameters.strip() for name, _space, parameters in keywords}


def _sign_in(connection: Wire, offers: dict[str, str], box: MailboxSettings, secrets: Secrets) -> None:
    """AUTH (RFC 4954) by OAuth2, PLAIN or LOGIN; a server that asks for no password gets none."""
    ways = offers.get("AUTH", "").upper().split()
    password = password_for_smtp(secrets)
    if box.auth == "oauth2":
        answer = _by_oauth(connection, box, secrets)
    elif not password:
        return
    elif "PLAIN" in ways:
        answer = connection.command(f"AUTH PLAIN {_base64(f'{chr(0)}{box.smtp_login}{chr(0)}{password}')}")
    elif "LOGIN" in ways:
        answer = connection.command(f"AUTH LOGIN {_base64(box.smtp_login)}")
        if answer.code == 334:
            answer = connection.command(_base64(password))
    else:
        raise ChannelDown(
            _(
                "%(host)s offers no way to sign in that we know (%(ways)s).",
                host=box.smtp_host,
                ways=" ".join(ways) or "–",
            )
        )
    _expect_yes(answer, box, N_("%(host)s refuses the sign-in: %(words)s"))


def _by_oauth(connection: Wire, box: MailboxSettings, secrets: Secrets) -> Answer:
    """XOAUTH2; an access token that is refused is refreshed once, because it may have been withdrawn early."""
    from queues.channels.email import oauth

    try:
        answer = _try_token(connection, box, oauth.access_token(box, secrets))
        if answer.ok:
            return answer
        return _try_token(connection, box, oauth.access_token(box, secrets, fresh=True))
    except SourceTrouble as error:
        raise ChannelDown(str(error)) from error


def _try_token(connection: Wire, box: MailboxSettings, token: str) -> Answer:
    response = _base64(f"user={box.smtp_login}\x01auth=Bearer {token}\x01\x01")
    answer = connection.command(f"AUTH XOAUTH2 {response}")
    return connection.command("") if answer.code == 334 else answer  # the refusal's reason is taken by an empty line


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _expect_yes(answer: Answer, box: MailboxSettings, otherwise: str) -> None:
    if not answer.ok:
        raise ChannelDown(_(otherwise, host=box.smtp_host, words=f"{answer.status} {answer.words}"))


class _LostAtOnce(Exception):
    """The connection ended before the first command of this mail was answered."""


def _use(session: Session, box: MailboxSettings, outbound: Outbound, before_last_byte: Callable[[], None]) -> Receipt:
    """One mail over a session, which is kept for the next one when it is still in order."""
    transaction = Transaction(session, box, outbound, before_last_byte)
    try:
        receipt = transaction.run()
    except BaseException:
        session.wire.close()
        raise
    if receipt.unknown or transaction.broken:
        session.wire.close()
    else:
        _kept.keep(box, session)
    return receipt


class Transaction:
    """One mail from MAIL to the final dot."""

    def __init__(
        self, session: Session, box: MailboxSettings, outbound: Outbound, before_last_byte: Callable[[], None]
    ) -> None:
        self.wire = session.wire
        self.offers = session.offers
        self.box = box
        self.outbound = outbound
        self.before_last_byte = before_last_byte
        self.results: dict[str, RecipientResult] = {}
        self.broken = False

    def run(self) -> Receipt:
        """Everything; see `send`."""
        wired = self._possible_recipients()
        if not wired:
            return self._receipt()
        if not self._mail(list(wired), "".join(wired.values()).isascii()):
            return self._receipt()
        try:
            accepted = [address for address, on_wire in wired.items() if self._rcpt(address, on_wire)]
            if not accepted:
                return self._reset()
            answer = self.wire.command("DATA", DATA_SECONDS)
            if answer.code != 354:
                self._note(accepted, answer)
                return self._reset()
            self.wire.body(self.outbound.rendered)
        except Lost as lost:
            raise DeliveryError(
                _("%(host)s was lost before the mail was handed over: %(words)s.", host=self.box.smtp_host, words=lost)
            ) from lost
        self.before_last_byte()
        return self._dot(accepted)

    def _possible_recipients(self) -> dict[str, str]:
        """Recipients that this server can be told, as they are written on the wire; the others fail at once."""
        wired: dict[str, str] = {}
        size = len(self.outbound.rendered)
        limit = self.offers.get("SIZE", "")
        too_large = limit.isascii() and limit.isdigit() and 0 < int(limit) < size
        international = "SMTPUTF8" in self.offers
        for address in self.outbound.recipients:
            on_wire = wire.wire_address(address)
            if on_wire is None:
                self._refuse(address, "553 5.1.3", _("This is not a mail address."))
            elif too_large:
                words = _(
                    "The mail has %(size)s MB; %(host)s takes at most %(largest)s MB.",
                    size=f"{size / 1e6:.1f}",
                    host=self.box.smtp_host,
                    largest=f"{int(limit) / 1e6:.1f}",
                )
                self._refuse(address, "552 5.3.4", words)
            elif not international and not (on_wire.isascii() and self.outbound.rendered.isascii()):
                words = _("%(host)s cannot send to addresses that are not in Latin letters.", host=self.box.smtp_host)
                self._refuse(address, "550 5.6.7", words)
            else:
                wired[address] = on_wire
        return wired

    def _mail(self, recipients: list[str], plain: bool) -> bool:
        """MAIL; False when the answer settles all recipients. `plain`: none of them needs more than ASCII.

        A server that refuses a signed envelope sender is asked with the bare address: reports then come there.
        """
        sender = self.outbound.envelope_sender
        bare, token = tokens.split_address(sender)
        answer = self._mail_from(sender, plain)
        if token and 500 <= answer.code < 600:
            answer = self._mail_from(bare, plain)
        if not answer.ok:
            self._note(recipients, answer)
        return answer.ok

    def _mail_from(self, sender: str, plain: bool) -> Answer:
        line = f"MAIL FROM:<{sender}>"
        if "SIZE" in self.offers:
            line += f" SIZE={len(self.outbound.rendered)}"
        if "DSN" in self.offers:
            line += f" RET=HDRS ENVID={tokens.bounce_token(self.outbound.item_id)}"
        if not (plain and self.outbound.rendered.isascii()):
            line += " BODY=8BITMIME SMTPUTF8"
        try:
            answer = self.wire.command(line)
        except Lost as lost:
            raise _LostAtOnce(str(lost)) from lost
        if answer.code == 421:
            raise _LostAtOnce(f"{answer.status} {answer.words}")
        if answer.code in _AUTH_WANTED:
            raise ChannelDown(f"{self.box.smtp_host} does not let us send: {answer.status} {answer.words}")
        return answer

    def _rcpt(self, address: str, on_wire: str) -> bool:
        line = f"RCPT TO:<{on_wire}>"
        if "DSN" in self.offers:
            line += f" NOTIFY=FAILURE,DELAY ORCPT=rfc822;{_xtext(on_wire)}"
        answer = self.wire.command(line)
        if answer.code == 421:
            raise Lost(f"{answer.status} {answer.words}")
        if not answer.ok:
            self._note([address], answer)
        return answer.ok

    def _dot(self, accepted: list[str]) -> Receipt:
        try:
            answer = self.wire.final_dot()
        except Lost:
            return Receipt(list(self.results.values()), unknown=True)
        self.broken = answer.code == 421
        self._note(accepted, answer)
        return self._receipt(answer.words if answer.ok else None)

    def _reset(self) -> Receipt:
        """End a transaction that hands nothing over; what is known stays known, whatever the server says to it."""
        try:
            self.broken = not self.wire.command("RSET").ok
        except Lost:
            self.broken = True
        return self._receipt()

    def _note(self, addresses: list[str], answer: Answer) -> None:
        """An answer that settles these recipients; what is neither yes nor no counts as later."""
        state = "sent" if answer.ok else "failed" if 500 <= answer.code < 600 else "deferred"
        for address in addresses:
            self.results[address] = RecipientResult(address, state, answer.status, answer.words)

    def _refuse(self, address: str, code: str, words: str) -> None:
        self.results[address] = RecipientResult(address, "failed", code, words)

    def _receipt(self, external_id: str | None = None) -> Receipt:
        return Receipt(list(self.results.values()), external_id)


def _xtext(text: str) -> str:
    """The encoding of DSN parameters (RFC 3461 4)."""
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)


def _account(box: MailboxSettings) -> tuple[str | int, ...]:
    """What a connection is good for: mails of whoever signs in to the same server by the same name."""
    return box.smtp_host, box.smtp_port, box.smtp_tls, box.auth, box.smtp_login


class _Kept:
    """Connections waiting for their next mail, for some seconds; a clock of its own ends the forgotten ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str | int, ...], list[Session]] = {}
        self._sweeper: threading.Timer | None = None

    def take(self, box: MailboxSettings) -> Session | None:
        """A connection of this mailbox that is fresh enough."""
        with self._lock:
            waiting = self._sessions.get(_account(box), [])
            session = waiting.pop() if waiting else None
        if session is None or time.monotonic() - session.used_at < _KEEP_SECONDS:
            return session
        session.wire.close()
        return None

    def keep(self, box: MailboxSettings, session: Session) -> None:
        """Keep a connection, unless it has carried enough."""
        session.mails += 1
        session.used_at = time.monotonic()
        if session.mails >= _MOST_MAILS:
            session.wire.quit()
            return
        with self._lock:
            self._sessions.setdefault(_account(box), []).append(session)
            if self._sweeper is None:
                self._sweeper = threading.Timer(_KEEP_SECONDS, self._sweep)
                self._sweeper.daemon = True
                self._sweeper.start()

    def close_all(self) -> None:
        """End all waiting connections, e.g. before the process ends."""
        with self._lock:
            waiting = [session for sessions in self._sessions.values() for session in sessions]
            self._sessions.clear()
        for session in waiting:
            session.wire.quit()

    def _sweep(self) -> None:
        with self._lock:
            self._sweeper = None
        self.close_all()


_kept = _Kept()
close_all = _kept.close_all
