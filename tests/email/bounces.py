"""Delivery reports as the common servers write them, with the facts that are in them."""
# ruff: noqa: E501 -- mails read better as they came

from dataclasses import dataclass

from tests.email.build import mail, multipart, simple, text_part


@dataclass(frozen=True, slots=True)
class Bounce:
    """A report: (recipient, action, status) and the Message-ID of the mail that came back."""

    raw: bytes
    recipient: str | None
    action: str
    status: str | None
    original: str | None = "<t7.42.k1.sig@example.com>"


_ORIGINAL_HEADERS = (
    "Return-Path: <support@example.com>\r\nReceived: from mail.example.com by mx; Wed, 30 Apr 2025 15:19:54 +0300\r\n"
    "From: Support <support@example.com>\r\nTo: gone@example.net\r\nSubject: Re: your order\r\n"
    "Message-ID: <t7.42.k1.sig@example.com>\r\n"
)


def report(
    status: str,
    text: str,
    *,
    sender: str = "MAILER-DAEMON@mx.example.org (Mail Delivery System)",
    subject: str = "Undelivered Mail Returned to Sender",
    headers_only: bool = False,
    **fields: str,
) -> bytes:
    """An RFC 3464 report with a human text, the status part and the returned mail."""
    returned = "text/rfc822-headers" if headers_only else "message/rfc822"
    body = _ORIGINAL_HEADERS + ("" if headers_only else "\r\nDear customer, ...\r\n")
    content_type, content = multipart(
        "report",
        [
            text_part(text),
            f"Content-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n{status}".encode(),
            f"Content-Type: {returned}\r\n\r\n{body}".encode(),
        ],
        "=_report",
        "; report-type=delivery-status",
    )
    values = {
        "Return-Path": "<>",
        "From": sender,
        "To": "support@example.com",
        "Subject": subject,
        "Message-ID": "<r@mx>",
    }
    values |= {name.replace("_", "-"): value for name, value in fields.items()}
    return mail([*values.items(), ("Content-Type", content_type)], content)


def plain(text: str, *, sender: str, subject: str, **fields: str) -> bytes:
    """A report of an old form: nothing but text."""
    return simple(text, From=sender, To="support@example.com", Subject=subject, Message_ID="<r@mx>", **fields)


_POSTFIX = (
    "Reporting-MTA: dns; mx.example.org\r\nX-Postfix-Queue-ID: 4ABC\r\nArrival-Date: Wed, 30 Apr 2025 15:19:54 +0300\r\n\r\n"
    "Final-Recipient: rfc822; gone@example.net\r\nOriginal-Recipient: rfc822;gone@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    "Remote-MTA: dns; mx.example.net\r\nDiagnostic-Code: smtp; 550 5.1.1 <gone@example.net>: Recipient address\r\n    rejected: User unknown\r\n"
)

