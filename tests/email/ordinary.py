"""A believable mix of customers' mail in Russian, Ukrainian and English, with what a parser should make of it."""

# ruff: noqa: E501 -- raw mails read better on one line
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.email.build import file_part, mail, multipart, nested, text_part, word


@dataclass(frozen=True, slots=True)
class OrdinaryMail:
    """A raw mail and the truth about it. ``files`` are (name, size); ``in_reply_to`` names an earlier mail of
    the same customer in the same run."""

    raw: bytes
    message_id: str
    in_reply_to: str | None
    subject: str
    from_addr: str
    from_name: str
    reply: str
    language: str
    client: str
    files: tuple[tuple[str, int], ...] = ()


_PEOPLE = {
    "ru": ["Иван Петров", "Мария Соколова", "Ольга Кузнецова", "Дмитрий Лебедев", "Анна Ёлкина", "Сергей Щербаков"],
    "uk": ["Оксана Шевченко", "Андрій Коваль", "Їжак Юрій", "Наталія Бондаренко", "Тарас Мельник"],
    "en": ["Eve Customer", "John O'Neill", "Smith, Jane", "Robert Brown", "Amelia Clarke"],
}
_SUBJECTS = {
    "ru": [
        "Где мой заказ №{n}?",
        "Не приходит код подтверждения",
        "Вопрос по счёту {n}",
        "Возврат товара",
        "Срочно! Не работает вход",
    ],
    "uk": ["Де моє замовлення {n}?", "Не працює особистий кабінет", "Питання щодо рахунку {n}", "Повернення коштів"],
    "en": ["Where is my order {n}?", "Cannot sign in", "Invoice {n} is wrong", "Refund for a broken kettle"],
}
_SENTENCES = {
    "ru": [
        "Здравствуйте!",
        "Я оформил заказ две недели назад, но посылка так и не пришла.",
        "В личном кабинете статус не меняется уже восемь дней.",
        "Пробовал звонить, но на линии никто не отвечает дольше двадцати минут.",
        "Подскажите, пожалуйста, когда ждать доставку и можно ли вернуть деньги.",
        "Во вложении чек и фотография упаковки.",
        "Если нужно, пришлю номер договора и паспортные данные отдельно.",
        "Очень жду вашего ответа, заранее спасибо.",
        "Оператор обещал перезвонить до вечера, но звонка не было.",
        "Ошибка появляется сразу после ввода пароля, страница остаётся белой.",
    ],
    "uk": [
        "Добрий день!",
        "Я зробив замовлення два тижні тому, але посилка досі не надійшла.",
        "У кабінеті вже вісім днів не змінюється статус, а гроші списано.",
        "Підкажіть, будь ласка, коли чекати на доставку.",
        "Дякую за допомогу, чекаю на вашу відповідь.",
        "У вкладенні квитанція та світлина пакунка.",
        "Намагався дзвонити, але ніхто не бере слухавку.",
    ],
    "en": [
        "Hello,",
        "I placed my order two weeks ago and the parcel has not arrived.",
        "The status in my account has been the same for eight days.",
        "I tried to call you but nobody picked up for twenty minutes.",
        "Please tell me when I can expect the delivery, or how to get my money back.",
        "The receipt and a photo of the box are attached.",
        "Thank you, I am looking forward to your answer.",
        "The page stays blank right after I enter my password.",
    ],
}
_FILES = {
    "ru": ["Чек от 12 марта.pdf", "фото упаковки.jpg", "Договор № 15.docx", "скриншот.png"],
    "uk": ["Квитанція.pdf", "світлина.jpg", "Угода №7.docx"],
    "en": ["receipt.pdf", "photo of the box.jpg", "screenshot.png", "contract.docx"],
}
_MAGIC = {"pdf": b"%PDF-1.7\n", "jpg": b"\xff\xd8\xff\xe0", "png": b"\x89PNG\r\n\x1a\n", "docx": b"PK\x03\x04"}
_TYPES = {
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "png": "image/png",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
_CLIENTS = ["gmail", "outlook", "yandex", "mailru", "apple", "thunderbird"]
_AGENT = "Служба поддержки"


def ordinary_mails(
    n: int, seed: int = 1, *, to: str = "support@example.com", domain: str = "example.net"
) -> Iterator[OrdinaryMail]:
    """``n`` mails, the same for the same seed: about 30 % with files of 20 to 200 kB, about 40 % that answer an
    earlier mail of this run, 37 kB each on average."""
    rng = random.Random(seed)
    earlier: list[OrdinaryMail] = []
    for number in range(n):
        answered = rng.choice(earlier[-500:]) if earlier and rng.random() < 0.4 else None
        made = _one(rng, number, seed, to, domain, answered)
        # a thread goes on from its newest mail
        if answered is not None:
            earlier.remove(answered)
        earlier.append(made)
        yield made


def _one(
    rng: random.Random, number: int, seed: int, to: str, domain: str, answered: OrdinaryMail | None
) -> OrdinaryMail:
    language = answered.language if answered else rng.choices(["ru", "uk", "en"], [6, 2, 2])[0]
    client = answered.client if answered else rng.choice(_CLIENTS)
    name = answered.from_name if answered else rng.choice(_PEOPLE[language])
    addr = answered.from_addr if answered else f"customer{number}.{seed}@{domain}"
    if answered:
        subject = answered.subject if answered.subject.startswith("Re: ") else f"Re: {answered.subject}"
    else:
        subject = rng.choice(_SUBJECTS[language]).format(n=rng.randrange(10**4, 10**7))
    reply = _paragraphs(rng, language)
    message_id = f"<{client}.{seed}.{number}.{rng.getrandbits(48):x}@{domain}>"
    files = _files(rng, language) if rng.random() < 0.3 else []
    fields = [
        (
            "Received",
            f"from mail.{domain} (mail.{domain} [192.0.2.{number % 250}]) by mx.example.com with ESMTPS id {rng.getrandbits(40):x}",
        ),
        (
            "DKIM-Signature",
            f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=mail; h=from:to:subject:date;\r\n bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b={rng.getrandbits(1000):x}",
        ),
        ("From", f'"{name}" <{addr}>' if name.isascii() else f"{word(name)} <{addr}>"),
        ("To", f"{word(_AGENT)} <{to}>"),
        ("Subject", word(subject)),
        ("Date", f"Wed, {1 + number % 28:02d} Oct 2026 {number % 24:02d}:{number % 60:02d}:00 +0300"),
        ("Message-ID", message_id),
        ("MIME-Version", "1.0"),
        ("X-Mailer", f"{client} 16.0"),
    ]
    if answered:
        chain = answered.message_id if not answered.in_reply_to else f"{answered.in_reply_to} {answered.message_id}"
        fields += [("In-Reply-To", answered.message_id), ("References", chain)]
    quoted = answered.reply if answered else None
    body = _BODIES[client](reply, quoted, to)
    if files:
        parts = [body, *(file_part(file, content, _TYPES[file.rpartition(".")[2]]) for file, content in files)]
        content_type, content = multipart("mixed", parts, f"=_mixed_{number}_{seed}")
        raw = mail([*fields, ("Content-Type", content_type)], content)
    else:
        head, _blank, content = body.partition(b"\r\n\r\n")
        more = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n")]
        raw = mail([*fields, *more], content)  # type: ignore[list-item]
    return OrdinaryMail(
        raw,
        message_id,
        answered.message_id if answered else None,
        subject,
        addr,
        name,
        reply,
        language,
        client,
        tuple((file, len(content)) for file, content in files),
    )


def _paragraphs(rng: random.Random, language: str) -> str:
    sentences = _SENTENCES[language]
    body = rng.sample(sentences[1:], k=rng.randint(2, len(sentences) - 2))
    middle = len(body) // 2
    return f"{sentences[0]}\n\n{' '.join(body[:middle])}\n\n{' '.join(body[middle:])}".replace("\n\n\n\n", "\n\n")


def _files(rng: random.Random, language: str) -> list[tuple[str, bytes]]:
    made = []
    names = rng.sample(_FILES[language], k=rng.choices([1, 2], [8, 2])[0])
    for name in names:
        size = int(20_000 * 10 ** rng.random() ** 1.4)
        made.append((name, _MAGIC[name.rpartition(".")[2]] + rng.randbytes(size)))
    return made


def _html(text: str) -> str:
    return "".join(f"<div>{paragraph or '<br>'}</div>\n" for paragraph in text.split("\n"))


def _quote(text: str) -> str:
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))


