"""What a person wrote now, out of replies by the common mail programs in seven languages."""

# ruff: noqa: E501 -- mails read better on one line
import pytest

from queues.channels.email.parse import parse
from queues.channels.email.quotes import fold_text, is_forward
from tests.email.build import multipart, simple, text_part

_ANSWER = "Спасибо, всё получилось!\n\nЖду посылку."

_ATTRIBUTIONS = {
    "gmail-en": "On Wed, Apr 30, 2025 at 3:19 PM Support <support@example.com> wrote:",
    "gmail-en-wrapped": "On Wed, Apr 30, 2025 at 3:19 PM Support of the Very Long Company Name\n<support@example.com> wrote:",
    "gmail-ru": "ср, 30 апр. 2025 г. в 15:19, Служба поддержки <support@example.com>:",
    "gmail-ru-wrapped": "ср, 30 апр. 2025 г. в 15:19, Служба поддержки компании <\nsupport@example.com>:",
    "gmail-uk": "ср, 30 квіт. 2025 р. о 15:19 Служба підтримки <support@example.com> пише:",
    "gmail-de": "Am Mi., 30. Apr. 2025 um 15:19 Uhr schrieb Support <support@example.com>:",
    "gmail-fr": "Le mer. 30 avr. 2025 à 15:19, Support <support@example.com> a écrit :",
    "gmail-es": "El mié, 30 abr 2025 a las 15:19, Support (<support@example.com>) escribió:",
    "gmail-pl": "śr., 30 kwi 2025 o 15:19 Support <support@example.com> napisał(a):",
    "apple-en": "On 30 Apr 2025, at 15:19, Support <support@example.com> wrote:",
    "apple-ru": "30 апр. 2025 г., в 15:19, Служба поддержки <support@example.com> написал(а):",
    "apple-uk": "30 квіт. 2025 р. о 15:19 Служба підтримки <support@example.com> написав(ла):",
    "apple-de": "Am 30.04.2025 um 15:19 schrieb Support <support@example.com>:",
    "apple-fr": "Le 30 avr. 2025 à 15:19, Support <support@example.com> a écrit :",
    "apple-es": "El 30 abr 2025, a las 15:19, Support <support@example.com> escribió:",
    "apple-pl": "Wiadomość napisana przez Support <support@example.com> w dniu 30.04.2025, o godz. 15:19:",
    "thunderbird-en": "On 4/30/25 15:19, Support wrote:",
    "thunderbird-ru": "30.04.2025 15:19, Служба поддержки пишет:",
    "thunderbird-uk": "30.04.2025 15:19, Служба підтримки пише:",
    "thunderbird-de": "Am 30.04.25 um 15:19 schrieb Support:",
    "thunderbird-fr": "Le 30/04/2025 à 15:19, Support a écrit :",
    "thunderbird-es": "El 30/4/25 a las 15:19, Support escribió:",
    "thunderbird-pl": "W dniu 30.04.2025 o 15:19, Support pisze:",
    "yandex-ru": '30.04.2025, 15:19, "Служба поддержки" <support@example.com>:',
    "yandex-en": '30.04.2025, 15:19, "Support" <support@example.com>:',
    "mailru-ru": "Среда, 30 апреля 2025, 15:19 +03:00 от Служба поддержки <support@example.com>:",
    "mailru-no-address": "Среда, 30 апреля 2025, 15:19 +03:00 от Служба поддержки:",
    "mailru-uk": "Середа, 30 квітня 2025, 15:19 +03:00 від Служба підтримки <support@example.com>:",
    "kmail-ru": "В письме от 30 апреля 2025 15:19:54 пользователь Служба поддержки <support@example.com> написал:",
    "user-ru": "30 апреля 2025 г., 15:19 пользователь Служба поддержки <support@example.com> написал:",
    "name-first-ru": "Служба поддержки <support@example.com> писал(а) 30.04.2025 15:19:",
    "name-first-de-wrapped": "Anna Muster <anna@example.com> schrieb am So., 23.\nJuni 2024, 21:08:",
    "mailru-en-date": "Thu, 26 Jun 2014 14:00:51 +0400 от Alexander L <abc@example.com>:",
    "the-bat": "Вы писали 30 апреля 2025 г., 15:19:54:",
    "iso": "2025-04-30 15:19 GMT+03:00 Support <support@example.com>:",
}


