"""Hostile and broken mails by name: headers, senders, structures, character sets, bombs, and scripts everywhere."""

# ruff: noqa: E501 -- raw mails read better on one line
import base64
import zlib
from collections.abc import Iterator

from tests.email.bombs import bombs
from tests.email.build import block, file_part, mail, multipart, nested, simple, text_part, with_file, word
from tests.email.payloads import PAYLOADS

SENDERS: dict[str, tuple[str, str | None]] = {
    # name: (From, the one address that may be shown and answered, None = unknown sender)
    "plain": ("eve@example.net", "eve@example.net"),
    "angle": ("<eve@example.net>", "eve@example.net"),
    "named": ("Eve <eve@example.net>", "eve@example.net"),
    "quoted": ('"Eve, Customer" <eve@example.net>', "eve@example.net"),
    "comma-unquoted": ("Customer, Eve <eve@example.net>", "eve@example.net"),
    "comment": ("eve@example.net (Eve Customer)", "eve@example.net"),
    "nested-comment": ("eve@example.net (Eve (the (real)) one)", "eve@example.net"),
    "upper-case-domain": ("Eve <Eve@EXAMPLE.Net>", "Eve@example.net"),
    "trailing-dot": ("Eve <eve@example.net.>", "eve@example.net"),
    "name-is-address": ("boss@victim.com <evil@x.example>", "evil@x.example"),
    "name-is-address-quoted": ('"boss@victim.com" <evil@x.example>', "evil@x.example"),
    "name-is-angle-quoted": ('"<boss@victim.com>" <evil@x.example>', "evil@x.example"),
    "name-is-mailbox-quoted": ('"Boss <boss@victim.com>" <evil@x.example>', "evil@x.example"),
    "name-encoded-address": ("=?utf-8?Q?boss=40victim.com?= <evil@x.example>", "evil@x.example"),
    "name-encoded-mailbox": ("=?utf-8?Q?Boss_<boss=40victim.com>?= <evil@x.example>", "evil@x.example"),
    "name-encoded-base64": ("=?utf-8?B?Qm9zcyA8Ym9zc0B2aWN0aW0uY29tPg==?= <evil@x.example>", "evil@x.example"),
    "comment-address": ("evil@x.example (boss@victim.com)", "evil@x.example"),
    "comment-before": ("(boss@victim.com) evil@x.example", "evil@x.example"),
    "comment-in-angle": ("Boss <evil@x.example (boss@victim.com)>", None),
    "two-angles": ("<boss@victim.com> <evil@x.example>", "evil@x.example"),
    "address-after-angle": ("<evil@x.example> boss@victim.com", "evil@x.example"),
    "address-comma-angle": ("boss@victim.com, <evil@x.example>", "evil@x.example"),
    "address-comma-named": ("boss@victim.com, Evil <evil@x.example>", "evil@x.example"),
    "two-named": ("Eve <eve@example.net>, Bob <bob@example.net>", "eve@example.net"),
    "encoded-comma": ("=?iso-8859-1?Q?B=FCrling,=20Andreas?= <ab@example.net>", "ab@example.net"),
    "encoded-raw-comma": ("=?iso-8859-1?Q?B=FCrling, Andreas?= <ab@example.net>", "ab@example.net"),
    "encoded-all": ("=?utf-8?Q?Eve_<eve@example.net>?=", "eve@example.net"),
    "encoded-newline": ("=?utf-8?Q?Eve=0D=0ABcc:_x@y.z?= <eve@example.net>", "eve@example.net"),
    "source-route": ("<@a.example,@b.example:eve@example.net>", "eve@example.net"),
    "mailto": ("<mailto:eve@example.net>", "eve@example.net"),
    "spaces-in-angle": ("Eve < eve@example.net >", "eve@example.net"),
    "single-quotes": ("'Eve' <eve@example.net>", "eve@example.net"),
    "address-in-quotes": ('"eve@example.net"', "eve@example.net"),
    "quoted-local": ('"eve customer"@example.net', '"eve customer"@example.net'),
    "quoted-local-angle": ('Eve <"eve customer"@example.net>', '"eve customer"@example.net'),
    "literal": ("Eve <eve@[192.0.2.1]>", "eve@[192.0.2.1]"),
    "no-dot-domain": ("root <root@localhost>", "root@localhost"),
    "idn": ("Ева <ева@пример.рф>", "ева@пример.рф"),
    "group": ("Staff: eve@example.net;", "eve@example.net"),
    "group-empty": ("undisclosed-recipients:;", None),
    "empty-angle": ("Mail Delivery System <>", None),
    "no-address": ("Eve Customer", None),
    "root": ("root", None),
    "blank": ("   ", None),
    "two-ats": ("eve@victim.com@x.example", None),
    "two-ats-angle": ("Eve <boss@victim.com@x.example>", None),
    "at-alone": ("@", None),
    "domain-alone": ("Eve <@example.net>", None),
    "local-alone": ("Eve <eve@>", None),
    "open-angle": ("Eve <eve@example.net", "eve@example.net"),
    "open-bracket": ("<a@[", None),
    "open-quote": ('"Eve <eve@example.net>', "eve@example.net"),
    "open-comment": ("Eve :( <eve@example.net>", "eve@example.net"),
    "semicolons": ("Eve <eve@example.net>; Bob <bob@example.net>", "eve@example.net"),
    "backslash": ('"Eve \\"the\\" Customer" <eve@example.net>', "eve@example.net"),
    "null-byte": ("Eve\x00 <eve@example.net>", "eve@example.net"),
    "null-in-address": ("Eve <eve\x00@example.net>", "eve@example.net"),
    "newline-fold": ("Eve\r\n <eve@example.net>", "eve@example.net"),
    "bidi": ("\u202emoc.mitciv@ssob\u202c <evil@x.example>", "evil@x.example"),
    "long-name": ("A" * 5000 + " <eve@example.net>", "eve@example.net"),
    "long-address": (f"Eve <{'e' * 5000}@example.net>", None),
    "many-quotes": ('"""""" <eve@example.net>', "eve@example.net"),
    "equals": ("=?utf-8?Q?Eve <eve@example.net>", "eve@example.net"),
    "slash": ("/o=ExchangeLabs/cn=Recipients/cn=eve", None),
    "tab": ("\tEve\t<eve@example.net>\t", "eve@example.net"),
}


