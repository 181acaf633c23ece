"""The conversation with an outgoing server: every step, every kind of answer, and what it means for each recipient."""

from collections.abc import Callable
from typing import Any

import pytest

from queues.channels.base import ChannelDown, DeliveryError, Outbound, Receipt, Secrets
from queues.channels.email import smtp, smtp_wire, tokens
from queues.channels.email.settings import MailboxSettings
from tests.smtp_server import CLOSE, PASSWORD, STALL, TAKE_AND_CLOSE, TOKEN, SmtpServer

Serve = Callable[..., SmtpServer]
EVE, ADAM = "eve@customer.example", "adam@customer.example"
BYTES = b"From: support@desk.example\r\nTo: eve@customer.example\r\nSubject: t\r\n\r\nbody\r\n"


def outbound(*recipients: str, rendered: bytes = BYTES, item_id: int = 7) -> Outbound:
    return Outbound(item_id, "<t1.2.x@desk.example>", "support@desk.example", list(recipients or (EVE,)), rendered)


def send(server: SmtpServer, mail: Outbound | None = None, dot: Any = lambda: None, **settings: Any) -> Receipt:
    box = MailboxSettings(**server.settings(**settings))
    return smtp.send(mail or outbound(), box, Secrets(password=PASSWORD), dot)


def states(receipt: Receipt) -> dict[str, tuple[str, str]]:
    return {result.address: (result.state, result.code) for result in receipt.results}


@pytest.mark.parametrize("implicit_tls", [True, False], ids=["tls", "starttls"])
def test_mail_arrives_as_it_was_made(serve: Serve, app: Any, implicit_tls: bool) -> None:
    server = serve(implicit_tls=implicit_tls)
    dots: list[int] = []
    receipt = send(server, dot=lambda: dots.append(len(server.received)))
    assert states(receipt) == {EVE: ("sent", "250 2.0.0")}
    assert "ABC123" in (receipt.external_id or "")
    (got,) = server.received
    assert got.content == BYTES
    assert (got.sender, got.recipients) == ("support@desk.example", [EVE])
    assert dots == [0], "called once, before the server had the mail"


def test_reports_are_asked_for(serve: Serve, app: Any) -> None:
    server = serve()
    send(server)
    assert f"ENVID={tokens.bounce_token(7)}" in server.received[0].mail_options
    assert "RET=HDRS" in server.received[0].mail_options
    assert any("NOTIFY=FAILURE,DELAY" in command and "ORCPT=rfc822;" in command for command in server.commands)


def test_no_report_is_asked_for_where_none_is_offered(serve: Serve, app: Any) -> None:
    server = serve(offers=())
    send(server)
    assert not any("ENVID" in command or "NOTIFY" in command for command in server.commands)


WHOLE = [
    ("connect", "421 4.3.2 busy"),
    ("connect", "554 5.3.2 no service"),
    ("connect", "220"),
    ("connect", CLOSE),
    ("ehlo", "421 4.3.2 closing"),
    ("ehlo", "550 5.7.1 go away"),
    ("ehlo", CLOSE),
    ("auth", "535 5.7.8 wrong password"),
    ("auth", "454 4.7.0 later"),
    ("auth", CLOSE),
    ("mail", "421 4.3.2 too many"),
    ("mail", "530 5.7.0 sign in first"),
    ("mail", CLOSE),
]


@pytest.mark.parametrize(("step", "answer"), WHOLE)
def test_channel_is_down(serve: Serve, app: Any, step: str, answer: str) -> None:
    server = serve()
    server.say(step, answer)
    if answer == "220":
        server.always("ehlo", CLOSE)
    with pytest.raises(ChannelDown) as fault:
        send(server, dot=pytest.fail)
    assert "127.0.0.1" in str(fault.value)
    assert server.received == []


SETTLED = [
    ("mail", "451 4.3.0 later", "deferred", "451 4.3.0"),
    ("mail", "452 4.3.1 full", "deferred", "452 4.3.1"),
    ("mail", "550 5.1.8 bad sender", "failed", "550 5.1.8"),
    ("mail", "552 5.3.4 too large", "failed", "552 5.3.4"),
    ("rcpt", "450 4.2.1 busy", "deferred", "450 4.2.1"),
    ("rcpt", "451 greylisted", "deferred", "451"),
    ("rcpt", "550 5.1.1 no such user", "failed", "550 5.1.1"),
    ("rcpt", "551 5.7.1 not local", "failed", "551 5.7.1"),
    ("data", "451 4.3.0 later", "deferred", "451 4.3.0"),
    ("data", "554 5.6.0 no", "failed", "554 5.6.0"),
    ("dot", "451 4.3.0 later", "deferred", "451 4.3.0"),
    ("dot", "421 4.3.2 closing", "deferred", "421 4.3.2"),
    ("dot", "552 5.2.2 full", "failed", "552 5.2.2"),
    ("dot", "554 5.7.1 spam", "failed", "554 5.7.1"),
    ("dot", "299 odd but yes", "sent", "299"),
    ("dot", "399 odd", "deferred", "399"),
]