@pytest.mark.parametrize("name", _ATTRIBUTIONS)
def test_a_reply_above_a_marked_quotation(name: str) -> None:
    text = f"{_ANSWER}\n\n{_ATTRIBUTIONS[name]}\n\n> Здравствуйте!\n> Попробуйте ещё раз.\n>\n>> Старое письмо\n"
    folded = fold_text(text)
    assert folded.reply == _ANSWER
    assert folded.quoted.startswith(_ATTRIBUTIONS[name][:20])


@pytest.mark.parametrize("name", [name for name in _ATTRIBUTIONS if not name.startswith("apple-pl")])
def test_a_reply_above_an_unmarked_quotation(name: str) -> None:
    text = f"{_ANSWER}\n\n{_ATTRIBUTIONS[name]}\nЗдравствуйте!\nПопробуйте ещё раз.\n"
    assert fold_text(text).reply == _ANSWER


_BLOCKS = {
    "outlook-en": "From: Support <support@example.com>\nSent: Wednesday, April 30, 2025 3:19 PM\nTo: Eve\nSubject: RE: Order",
    "outlook-bold": "*From:* Support <support@example.com>\n*Sent:* Wednesday, April 30, 2025 3:19 PM\n*To:* Eve\n*Subject:* RE: Order",
    "outlook-rule": "________________________________\nFrom: Support <support@example.com>\nSent: Wednesday, April 30, 2025 3:19 PM\nTo: Eve\nSubject: RE",
    "outlook-ru": "От: Служба поддержки <support@example.com>\nОтправлено: 30 апреля 2025 г. 15:19\nКому: Eve\nТема: RE: Заказ",
    "outlook-uk": "Від: Служба підтримки <support@example.com>\nНадіслано: 30 квітня 2025 р. 15:19\nКому: Eve\nТема: RE: Замовлення",
    "outlook-de": "Von: Support <support@example.com>\nGesendet: Mittwoch, 30. April 2025 15:19\nAn: Eve\nBetreff: AW: Bestellung",
    "outlook-fr": "De : Support <support@example.com>\nEnvoyé : mercredi 30 avril 2025 15:19\nÀ : Eve\nObjet : RE: Commande",
    "outlook-es": "De: Support <support@example.com>\nEnviado el: miércoles, 30 de abril de 2025 15:19\nPara: Eve\nAsunto: RE: Pedido",
    "outlook-pl": "Od: Support <support@example.com>\nWysłano: środa, 30 kwietnia 2025 15:19\nDo: Eve\nTemat: RE: Zamówienie",
    "original-en": "-----Original Message-----\nFrom: Support\nSent: Wednesday\nTo: Eve\nSubject: RE",
    "original-ru": "-----Исходное сообщение-----\nОт: Поддержка\nКому: Eve\nТема: RE",
    "original-uk": "-----Вихідне повідомлення-----\nВід: Підтримка\nКому: Eve\nТема: RE",
    "original-de": "-----Ursprüngliche Nachricht-----\nVon: Support\nAn: Eve\nBetreff: AW",
    "original-fr": "-----Message d'origine-----\nDe : Support\nÀ : Eve\nObjet : RE",
    "original-es": "-----Mensaje original-----\nDe: Support\nPara: Eve\nAsunto: RE",
    "original-pl": "-----Oryginalna wiadomość-----\nOd: Support\nDo: Eve\nTemat: RE",
    "outlook-wrapped": "From: Human Resources \n<a-really-long-automated-email+1234556@example.com> \nSent: Monday, August 26, 2019 4:37 PM\nTo: Eve <eve@example.net>\nSubject: A new message",
    "mailru-block": "От: Служба поддержки\nДата: 30 апреля 2025\nКому: eve@example.net\nТема: Заказ",
    "marker": "##- Пожалуйста, пишите ответ выше этой линии -##",
}


@pytest.mark.parametrize("name", _BLOCKS)
def test_a_reply_above_a_header_block(name: str) -> None:
    text = f"{_ANSWER}\n\n{_BLOCKS[name]}\n\nЗдравствуйте!\nПопробуйте ещё раз.\n"
    folded = fold_text(text)
    assert folded.reply == _ANSWER
    assert "Попробуйте" in folded.quoted


