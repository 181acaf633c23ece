"""Which mail comes from a person, and which must never get an automatic answer."""

import pytest

from queues.channels.email.parse import parse
from tests.email.build import mail, multipart, simple, text_part

_ABSENCES = {
    "en-exchange": (
        "Automatic reply: Your order",
        "I am out of the office until Monday.",
        {"Auto_Submitted": "auto-generated", "X_Auto_Response_Suppress": "All"},
    ),
    "ru-exchange": (
        "Автоматический ответ: Ваш заказ",
        "Я в отпуске до понедельника.",
        {"Auto_Submitted": "auto-generated", "X_Auto_Response_Suppress": "All"},
    ),
    "uk-exchange": ("Автоматична відповідь: Замовлення", "Перебуваю у відпустці.", {"X_Auto_Response_Suppress": "All"}),
    "de-exchange": (
        "Automatische Antwort: Ihre Bestellung",
        "Ich bin bis Montag nicht im Büro.",
        {"Auto_Submitted": "auto-generated"},
    ),
    "fr-exchange": (
        "Réponse automatique : Commande",
        "Je suis absent jusqu'à lundi.",
        {"Auto_Submitted": "auto-generated"},
    ),
    "es-exchange": ("Respuesta automática: Pedido", "Estoy de vacaciones.", {"Auto_Submitted": "auto-generated"}),
    "pl-exchange": ("Odpowiedź automatyczna: Zamówienie", "Jestem na urlopie.", {"Auto_Submitted": "auto-generated"}),
    "sieve": ("Auto: Re: Your order", "Away.", {"Auto_Submitted": "auto-replied (vacation)"}),
    "yandex": (
        "Автоответ: Re: заказ",
        "Спасибо, я получил письмо.",
        {"Auto_Submitted": "auto-replied", "Precedence": "bulk"},
    ),
    "precedence": ("Out of Office", "Back soon.", {"Precedence": "auto_reply"}),
    "x-autoreply": ("Re: order", "Thanks, we got it.", {"X_Autoreply": "yes"}),
    "x-autorespond": ("Re: order", "Thanks, we got it.", {"X_Autorespond": "order"}),
    "gmail": (
        "Out of office Re: order",
        "I am on vacation.",
        {"Auto_Submitted": "auto-replied", "Precedence": "bulk", "X_Autoreply": "yes"},
    ),
    "no-header-at-all": ("Out of office: order", "Hello, I am currently out of the office until Monday.", {}),
    "no-header-ru": ("Автоответ: я в отпуске", "Добрый день! Я сейчас в отпуске до 15 мая.", {}),
}


@pytest.mark.parametrize("name", _ABSENCES)
def test_absences_are_automatic_replies(name: str) -> None:
    subject, text, fields = _ABSENCES[name]
    parsed = parse(simple(text, Subject=subject, **fields))
    assert parsed.kind == "auto-reply"
    assert not parsed.may_auto_reply


def _report(kind: str, part_type: str, report: str, **fields: str) -> bytes:
    content_type, body = multipart(
        "report",
        [text_part("A report."), f"Content-Type: {part_type}\r\n\r\n{report}".encode()],
        "b",
        f"; report-type={kind}",
    )
    return mail(
        [("From", "robot@example.net"), ("Subject", fields.get("subject", "Report")), ("Content-Type", content_type)],
        body,
    )