@pytest.mark.parametrize(("step", "answer", "state", "code"), SETTLED)
def test_answer_settles_the_recipient(serve: Serve, app: Any, step: str, answer: str, state: str, code: str) -> None:
    server = serve()
    server.say(step, answer)
    receipt = send(server)
    assert states(receipt) == {EVE: (state, code)}
    assert not receipt.unknown
    assert len(server.received) == (1 if state == "sent" else 0)


@pytest.mark.parametrize(("step", "answer"), [("rcpt", CLOSE), ("rcpt", "421 4.3.2 out"), ("data", CLOSE)])
def test_lost_before_the_dot_is_an_ordinary_fault(serve: Serve, app: Any, step: str, answer: str) -> None:
    server = serve()
    server.say(step, answer)
    with pytest.raises(DeliveryError) as fault:
        send(server, dot=pytest.fail)
    assert not isinstance(fault.value, ChannelDown)
    assert not fault.value.permanent


@pytest.mark.parametrize("answer", [CLOSE, TAKE_AND_CLOSE, "garbage"])
def test_lost_after_the_dot_is_unknown(serve: Serve, app: Any, answer: str) -> None:
    server = serve()
    server.say("dot", answer)
    receipt = send(server)
    assert receipt.unknown
    assert receipt.results == []


def test_stalled_dot_is_unknown_after_its_time(serve: Serve, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_wire, "DOT_SECONDS", 0.5)
    server = serve()
    server.say("dot", STALL)
    assert send(server).unknown


def test_each_recipient_has_an_outcome_of_its_own(serve: Serve, app: Any) -> None:
    server = serve()
    server.say("rcpt", "550 5.1.1 no such user", "450 4.2.1 busy")
    receipt = send(server, outbound(ADAM, "third@customer.example", EVE, "not an address"))
    assert states(receipt) == {
        ADAM: ("failed", "550 5.1.1"),
        "third@customer.example": ("deferred", "450 4.2.1"),
        EVE: ("sent", "250 2.0.0"),
        "not an address": ("failed", "553 5.1.3"),
    }
    assert server.received[0].recipients == [EVE]


def test_refused_recipient_stays_refused_when_the_dot_is_lost(serve: Serve, app: Any) -> None:
    server = serve()
    server.say("rcpt", "550 5.1.1 no such user")
    server.say("dot", CLOSE)
    receipt = send(server, outbound(ADAM, EVE))
    assert receipt.unknown
    assert states(receipt) == {ADAM: ("failed", "550 5.1.1")}


def test_stop_before_the_dot_hands_nothing_over(serve: Serve, app: Any) -> None:
    server = serve()

    def refuse() -> None:
        raise RuntimeError("lease lost")

    with pytest.raises(RuntimeError):
        send(server, dot=refuse)
    send(server)
    assert len(server.received) == 1


def test_connection_is_kept_for_the_next_mail(serve: Serve, app: Any) -> None:
    server = serve()
    for _ in range(5):
        send(server)
    assert (len(server.received), server.connections) == (5, 1)


def test_kept_connection_that_ended_is_replaced(serve: Serve, app: Any) -> None:
    server = serve()
    send(server)
    server.say("mail", CLOSE)
    assert states(send(server)) == {EVE: ("sent", "250 2.0.0")}
    assert server.connections == 2


def test_encryption_never_falls_back(serve: Serve, app: Any) -> None:
    server = serve(implicit_tls=False, tls=False)
    with pytest.raises(ChannelDown, match="STARTTLS"):
        send(server)
    assert not any(command.startswith(("auth", "mail")) for command in server.commands)


def test_refused_starttls_is_no_reason_to_go_on(serve: Serve, app: Any) -> None:
    server = serve(implicit_tls=False)
    server.say("starttls", "454 4.7.0 not now")
    with pytest.raises(ChannelDown, match="encryption"):
        send(server)
    assert not any(command.startswith(("auth", "mail")) for command in server.commands)


@pytest.mark.parametrize("implicit_tls", [True, False], ids=["tls", "starttls"])
def test_strange_certificate_is_not_trusted(
    serve: Serve, app: Any, implicit_tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(implicit_tls=implicit_tls)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ChannelDown, match="certificate"):
        send(server)
    assert not any(command.startswith(("auth", "mail")) for command in server.commands)