def _alternative(plain: str, html: str) -> bytes:
    return nested("alternative", [text_part(plain), text_part(html, "html")], "=_alt_0123456789")


def _gmail(reply: str, quoted: str | None, to: str) -> bytes:
    plain, html = reply, f'<div dir="ltr">{_html(reply)}</div>'
    if quoted:
        line = f"ср, 30 апр. 2025 г. в 15:19, {_AGENT} <{to}>:"
        plain += f"\n\n{line}\n\n{_quote(quoted)}\n"
        html += (
            f'<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">{line.replace("<", "&lt;")}<br></div>'
            f'<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px #ccc solid">{_html(quoted)}</blockquote></div>'
        )
    return _alternative(plain, html)


def _outlook(reply: str, quoted: str | None, to: str) -> bytes:
    style = (
        "<style><!-- p.MsoNormal {margin:0cm;font-size:11.0pt;font-family:Calibri} --></style>"
        + "<!-- "
        + "x" * 900
        + " -->"
    )
    body = "".join(
        f'<p class="MsoNormal"><span lang="RU">{line or "&nbsp;"}</span><o:p></o:p></p>\n' for line in reply.split("\n")
    )
    plain = reply
    if quoted:
        body += (
            '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal"><b>From:</b>'
            f" {_AGENT} &lt;{to}&gt;<br><b>Sent:</b> Wednesday, April 30, 2025 3:19 PM<br><b>To:</b> customer<br>"
            f"<b>Subject:</b> RE<o:p></o:p></p></div>{_html(quoted)}"
        )
        plain += f"\n\nFrom: {_AGENT} <{to}>\nSent: Wednesday, April 30, 2025 3:19 PM\nTo: customer\nSubject: RE\n\n{quoted}\n"
    return _alternative(
        plain, f"<html><head>{style}</head><body lang=RU><div class=WordSection1>{body}</div></body></html>"
    )