@pytest.mark.parametrize(
    "text",
    [
        "Здравствуйте, Иван.\n\nВы писали 30 апреля 2025 г., 15:19:54:\n\nИП> Работает?\nДа.\nИП> Точно?\nТочно.",
        "> Вопрос первый?\nДа.\n> Вопрос второй?\nНет.",
        "On Wed, Apr 30, 2025 at 3:19 PM Support <support@example.com> wrote:\n> Did it work?\n\nYes, it did.",
        "Ответы ниже.\n\n30.04.2025 15:19, Поддержка пишет:\n> Первое?\nДа.\n> Второе?\nНет.\n",
        "> Only a quotation, nothing else.",
    ],
    ids=["inline-initials", "inline", "bottom", "inline-below-attribution", "quotation-only"],
)
def test_answers_below_or_between_quotes_show_all(text: str) -> None:
    assert fold_text(text).reply == text.strip()


@pytest.mark.parametrize(
    "header",
    [
        "---------- Forwarded message ---------\nFrom: Bob <bob@example.org>\nDate: Wed\nSubject: x\nTo: Eve",
        "-------- Пересылаемое сообщение --------\nОт: Боб <bob@example.org>\nКому: Eve\nТема: x",
        "-------- Forwarded Message --------\nSubject: x\nDate: Wed\nFrom: Bob",
        "Begin forwarded message:\n\nFrom: Bob <bob@example.org>\nSubject: x\nTo: Eve",
        "Начало переадресованного сообщения:\n\nОт: Боб\nТема: x\nКому: Eve",
        "-------- Weitergeleitete Nachricht --------\nVon: Bob\nAn: Eve\nBetreff: x",
    ],
)
def test_a_forward_is_content(header: str) -> None:
    text = f"Посмотрите, пожалуйста.\n\n{header}\n\nТекст пересланного письма."
    assert "Текст пересланного письма." in fold_text(text).reply


@pytest.mark.parametrize(
    "subject",
    [
        "Fwd: заказ",
        "FW: order",
        "Пересл: заказ",
        "WG: Bestellung",
        "TR: commande",
        "RV: pedido",
        "PD: zamówienie",
        "[Fwd: order]",
    ],
)
def test_a_subject_that_forwards_keeps_everything(subject: str) -> None:
    text = f"Смотрите ниже.\n\n{_BLOCKS['outlook-ru']}\n\nТекст."
    assert fold_text(text, subject=subject).reply == text


@pytest.mark.parametrize(
    "subject", ["RE: FW: order", "Ответ: заказ", "Re: order", "forward planning", "Fundraising: help", "Tricky: x"]
)
def test_a_subject_that_answers_is_no_forward(subject: str) -> None:
    assert not is_forward(subject)


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nИван Петров\nтел. +7 900 000-00-00",
        "--\nИван",
        "Отправлено с iPhone",
        "Отправлено из мобильной Яндекс Почты",
        "Отправлено из Почты Mail.ru",
        "Sent from my iPhone",
        "Sent from Outlook for Android",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Надіслано з iPhone",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Wysłane z iPhone'a",
    ],
)
def test_signatures_are_folded(signature: str) -> None:
    folded = fold_text(f"{_ANSWER}\n\n{signature}\n")
    assert folded.reply == _ANSWER
    assert folded.quoted == signature
    with_quote = f"{_ANSWER}\n\n{signature}\n\n{_ATTRIBUTIONS['gmail-ru']}\n> Здравствуйте!\n"
    assert fold_text(with_quote).reply == _ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "Пишите на почту eve@example.net до 30.04.2025:\nжду ответа",
        "From: now on please call me\nSincerely",
        "On Monday I wrote you a letter:\nnobody answered",
        "Он писал мне 30.04.2025:\nобещал вернуть деньги",
        "Список:\n- один\n- два\n--- важно ---\nтри",
        "Дата: завтра\nТема: ремонт",
        "a > b, and c > d",
    ],
)
def test_ordinary_texts_are_left_alone(text: str) -> None:
    assert fold_text(text).reply == text


def test_when_nothing_is_left_everything_shows() -> None:
    text = f"{_ATTRIBUTIONS['gmail-ru']}\n> Здравствуйте!"
    assert fold_text(text).reply == text