def hostile_mails() -> Iterator[tuple[str, bytes]]:
    """More than 300 mails as (unique name, raw bytes), made one at a time: some are megabytes."""
    yield from _headers()
    for name, (value, _expected) in SENDERS.items():
        yield f"sender/{name}", simple(From=value or " ")
    yield from _structures()
    yield from _charsets()
    yield from _scripts()
    yield from _files()
    yield from bombs()
    yield from _forged()


def _headers() -> Iterator[tuple[str, bytes]]:
    good = simple()
    body = b"\r\nBody text.\r\n"
    yield "header/empty", b""
    yield "header/newlines", b"\r\n" * 50
    yield "header/blank-first", b"\r\n\r\n" + good
    yield "header/bom", b"\xef\xbb\xbf" + good
    yield "header/utf16", good.decode().encode("utf-16")
    yield "header/mbox", b"From eve@example.net Wed Apr 30 15:19:54 2025\n" + good
    yield "header/mbox-escaped", b">From eve@example.net Wed Apr 30 15:19:54 2025\n" + good
    yield "header/leading-junk", b"---- Original email message ----\r\n\r\n" + good
    yield "header/leading-junk-joined", b"---- Original email message ----\r\n" + good
    yield "header/space-before-colon", good.replace(b"Subject:", b"Subject :")
    yield "header/no-space", good.replace(b"Subject: ", b"Subject:")
    yield "header/column-0", good.replace(b"Subject: A question", b"X-Blob: abc\r\ndefghi/jkl==\r\nSubject: A question")
    yield "header/lf-only", good.replace(b"\r\n", b"\n")
    yield "header/cr-only", good.replace(b"\r\n", b"\r")
    yield "header/mixed-ends", good.replace(b"\r\n", b"\n", 3)
    yield "header/no-blank-line", b"From: eve@example.net\r\nSubject: x\r\nNo blank line here"
    yield "header/blank-with-space", good.replace(b"\r\n\r\n", b"\r\n \r\n", 1)
    yield "header/only", b"From: eve@example.net\r\nSubject: only headers"
    yield "header/body-only", b"Just a text\r\nwithout headers."
    yield "header/nul-names", b"Fr\x00om: eve@example.net\r\nSub\x00ject: x\r\n" + body
    yield "header/nul-values", b"From: eve@example.net\r\nSubject: a\x00b\x00\r\n" + body
    yield "header/8bit-name", "Тема: привет\r\n".encode() + good
    yield "header/colon-only", b":\r\n: x\r\n" + good
    yield (
        "header/repeated",
        good.replace(b"Subject: A question\r\n", b"Subject: A question\r\nSubject: Another\r\n" * 200),
    )
    yield "header/two-from", b"From: boss@victim.com\r\n" + good
    yield "header/truncated", good[:90]
    yield "header/long-line", b"X-Long: " + b"x" * 200_000 + b"\r\n" + good
    yield "header/message-id-10k", simple(Message_ID=f"<{'x' * 10_000}@example.net>")
    yield "header/message-id-broken", simple(Message_ID="<[@>")
    yield "header/message-id-open", simple(Message_ID="<a@[")
    yield "header/message-id-nul", simple(Message_ID="<a\x00b@c>")
    yield "header/message-id-none", simple(Message_ID="")
    yield "header/control-characters", simple(Subject="a\x01\x02\x1b[31mred\x7f\x85b")
    yield "header/bidi", simple(Subject="\u202egnp.exe\u202c \u2066x\u2069")
    yield "header/line-separators", simple(Subject="a\u2028Bcc: x@y.z\u2029b\x0bc\x0cd")
    yield "header/injection-encoded", simple(Subject="=?utf-8?Q?x=0D=0ABcc:_victim@example.com?=")
    yield "header/surrogates-utf7", simple(Subject="=?utf-7?Q?+2AA-?=")
    yield "header/surrogates-utf16", simple(Subject="=?utf-16?B?ANg=?=")
    for name, date in {
        "absurd-year": "Wed, 30 Apr 99999999 15:19:54 +0300",
        "negative": "Wed, -1 Apr 2025 15:19:54 +0300",
        "zone": "Wed, 30 Apr 2025 15:19:54 +99999999",
        "month": "Wed, 30 Foo 2025 15:19:54 +0300",
        "empty": " ",
        "words": "yesterday",
        "iso": "2025-04-30T15:19:54Z",
        "1970": "Thu, 01 Jan 1970 00:00:00 +0000",
        "seconds-99": "Wed, 30 Apr 2025 15:19:99 +0300",
        "long": "1" * 100_000,
        "parentheses": "Wed, 30 Apr 2025 15:19:54 +0300 " + "(" * 5000,
        "8bit": "Ср, 30 апр 2025 15:19:54 +0300",
    }.items():
        yield f"date/{name}", simple(Date=date)
    for name, subject in {
        "split-character": "=?utf-8?B?0J/RgNC40LLQ?= =?utf-8?B?tdGC?=",
        "split-q": "=?utf-8?Q?=D0=9F=D1=80=D0?= =?utf-8?Q?=B8=D0=B2=D0=B5=D1=82?=",
        "bad-base64": "=?utf-8?B?0J/RgNC40LLQtdGC!!?=",
        "short-base64": "=?utf-8?B?0J/RgNC40LLQtdGC0?=",
        "unknown-charset": "=?x-nonsense?B?0J/RgNC40LLQtdGC?=",
        "empty-charset": "=??B?0J/RgNC40LLQtdGC?=",
        "language": "=?utf-8*ru?B?0J/RgNC40LLQtdGC?=",
        "spaces-in-q": "=?utf-8?Q?two words?=",
        "unterminated": "=?utf-8?B?0J/RgNC40LLQtdGC",
        "rot13": "=?rot13?Q?uryyb?=",
        "zip-codec": "=?zlib?B?" + base64.b64encode(zlib.compress(b"x" * 100_000)).decode() + "?=",
        "punycode": "=?punycode?Q?ihqwcrb4cv8a8dqg056pqjye?=",
        "unicode-escape": "=?unicode_escape?Q?=5Cud800?=",
        "nested": "=?utf-8?Q?=3D=3Futf-8=3FQ=3Fx=3F=3D?=",
    }.items():
        yield f"subject/{name}", simple(Subject=subject)