BOUNCES: dict[str, Bounce] = {
    "postfix": Bounce(
        report(
            _POSTFIX,
            "This is the mail system at host mx.example.org.\n\nI'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients.",
        ),
        "gone@example.net",
        "failed",
        "5.1.1",
    ),
    "postfix-headers": Bounce(
        report(_POSTFIX, "This is the mail system at host mx.", headers_only=True),
        "gone@example.net",
        "failed",
        "5.1.1",
    ),
    "postfix-delayed": Bounce(
        report(
            "Reporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; gone@example.net\r\nAction: delayed\r\nStatus: 4.4.1\r\nDiagnostic-Code: X-Postfix; connect to mx.example.net: Connection timed out\r\nWill-Retry-Until: Mon, 5 May 2025\r\n",
            "THIS IS A WARNING ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE.",
            subject="Delayed Mail (still being retried)",
        ),
        "gone@example.net",
        "delayed",
        "4.4.1",
    ),
    "exim": Bounce(
        report(
            "Reporting-MTA: dns; exim.example.org\r\n\r\nAction: failed\r\nFinal-Recipient: rfc822;gone@example.net\r\nStatus: 5.0.0\r\nRemote-MTA: dns; mx.example.net\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user\r\n",
            "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error.",
            sender="Mail Delivery System <Mailer-Daemon@exim.example.org>",
            subject="Mail delivery failed: returning message to sender",
            X_Failed_Recipients="gone@example.net",
            Auto_Submitted="auto-replied",
        ),
        "gone@example.net",
        "failed",
        "5.1.1",
    ),
    "exim-old": Bounce(
        plain(
            "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  gone@example.net\n    SMTP error from remote mail server after RCPT TO:<gone@example.net>:\n    host mx.example.net [192.0.2.7]: 550 5.1.1 <gone@example.net>: User unknown\n\n------ This is a copy of the message, including all the headers. ------\n\nReturn-path: <support@example.com>\nFrom: Support <support@example.com>\nTo: gone@example.net\nMessage-ID: <t7.42.k1.sig@example.com>\n\nText\n",
            sender="Mail Delivery System <Mailer-Daemon@exim.example.org>",
            subject="Mail delivery failed: returning message to sender",
            X_Failed_Recipients="gone@example.net",
        ),
        "gone@example.net",
        "failed",
        "5.1.1",
    ),
    "exim-delay": Bounce(
        plain(
            "This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue on exim.example.org.\n\nThe message identifier is:     1abc-000\nThe address to which the message has not yet been delivered is:\n\n  gone@example.net\n\nNo action is required on your part. Delivery attempts will continue for\nsome time.\n",
            sender="Mail Delivery System <Mailer-Daemon@exim.example.org>",
            subject="Warning: message 1abc-000 delayed 24 hours",
        ),
        "gone@example.net",
        "delayed",
        None,
        None,
    ),
    "qmail": Bounce(
        plain(
            "Hi. This is the qmail-send program at example.org.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<gone@example.net>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 5.1.1 <gone@example.net>: Recipient address rejected: User unknown in virtual mailbox table\nGiving up on 192.0.2.7.\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <support@example.com>\nReceived: (qmail 1 invoked by uid 1)\nMessage-ID: <t7.42.k1.sig@example.com>\nFrom: support@example.com\nTo: gone@example.net\n\nText\n",
            sender="MAILER-DAEMON@example.org",
            subject="failure notice",
        ),
        "gone@example.net",
        "failed",
        "5.1.1",
    ),
    "exchange": Bounce(
        report(
            "Reporting-MTA: dns;EX01.corp.example\r\nReceived-From-MTA: dns;EX02.corp.example\r\nArrival-Date: Wed, 30 Apr 2025 12:19:54 +0000\r\n\r\nFinal-Recipient: rfc822;gone@example.net\r\nAction: failed\r\nStatus: 5.1.10\r\nDiagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient gone@example.net not found by SMTP address lookup\r\n",
            "Your message to gone@example.net couldn't be delivered.\ngone wasn't found at example.net.",
            sender="Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@corp.example>",
            subject="Undeliverable: Re: your order",
            Auto_Submitted="auto-replied",
        ),
        "gone@example.net",
        "failed",
        "5.1.10",
    ),
    "exchange-2003": Bounce(
        plain(
            "Your message did not reach some or all of the intended recipients.\n\n      Subject:  Re: your order\n      Sent:     4/30/2025 3:19 PM\n\nThe following recipient(s) could not be reached:\n\n      'gone@example.net' on 4/30/2025 3:19 PM\n            The e-mail account does not exist at the organization this message was sent to.  Check the e-mail address, or contact the recipient directly to find out the correct address.\n            <mail.corp.example #5.1.1>\n",
            sender="System Administrator <postmaster@corp.example>",
            subject="Undeliverable: Re: your order",
            In_Reply_To="<t7.42.k1.sig@example.com>",
        ),
        "gone@example.net",
        "failed",
        "5.1.1",
    ),
    "gmail": Bounce(
        report(
            "Reporting-MTA: dns; googlemail.com\r\nReceived-From-MTA: dns; support@example.com\r\nArrival-Date: Wed, 30 Apr 2025 05:19:54 -0700 (PDT)\r\nX-Original-Message-ID: <t7.42.k1.sig@example.com>\r\n\r\nFinal-Recipient: rfc822; gone@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.example.net. (192.0.2.7, the server for the domain example.net.)\r\nDiagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist.\r\nLast-Attempt-Date: Wed, 30 Apr 2025 05:19:55 -0700 (PDT)\r\n",
            "** Address not found **\n\nYour message wasn't delivered to gone@example.net because the address couldn't be found, or is unable to receive mail.",
            sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
            subject="Delivery Status Notification (Failure)",
            Auto_Submitted="auto-replied",
        ),
        "gone@example.net",
        "failed",
        "5.1.1",
    ),
    "gmail-old": Bounce(
        plain(
            "Delivery to the following recipient failed permanently:\n\n     gone@example.net\n\nTechnical details of permanent failure:\nGoogle tried to deliver your message, but it was rejected by the server for the recipient domain example.net by mx.example.net. [192.0.2.7].\n\nThe error that the other server returned was:\n550 550 5.1.1 <gone@example.net>: User unknown (state 14).\n\n----- Original message -----\n\nMIME-Version: 1.0\nMessage-ID: <t7.42.k1.sig@example.com>\nSubject: Re: your order\n",
            sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
            subject="Delivery Status Notification (Failure)",
            X_Failed_Recipients="gone@example.net",
        ),
        "gone@example.net",
        "failed",
        "5.1.1",
    ),
    "yandex": Bounce(
        report(
            "Reporting-MTA: dns; forward101.mail.yandex.net\r\nX-Yandex-Queue-ID: 4A\r\nArrival-Date: Wed, 30 Apr 2025 15:19:54 +0300 (MSK)\r\n\r\nFinal-Recipient: rfc822; gone@example.net\r\nOriginal-Recipient: rfc822;gone@example.net\r\nAction: failed\r\nStatus: 5.7.1\r\nRemote-MTA: dns; mx.example.net\r\nDiagnostic-Code: smtp; 554 5.7.1 Message rejected under suspicion of SPAM\r\n",
            "This is the mail system at host forward101.mail.yandex.net.\n\nЭто письмо отправлено почтовым сервером yandex.ru.\nК сожалению, мы вынуждены сообщить Вам о том, что Ваше письмо не может\nбыть отправлено одному или нескольким адресатам.",
            sender="MAILER-DAEMON@yandex.ru (Mail Delivery System)",
            subject="Недоставленное сообщение",
            Auto_Submitted="auto-replied",
        ),
        "gone@example.net",
        "failed",
        "5.7.1",
    ),
    "mailru": Bounce(
        plain(
            "Это письмо создано автоматически сервером Mail.Ru, отвечать на него не\nнужно.\n\nК сожалению, Ваше письмо не может быть доставлено одному или нескольким\nполучателям:\n\n**********************\n\ngone@mail.ru\nuser not found\n\n**********************\n\nMessage-Id: <t7.42.k1.sig@example.com>\n",
            sender="mailer-daemon@corp.mail.ru",
            subject="Mail failure.",
        ),
        "gone@mail.ru",
        "failed",
        "5.1.1",
    ),
    "mailru-quota": Bounce(
        plain(
            "Это письмо создано автоматически сервером Mail.Ru, отвечать на него не нужно.\n\nК сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:\n\ngone@mail.ru\nПревышен размер ящика.\n",
            sender="mailer-daemon@corp.mail.ru",
            subject="Mail failure.",
        ),
        "gone@mail.ru",
        "failed",
        "5.2.2",
        None,
    ),
    "domino": Bounce(
        plain(
            "Your message\n\n  Subject: Re: your order\n\nwas not delivered to:\n\n  gone@example.net\n\nbecause:\n\n  User gone (gone@example.net) not listed in Domino Directory\n",
            sender="Postmaster@domino.example.org",
            subject="DELIVERY FAILURE: User gone (gone@example.net) not listed in Domino Directory",
        ),
        "gone@example.net",
        "failed",
        None,
        None,
    ),
    "no-sign-but-daemon": Bounce(
        plain("550 5.1.1 <gone@example.net> User unknown", sender="MAILER-DAEMON", subject="(no subject)"),
        "gone@example.net",
        "failed",
        "5.1.1",
        None,
    ),
    "no-sign-at-all": Bounce(
        plain(
            "I'm sorry, your message could not be delivered to the following recipients:\n\n  gone@example.net\n",
            sender="admin@mx.example.org",
            subject="Undeliverable mail",
        ),
        "gone@example.net",
        "failed",
        None,
        None,
    ),
    "status-in-mixed": Bounce(
        report(_POSTFIX, "Mail failed").replace(b"multipart/report", b"multipart/mixed"),
        "gone@example.net",
        "failed",
        "5.1.1",
    ),
    "no-blank-between-groups": Bounce(
        report(_POSTFIX.replace("\r\n\r\nFinal", "\r\nFinal"), "Mail failed"), "gone@example.net", "failed", "5.1.1"
    ),
    "many-blanks": Bounce(
        report("\r\n\r\n" + _POSTFIX.replace("\r\n\r\n", "\r\n\r\n\r\n\r\n"), "Mail failed"),
        "gone@example.net",
        "failed",
        "5.1.1",
    ),
    "two-recipients": Bounce(
        report(
            "Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; fine@example.net\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\nFinal-Recipient: rfc822; gone@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n",
            "Some failed",
        ),
        "gone@example.net",
        "failed",
        "5.1.1",
    ),
}