_QUOTED = "<p>Здравствуйте!</p><p>Попробуйте ещё раз.</p>"
_HTML = {
    "gmail": '<div dir="ltr">{a}</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">ср, 30 апр. 2025 г. в 15:19, Служба &lt;<a href="mailto:s@e.example">s@e.example</a>&gt;:<br></div><blockquote class="gmail_quote" style="margin:0">{q}</blockquote></div>',
    "outlook-desktop": "<div class=WordSection1><p class=MsoNormal>{a}<o:p></o:p></p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p class=MsoNormal><b>От:</b> Служба &lt;s@e.example&gt;<br><b>Отправлено:</b> 30 апреля 2025 г. 15:19<br><b>Кому:</b> Eve<br><b>Тема:</b> Заказ</p></div></div>{q}</div>",
    "outlook-desktop-old": "<div class=WordSection1><p>{a}</p><div style='border:none;border-top:solid #B5C4DF 1.0pt'><p><b>From:</b> S</p></div>{q}</div>",
    "outlook-web": '<div>{a}</div><div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr"><b>From:</b> Support<br></div><div>{q}</div>',
    "outlook-mobile": '<div>{a}</div><div id="ms-outlook-mobile-signature"><a href="https://aka.ms/x">Get Outlook for iOS</a></div><hr><div id="divRplyFwdMsg"><b>From:</b> S</div>{q}',
    "hotmail": '<div>{a}<hr id="stopSpelling">Date: Wed<br>From: s@e.example<br>{q}</div>',
    "thunderbird": '<p>{a}</p><div class="moz-cite-prefix">30.04.2025 15:19, Служба пишет:<br></div><blockquote type="cite" cite="mid:x@y">{q}</blockquote><pre class="moz-signature">-- \nИван</pre>',
    "apple": '{a}<div><br><blockquote type="cite"><div>30 апр. 2025 г., в 15:19, Служба &lt;s@e.example&gt; написал(а):</div><br>{q}</blockquote></div>',
    "yandex": '<div>{a}</div><div> </div><div>30.04.2025, 15:19, "Служба" &lt;s@e.example&gt;:</div><blockquote>{q}</blockquote>',
    "yandex-signature": '<div>{a}</div><div>-- </div><div>Отправлено из мобильной Яндекс Почты</div><div>30.04.2025, 15:19, "Служба" &lt;s@e.example&gt;:</div><blockquote>{q}</blockquote>',
    "mailru": '<div>{a}</div><blockquote style="border-left:1px solid #0857A6;margin:10px">Среда, 30 апреля 2025, 15:19 +03:00 от Служба &lt;s@e.example&gt;:<br>{q}</blockquote>',
    "mailru-outside": "<div>{a}</div><div>Среда, 30 апреля 2025, 15:19 +03:00 от Служба &lt;s@e.example&gt;:</div><blockquote>{q}</blockquote>",
    "yahoo": '<div>{a}</div><div id="ydp1yahoo_quoted" class="yahoo_quoted"><div>On Wednesday, April 30, 2025, Support wrote:</div>{q}</div>',
    "zimbra": '<div>{a}</div><hr id="zwchr"><div><b>From: </b>S</div>{q}',
    "proton": '<div>{a}</div><div class="protonmail_quote">On Wed, Support wrote:<blockquote>{q}</blockquote></div>',
    "mailru-loose-line": '<p>{a}</p><br><br>Thu, 26 Jun 2014 14:00:51 +0400 от Alexander L &lt;abc@example.com&gt;:<br>\n<blockquote style="border-left:1px solid #0857A6">{q}</blockquote><br>',
    "loose-line-with-link": '<div>{a}<br><br>30.04.2025, 15:19, "Служба" &lt;<a href="mailto:s@e.example">s@e.example</a>&gt;:<br><blockquote>{q}</blockquote></div>',
    "windows-mail": '<div><div>{a}</div><div style="padding-top: 5px; border-top-color: rgb(229, 229, 229); border-top-width: 1px"><div><font face="x"><b>От:</b>&nbsp;<a href="mailto:a@b.example">A</a><br><b>Отправлено:</b>&nbsp;четверг, 26 июня 2014 г. 15:05<br><b>Кому:</b>&nbsp;<a href="mailto:e@x.example">Eve</a></font></div></div><div>{q}</div></div>',
    "outlook-other-border": '<p>{a}</p><div style="border-width:1pt 0 0 0"><p><span><b>Von:</b> S<br><b>Gesendet:</b> Mittwoch<br><b>An:</b> Eve<br><b>Betreff:</b> AW</span></p></div>{q}',
    "outlook-then-gmail": '<p>{a}</p><p><b>From:</b> S<br><b>Sent:</b> Wed<br><b>To:</b> Eve<br><b>Subject:</b> x</p><p>Попробуйте сначала</p><div class="gmail_quote"><blockquote>{q}</blockquote></div>',
    "field-a-line": "<p>{a}</p><div><div><b>От:</b> S</div><div><b>Дата:</b> вчера</div><div><b>Кому:</b> Eve</div></div>{q}",
    "own-marker": '<div>{a}</div><div data-helpdesk-reply-marker="t12.k1.abc">##- above -##</div>{q}',
}