def test_private_host_needs_leave(serve: Serve, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from helpdesk.config import settings

    server = serve()
    monkeypatch.setattr(settings(), "outbound_allow", [])
    with pytest.raises(ChannelDown, match="OUTBOUND_ALLOW"):
        send(server)
    assert server.connections == 0


def test_wrong_password_says_so(serve: Serve, app: Any) -> None:
    server = serve()
    box = MailboxSettings(**server.settings())
    with pytest.raises(ChannelDown, match="refuses the sign-in"):
        smtp.send(outbound(), box, Secrets(password="wrong"), pytest.fail)


def test_login_where_plain_is_missing(serve: Serve, app: Any) -> None:
    server = serve(plain_login=False)
    assert states(send(server)) == {EVE: ("sent", "250 2.0.0")}
    assert any(command.startswith("auth LOGIN") for command in server.commands)


def test_size_is_looked_at_before(serve: Serve, app: Any) -> None:
    server = serve(size_limit=2000)
    receipt = send(server, outbound(rendered=BYTES + b"x" * 3000))
    assert states(receipt) == {EVE: ("failed", "552 5.3.4")}
    assert not any(command.startswith("mail") for command in server.commands)


def test_foreign_letters_need_smtputf8(serve: Serve, app: Any) -> None:
    server = serve()
    receipt = send(server, outbound("ева@customer.example", EVE))
    assert states(receipt)["ева@customer.example"] == ("failed", "550 5.6.7")
    assert states(receipt)[EVE][0] == "sent"


def test_foreign_letters_with_smtputf8(serve: Serve, app: Any) -> None:
    server = serve(utf8=True)
    assert states(send(server, outbound("ева@customer.example")))["ева@customer.example"][0] == "sent"


def test_foreign_domain_is_written_in_ascii(serve: Serve, app: Any) -> None:
    server = serve()
    assert states(send(server, outbound("eve@пример.рф")))["eve@пример.рф"][0] == "sent"
    assert server.received[0].recipients == ["eve@xn--e1afmkfd.xn--p1ai"]


@pytest.mark.parametrize("bad", ["eve@x.example>\r\nRCPT TO:<other@x.example", "eve@x.example\nDATA", "a b@x.example"])
def test_recipient_is_never_a_command(serve: Serve, app: Any, bad: str) -> None:
    server = serve()
    receipt = send(server, outbound(bad))
    assert states(receipt)[bad][0] == "failed"
    assert not any(command.startswith("rcpt") for command in server.commands)


@pytest.mark.parametrize(
    "inner",
    [b"\n.\n", b"\r\n.\r\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n..\r\n"],
)
def test_body_stays_one_mail(serve: Serve, app: Any, inner: bytes) -> None:
    server = serve()
    smuggled = BYTES + b"first" + inner + b"MAIL FROM:<ceo@desk.example>\r\nRCPT TO:<x@x.example>\r\nDATA\r\nevil\r\n"
    send(server, outbound(rendered=smuggled))
    send(server)
    assert len(server.received) == 2
    assert b"evil" in server.received[0].content
    assert server.received[1].content == BYTES


def signed(token: str = "b7.k1.aaaaaaaaaaaaaaaa") -> Outbound:
    return Outbound(7, "<t1.2.x@desk.example>", f"support+{token}@desk.example", [EVE], BYTES)


def test_signed_envelope_sender_is_used(serve: Serve, app: Any) -> None:
    server = serve()
    send(server, signed())
    assert server.received[0].sender == "support+b7.k1.aaaaaaaaaaaaaaaa@desk.example"


def test_server_that_refuses_it_gets_the_bare_address(serve: Serve, app: Any) -> None:
    server = serve()
    server.say("mail", "553 5.7.1 not your address")
    assert states(send(server, signed())) == {EVE: ("sent", "250 2.0.0")}
    assert server.received[0].sender == "support@desk.example"


def tokens_of(token: str) -> Secrets:
    return Secrets(oauth_access_token=token, oauth_expires_at="99999999999")


def test_sign_in_by_oauth(serve: Serve, app: Any) -> None:
    server = serve()
    box = MailboxSettings(**server.settings(auth="oauth2"))
    assert states(smtp.send(outbound(), box, tokens_of(TOKEN), lambda: None)) == {EVE: ("sent", "250 2.0.0")}


def test_refused_token_is_refreshed_once(serve: Serve, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from queues.channels.email import oauth

    server = serve()
    box = MailboxSettings(**server.settings(auth="oauth2"))
    asked: list[bool] = []

    def token(_box: Any, _secrets: Any, fresh: bool = False) -> str:
        asked.append(fresh)
        return TOKEN if fresh else "withdrawn"

    monkeypatch.setattr(oauth, "access_token", token)
    assert states(smtp.send(outbound(), box, tokens_of("withdrawn"), lambda: None)) == {EVE: ("sent", "250 2.0.0")}
    assert asked == [False, True]


def test_no_way_to_refresh_asks_for_a_sign_in(serve: Serve, app: Any) -> None:
    server = serve()
    box = MailboxSettings(**server.settings(auth="oauth2"))
    with pytest.raises(ChannelDown) as fault:
        smtp.send(outbound(), box, tokens_of("withdrawn"), pytest.fail)
    assert str(fault.value)


def test_command_is_one_line() -> None:
    wire = object.__new__(smtp_wire.Wire)
    with pytest.raises(ValueError, match="one line"):
        wire.command("MAIL FROM:<a@b>\r\nRSET")