_OTHERS = {
    "arf": (_report("feedback-report", "message/feedback-report", "Feedback-Type: abuse\r\nVersion: 1\r\n"), "report"),
    "mdn": (
        _report(
            "disposition-notification",
            "message/disposition-notification",
            "Final-Recipient: rfc822;a@b.c\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n",
        ),
        "report",
    ),
    "dmarc": (
        simple(
            "Aggregate report attached",
            From="noreply-dmarc-support@google.com",
            Subject="Report domain: example.com Submitter: google.com Report-ID: 1",
        ),
        "report",
    ),
    "mailman": (
        simple(
            Subject="[users] question",
            List_Id="<users.lists.example.org>",
            List_Post="<mailto:users@lists.example.org>",
            List_Unsubscribe="<mailto:x@y.z>",
            Precedence="list",
        ),
        "list",
    ),
    "google-group": (
        simple(List_Id="<g.googlegroups.com>", X_Google_Group_Id="1", List_Post="<https://groups.google.com>"),
        "list",
    ),
    "precedence-list": (simple(Precedence="list"), "list"),
    "yahoo-group": (simple(Mailing_List="list x@yahoogroups.com; contact y"), "list"),
    "majordomo": (simple(Precedence="bulk", Sender="owner-freebsd-isp@freebsd.example"), "list"),
    "list-id-alone": (simple(List_Id="Users <users.lists.example.org>"), "list"),
    "newsletter": (
        simple(Subject="Sale!", List_Unsubscribe="<https://x.example/u>", List_Id="<campaign.123.list.example>"),
        "bulk",
    ),
    "newsletter-unsubscribe": (simple(Subject="Скидки до 50%", List_Unsubscribe="<mailto:u@x.example>"), "bulk"),
    "precedence-bulk": (simple(Precedence="bulk"), "bulk"),
    "feedback-id": (simple(Feedback_ID="1:2:3:esp"), "bulk"),
    "list-post-no": (simple(List_Id="<news.example>", List_Post="NO", List_Unsubscribe="<https://x>"), "bulk"),
    "cron": (
        simple(
            "/bin/sh: 1: foo: not found",
            From="root@host.example (Cron Daemon)",
            Subject="Cron <root@host> /usr/bin/foo",
            Auto_Submitted="auto-generated",
            X_Cron_Env="<SHELL=/bin/sh>",
        ),
        "auto-generated",
    ),
    "cron-plain": (
        simple("out of disk", From="Cron Daemon <root@host.example>", Subject="Cron <root@host> df"),
        "auto-generated",
    ),
    "monitoring": (
        simple("PROBLEM: disk", From="zabbix@host.example", Subject="Problem: disk", Auto_Submitted="auto-generated"),
        "auto-generated",
    ),
    "no-reply": (simple("Your code is 1234", From="no-reply@service.example", Subject="Your code"), "auto-generated"),
    "noreply-suffix": (simple("Hello", From="billing-noreply@service.example"), "auto-generated"),
    "null-sender": (simple("Something", Return_Path="<>"), "auto-generated"),
    "notified": (simple("x", Auto_Submitted="auto-notified; owner-email=a@b.c"), "auto-generated"),
}


@pytest.mark.parametrize("name", _OTHERS)
def test_machines_are_told_from_people(name: str) -> None:
    raw, kind = _OTHERS[name]
    parsed = parse(raw)
    assert parsed.kind == kind
    assert not parsed.may_auto_reply


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Auto_Submitted": "no"},
        {"X_Auto_Response_Suppress": "DR, RN, NRN"},
        {"Precedence": "normal"},
        {"Return_Path": "<eve@example.net>"},
        {"Subject": "Auto parts for my car"},
        {"Subject": "Отпуск и доставка", "body": "Здравствуйте, успеет ли заказ до отъезда?"},
        {"Subject": "Re: out of office chairs", "body": "Do you have chairs in stock?"},
        {"From": "Norma Reply <norma.reply@example.net>"},
        {"From": "rooted@example.net"},
    ],
)
def test_people_may_be_answered(fields: dict[str, str]) -> None:
    fields = dict(fields)
    parsed = parse(simple(fields.pop("body", "Where is my order?"), **fields))
    assert parsed.kind == "human"
    assert parsed.may_auto_reply


@pytest.mark.parametrize(
    "fields",
    [
        {"X_Auto_Response_Suppress": "All"},
        {"X_Auto_Response_Suppress": "OOF, DR"},
        {"X_Auto_Response_Suppress": "AutoReply"},
        {"X_Loop": "anything"},
        {"X_Helpdesk_Ticket": "1"},
        {"From": ""},
    ],
)
def test_people_who_must_not_be_answered_stay_people(fields: dict[str, str]) -> None:
    parsed = parse(simple("Where is my order?", **fields))
    assert parsed.kind == "human"
    assert not parsed.may_auto_reply