@pytest.mark.parametrize("name", _HTML)
def test_html_is_cut_where_the_program_marked_it(name: str) -> None:
    mail = parse(
        simple(_HTML[name].format(a="Спасибо, всё получилось!", q=_QUOTED), content_type="text/html; charset=utf-8")
    )
    assert mail.reply_text == "Спасибо, всё получилось!"
    assert "Попробуйте" not in (mail.reply_html or "")
    assert "Попробуйте" in (mail.html or "")
    assert "Попробуйте" in mail.quoted_text


def test_the_own_marker_is_a_thread_hint() -> None:
    html = _HTML["own-marker"].format(a="x", q=_QUOTED)
    assert parse(simple(html, content_type="text/html")).thread_hints.markers == ("t12.k1.abc",)


@pytest.mark.parametrize(
    "html",
    [
        '<div class="gmail_quote"><blockquote class="gmail_quote">Вопрос?</blockquote></div><div>Ответ снизу.</div>',
        '<div class="gmail_quote"><div class="gmail_attr">On Wed, 30 Apr 2025, S wrote:</div><blockquote>Первый?</blockquote><div>Ответ снизу.</div><blockquote>Второй?</blockquote></div>',
        '<blockquote type="cite">Вопрос?</blockquote><p>Ответ снизу.</p><blockquote type="cite">Второй?</blockquote>',
        "<p>Цитирую договор:</p><blockquote>Ответ снизу.</blockquote>",
    ],
    ids=["gmail-below", "gmail-inline", "cite-inline", "plain-blockquote"],
)
def test_html_answers_below_or_between_quotes_show_all(html: str) -> None:
    mail = parse(simple(html, content_type="text/html; charset=utf-8"))
    assert "Ответ снизу." in mail.reply_text
    assert "Ответ снизу." in (mail.reply_html or "")


@pytest.mark.parametrize(
    ("subject", "html"),
    [
        (
            "Fwd: x",
            '<div>Смотрите</div><div class="gmail_quote">---------- Forwarded message ---------<br>From: B<br><br>Текст</div>',
        ),
        (
            "x",
            '<div>Смотрите</div><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: B</div>Текст</div>',
        ),
        (
            "FW: x",
            '<div>Смотрите</div><div style="border:none;border-top:solid #E1E1E1 1.0pt"><b>From:</b> B</div><p>Текст</p>',
        ),
        (
            "x",
            '<div>Смотрите</div><div>-------- Пересылаемое сообщение --------</div><blockquote type="cite">Текст</blockquote>',
        ),
    ],
)
def test_html_forwards_are_content(subject: str, html: str) -> None:
    mail = parse(simple(html, content_type="text/html; charset=utf-8", Subject=subject))
    assert "Текст" in mail.reply_text
    assert "Текст" in (mail.reply_html or "")


def test_of_two_alternatives_the_marked_one_decides() -> None:
    plain = text_part("Спасибо, всё получилось!\n\nСлужба\nЗдравствуйте!\nПопробуйте ещё раз.")
    html = text_part(_HTML["outlook-web"].format(a="Спасибо, всё получилось!", q=_QUOTED), "html")
    content_type, body = multipart("alternative", [plain, html], "b")
    assert parse(simple(body.decode(), content_type=content_type)).reply_text == "Спасибо, всё получилось!"


def test_hidden_text_is_not_shown() -> None:
    mail = parse(
        simple('<div style="display:none">preheader</div><span hidden>x</span><p>Body</p>', content_type="text/html")
    )
    assert mail.text == "Body"
    assert "preheader" not in (mail.html or "")


@pytest.mark.parametrize("tag", ["html", "head", "body"])
@pytest.mark.parametrize(
    "mark", ["id=divRplyFwdMsg", "class=gmail_quote", "id=signature", "hidden", "data-helpdesk-reply-marker=abcd"]
)
def test_marks_on_the_roots_of_a_document_are_no_marks(tag: str, mark: str) -> None:
    assert parse(simple(f"<{tag} {mark}><p>Текст</p>", content_type="text/html; charset=utf-8")).reply_text == "Текст"