def _structures() -> Iterator[tuple[str, bytes]]:
    text, html = text_part("Plain text."), text_part("<b>HTML</b> text.", "html")

    def with_type(content_type: str, body: bytes) -> bytes:
        return simple(body.decode("latin-1"), content_type=content_type)

    kind, body = multipart("mixed", [text, html], "b")
    yield "mime/no-boundary-parameter", with_type("multipart/mixed", body)
    yield "mime/empty-boundary", with_type('multipart/mixed; boundary=""', body)
    yield "mime/wrong-boundary", with_type("multipart/mixed; boundary=other", body)
    yield "mime/no-end", with_type(kind, body[: body.rindex(b"--b--")])
    yield "mime/truncated", with_type(kind, body[: len(body) // 2])
    yield "mime/ends-early", with_type(kind, b"--b--\r\n" + body)
    yield "mime/unquoted-boundary", with_type("multipart/mixed; boundary=b", body)
    yield "mime/no-semicolon", with_type('multipart/mixed boundary="b"', body)
    yield "mime/boundary-column-0", simple(body.decode(), content_type='multipart/mixed;\r\nboundary="b"')
    yield "mime/boundary-8bit", with_type('multipart/mixed; boundary="гр"', body.replace(b"--b", "--гр".encode()))
    yield "mime/boundary-encoded", with_type('multipart/mixed; boundary="=?utf-8?Q?b?="', body)
    yield "mime/same-boundary-nested", with_type(kind, multipart("mixed", [nested("alternative", [text], "b")], "b")[1])
    yield (
        "mime/prefix-boundary",
        with_type(kind, multipart("mixed", [nested("alternative", [text, html], "bb")], "b")[1]),
    )
    yield "mime/no-parts", with_type(kind, b"--b--\r\n")
    yield "mime/empty-parts", with_type(kind, b"--b\r\n--b\r\n\r\n--b--\r\n")
    yield "mime/part-without-headers", with_type(kind, b"--b\r\n\r\ntext\r\n--b--\r\n")
    yield "mime/preamble-only", with_type(kind, b"This is a multipart message.\r\n")
    yield (
        "mime/base64-multipart",
        simple(base64.encodebytes(body).decode(), content_type=kind, Content_Transfer_Encoding="base64"),
    )
    for encoding in (
        "7-bit",
        "utf-8",
        "spam",
        "",
        "BASE64",
        '"base64"',
        "base64;",
        "x-uuencode",
        "binary",
        "quoted-printable\x00",
    ):
        yield f"mime/encoding-{encoding!r}", simple("SGVsbG8gd29ybGQ=", Content_Transfer_Encoding=encoding or " ")
    yield (
        "mime/text-as-base64",
        simple("This is plain text, really; not base64 at all.", Content_Transfer_Encoding="base64"),
    )
    yield "mime/base64-cut", simple("SGVsbG8gd29yb", Content_Transfer_Encoding="base64")
    yield "mime/base64-twice-padded", simple("SGVsbG8=\r\nIHdvcmxk\r\n", Content_Transfer_Encoding="base64")
    yield "mime/base64-footer", simple("SGVsbG8=\r\n-- \r\nfooter of a list", Content_Transfer_Encoding="base64")
    yield "mime/qp-garbage", simple("=ZZ=4=\r\n=3D=  \r\n==", Content_Transfer_Encoding="quoted-printable")
    for content_type in (
        "text",
        "/",
        "text/",
        ";;;",
        "text/plain; charset",
        "=?utf-8?Q?text/html?=",
        "message/rfc822",
        "\x00",
        "x" * 5000,
    ):
        yield f"mime/type-{content_type[:20]!r}", simple(content_type=content_type)
    attached = simple("Inner text.", Subject=word("Вложенное письмо"))
    yield (
        "mime/attached-mail",
        with_type(*multipart("mixed", [text, b"Content-Type: message/rfc822\r\n\r\n" + attached], "b")),
    )
    yield (
        "mime/attached-base64",
        with_type(
            *multipart(
                "mixed",
                [
                    b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                    + base64.encodebytes(attached)
                ],
                "b",
            )
        ),
    )
    yield "mime/digest", with_type(*multipart("digest", [b"\r\n" + attached, b"\r\n" + attached], "b"))
    yield "mime/uuencode", simple("Hi\r\nbegin 644 a.txt\r\n%:&5L;&\\\r\n`\r\nend\r\nbye")
    yield "mime/uuencode-open", simple("Hi\r\nbegin 644 a.txt\r\n%:&5L;&\\\r\n")
    yield "mime/uuencode-fake", simple("Hi\r\nbegin 644 story\r\nonce upon a time\r\nend\r\n")
    yield (
        "mime/tnef-broken",
        with_type(
            *multipart(
                "mixed",
                [text, file_part("winmail.dat", b"\x78\x9f\x3e\x22" + b"\xff" * 500, "application/ms-tnef")],
                "b",
            )
        ),
    )
    yield (
        "mime/tnef-not",
        with_type(*multipart("mixed", [text, file_part("winmail.dat", b"hello", "application/ms-tnef")], "b")),
    )
    yield (
        "mime/status-empty",
        with_type(*multipart("report", [text, b"Content-Type: message/delivery-status\r\n\r\n"], "b")),
    )
    yield (
        "mime/status-garbage",
        with_type(
            *multipart("report", [text, b"Content-Type: message/delivery-status\r\n\r\n" + b"\xff\x00" * 99], "b")
        ),
    )


def _charsets() -> Iterator[tuple[str, bytes]]:
    russian = "Здравствуйте! Не приходит письмо с кодом, помогите."
    for charset in ("cp1251", "koi8-r", "iso-8859-5", "cp866", "mac_cyrillic", "utf-8", "utf-16", "utf-7"):
        data = russian.encode(charset)
        yield (
            f"charset/{charset}",
            simple(content_type=f"text/plain; charset={charset}").split(b"\r\n\r\n")[0] + b"\r\n\r\n" + data,
        )
        yield f"charset/{charset}-undeclared", block([("From", "eve@example.net"), ("Subject", "x")]) + data
        if charset not in ("utf-16", "utf-7"):
            yield f"charset/{charset}-raw-header", b"From: eve@example.net\r\nSubject: " + data + b"\r\n\r\nbody"
    for name in ("DEFAULT", "x-mac-cyrillic", "X-GBK", "iso-gb2312", " ", "charset=us-ascii", "utf-8; x", "rot13", "zlib", "idna", "hex",
                 "unicode_escape", "undefined", "utf-32", "../../etc/passwd", "\x00", "x" * 2000):  # fmt: skip
        yield f"charset/named-{name[:20]!r}", simple(russian, content_type=f'text/plain; charset="{name}"')
    japanese = "テスト"
    yield (
        "charset/iso-2022-jp",
        simple(content_type="text/plain; charset=iso-2022-jp").split(b"\r\n\r\n")[0]
        + b"\r\n\r\n"
        + japanese.encode("iso2022_jp_ext"),
    )
    yield (
        "charset/iso-2022-jp-header",
        b"From: eve@example.net\r\nSubject: " + japanese.encode("iso2022_jp_ext") + b"\r\n\r\nx",
    )
    yield (
        "charset/gb2312-header",
        b"From: eve@example.net\r\nSubject: " + "测试邮件主题".encode("gb2312") + b"\r\n\r\nx",
    )
    yield (
        "charset/broken-utf8",
        block([("From", "eve@example.net"), ("Content-Type", "text/plain; charset=utf-8")])
        + russian.encode()[:-1]
        + b"\xff\xfe\x00",
    )
    yield (
        "charset/random",
        block([("From", "eve@example.net"), ("Content-Type", "text/plain; charset=utf-8")]) + bytes(range(256)) * 40,
    )


def _scripts() -> Iterator[tuple[str, bytes]]:
    for number, payload in enumerate(PAYLOADS):
        one_line = " ".join(payload.split())
        yield f"script/html/{number}", simple(payload, content_type="text/html; charset=utf-8")
        if number % 3 == 0:
            yield f"script/subject/{number}", simple(Subject=one_line)
            yield (
                f"script/subject-encoded/{number}",
                simple(Subject=f"=?utf-8?B?{base64.b64encode(one_line.encode()).decode()}?="),
            )
        if number % 3 == 1:
            quoted = one_line.replace("\\", "\\\\").replace('"', '\\"')
            yield f"script/name/{number}", simple(From=f'"{quoted}" <eve@example.net>')
            yield f"script/text/{number}", simple(payload)
        if number % 3 == 2:
            yield f"script/file-name/{number}", with_file(payload)


def _files() -> Iterator[tuple[str, bytes]]:
    names = {
        "traversal": "../../../etc/passwd",
        "windows-path": "C:\\Windows\\System32\\evil.dll",
        "absolute": "/etc/shadow",
        "nul": "a.txt\x00.exe",
        "newline": "a\r\nContent-Type: text/html\r\n\r\n<script>.txt",
        "bidi": "photo\u202egnp.exe",
        "zero-width": "\u200bevil\u200b.php",
        "dots": "..",
        "hidden": ".htaccess",
        "trailing-dot": "evil.exe.",
        "long": "x" * 300 + ".pdf",
        "long-cyrillic": "я" * 300 + ".pdf",
        "no-extension-long": "я" * 300,
        "device": "CON.txt",
        "empty": "",
        "blank": "   ",
        "quotes": 'a"b;c=d.txt',
    }
    for name, declared in names.items():
        yield f"file/{name}", with_file(declared)
    for name, line in {
        "raw-8bit": 'filename="отчёт.pdf"',
        "unquoted-blanks": "filename=my report final.pdf",
        "rfc2231": "filename*=utf-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf",
        "rfc2231-continued": "filename*0*=utf-8''%D0%BE%D1%82;\r\n filename*1*=%D1%87%D1%91%D1%82; filename*2=.pdf",
        "rfc2231-gap": "filename*0=a; filename*2=c.pdf; filename*1=b",
        "rfc2231-bad": "filename*=nonsense''%ZZ%D0",
        "rfc2231-many": "; ".join(f"filename*{i}=x" for i in range(2000)),
        "open-quote": 'filename="never closed.pdf',
        "two-names": "filename=a.pdf; filename=b.exe",
    }.items():
        part = f"Content-Type: application/pdf\r\nContent-Disposition: attachment; {line}\r\n\r\n".encode() + b"%PDF"
        content_type, body = multipart("mixed", [text_part("See."), part], "b")
        yield f"file/{name}", mail([("From", "eve@example.net"), ("Content-Type", content_type)], body)
    yield "file/svg-as-jpg", with_file("photo.jpg", b"<svg onload=alert(1)>", "image/jpeg")
    yield "file/html", with_file("page.html", b"<script>alert(1)</script>", "text/html")


def _forged() -> Iterator[tuple[str, bytes]]:
    for name in (
        "X-OTRS-Queue",
        "X-Zammad-Ticket-State",
        "X-Helpdesk-Ticket",
        "X-Helpdesk-Loop",
        "X-Loop",
        "X-Priority",
        "Control",
    ):
        yield f"forged/{name}", simple(**{name.replace("-", "_"): "1"})
    yield "forged/subject-tag", simple(Subject="Re: [#4711] hello")
    yield "forged/references", simple(In_Reply_To="<t1.2.k1.aaaa@example.com>", References="<t1.2.k1.aaaa@example.com>")
    yield "forged/plus", simple(To="support+t4711.k1.aaaaaaaaaaaaaaaa@example.com")
    yield (
        "forged/sender",
        simple(Sender="boss@victim.com", Return_Path="<other@victim.com>", Reply_To="third@victim.com"),
    )