def _yandex(reply: str, quoted: str | None, to: str) -> bytes:
    html = _html(reply)
    if quoted:
        html += f'<div>30.04.2025, 15:19, "{_AGENT}" &lt;{to}&gt;:</div><blockquote><p>{_html(quoted)}</p></blockquote>'
    return text_part(html, "html")


def _mailru(reply: str, quoted: str | None, to: str) -> bytes:
    html, plain = _html(reply), reply
    if quoted:
        line = f"Среда, 30 апреля 2025, 15:19 +03:00 от {_AGENT} <{to}>:"
        plain += f"\n\n{line}\n{_quote(quoted)}\n"
        html += (
            f'<blockquote style="border-left:1px solid #0857A6;margin:10px;padding:0 0 0 10px;">{line.replace("<", "&lt;")}'
            f"<br>{_html(quoted)}</blockquote>"
        )
    return _alternative(plain, html)


def _apple(reply: str, quoted: str | None, to: str) -> bytes:
    plain = reply
    if quoted:
        plain += f"\n\n> 30 апр. 2025 г., в 15:19, {_AGENT} <{to}> написал(а):\n> \n{_quote(quoted)}\n"
    return text_part(plain)


def _thunderbird(reply: str, quoted: str | None, to: str) -> bytes:
    plain = reply
    if quoted:
        plain += f"\n\n30.04.2025 15:19, {_AGENT} пишет:\n{_quote(quoted)}\n"
    return text_part(plain)


_BODIES = {
    "gmail": _gmail,
    "outlook": _outlook,
    "yandex": _yandex,
    "mailru": _mailru,
    "apple": _apple,
    "thunderbird": _thunderbird,
}
