"""The parts of a mail: texts, alternatives, files and their names, attached mails, old encodings, broken structures."""
# ruff: noqa: E501 -- mails read better on one line

import base64
import struct

import pytest

from queues.channels.email import limits
from queues.channels.email.contents import unflow
from queues.channels.email.files import safe_name
from queues.channels.email.mime import decode_transfer, extract_uuencoded
from queues.channels.email.parse import parse
from queues.channels.email.parsed import ParsedMail
from tests.email.build import file_part, multipart, nested, simple, text_part, word
from tests.email.hostile import hostile_mails


def _mixed(*parts: bytes) -> ParsedMail:
    content_type, body = multipart("mixed", list(parts), "=_b")
    head = simple("", content_type=content_type)
    return parse(head + body)


def _names(mail: ParsedMail) -> list[str]:
    return [each.name for each in mail.attachments]


def _codes(mail: ParsedMail) -> set[str]:
    return {problem.code for problem in mail.problems}


@pytest.fixture(scope="module")
def hostile() -> dict[str, bytes]:
    return {name: raw for name, raw in hostile_mails() if name.startswith(("mime/", "file/", "bomb/"))}


def test_alternatives_are_one_text() -> None:
    mail = _mixed(
        nested("alternative", [text_part("Просто текст"), text_part("<p>Просто <b>текст</b></p>", "html")], "=_a")
    )
    assert mail.text == "Просто текст"
    assert mail.html == "<p>Просто <b>текст</b></p>"
    assert mail.attachments == ()


def test_an_empty_plain_alternative_gives_way_to_the_html() -> None:
    mail = _mixed(nested("alternative", [text_part(" \n"), text_part("<p>Текст</p>", "html")], "=_a"))
    assert mail.text == "Текст"


def test_alternatives_for_other_devices_are_neither_text_nor_files() -> None:
    amp = b"Content-Type: text/x-amp-html\r\n\r\n<html amp4email></html>"
    enriched = b"Content-Type: text/enriched\r\n\r\n<bold>Hi</bold>"
    mail = _mixed(nested("alternative", [text_part("Hi"), enriched, amp, text_part("<p>Hi</p>", "html")], "=_a"))
    assert (mail.text, mail.attachments) == ("Hi", ())
    assert _mixed(enriched).text == "Hi"


def test_an_invitation_is_a_file() -> None:
    calendar = b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR"
    assert _names(_mixed(nested("alternative", [text_part("Hi"), calendar], "=_a"))) == ["attachment-1.ics"]


def test_texts_between_files_are_joined() -> None:
    mail = _mixed(text_part("Before"), file_part("a.png", b"\x89PNG", "image/png"), text_part("After"))
    assert mail.text == "Before\n\nAfter"
    assert _names(mail) == ["a.png"]


def test_a_footer_of_a_list_joins_the_html() -> None:
    mail = _mixed(
        nested("alternative", [text_part("Hi"), text_part("<p>Hi</p>", "html")], "=_a"), text_part("Footer & co")
    )
    assert mail.html == "<p>Hi</p>\n<div>Footer &amp; co</div>"


def test_pictures_that_the_html_shows_are_inline_and_others_are_files() -> None:
    related = nested(
        "related",
        [
            text_part('<p>Hi <img src="cid:one@x"> <img src="CID:Two%40x"></p>', "html"),
            file_part("one.png", b"1", "image/png", "Content-ID: <one@x>\r\n"),
            file_part("two.png", b"2", "image/png", "Content-ID: <two@x>\r\n"),
            file_part("three.png", b"3", "image/png", "Content-ID: <three@x>\r\n"),
        ],
        "=_r",
    )
    assert [(each.name, each.inline, each.content_id) for each in _mixed(related).attachments] == [
        ("one.png", True, "one@x"),
        ("two.png", True, "Two@x"),
        ("three.png", False, "three@x"),
    ]


def test_an_attached_mail_stays_closed() -> None:
    inner = simple("Inner text.", Subject=word("Вложенное письмо / часть 1"))
    mail = _mixed(text_part("Outer text."), b"Content-Type: message/rfc822\r\n\r\n" + inner)
    assert mail.text == "Outer text."
    assert _names(mail) == ["Вложенное письмо _ часть 1.eml"]
    assert mail.attachments[0].nested == "message"
    assert parse(mail.attachments[0].content).text == "Inner text."


def test_named_texts_are_files_but_a_named_body_is_the_text() -> None:
    named = b'Content-Type: text/plain; name="log.txt"\r\n\r\nlog line'
    assert _names(_mixed(text_part("Body"), named)) == ["log.txt"]
    assert parse(simple("Body", content_type='text/plain; name="body.txt"')).text == "Body"
    html = b'Content-Type: text/html; name="body.html"\r\n\r\n<p>HTML</p>'
    assert _mixed(nested("alternative", [text_part("Plain"), html], "=_a")).html == "<p>HTML</p>"


def test_a_mail_that_is_one_file() -> None:
    mail = parse(
        simple(
            base64.b64encode(b"%PDF").decode(),
            content_type='application/pdf; name="a.pdf"',
            Content_Transfer_Encoding="base64",
        )
    )
    assert [(each.name, each.content) for each in mail.attachments] == [("a.pdf", b"%PDF")]
    assert mail.text == ""


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('filename="отчёт.pdf"', "отчёт.pdf"),
        ("filename*=utf-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf", "отчёт.pdf"),
        ('filename="=?utf-8?B?0L7RgtGH0ZHRgi5wZGY=?="', "отчёт.pdf"),
        ('filename="=?koi8-r?B?z9TexdQucGRm?="', "отчет.pdf"),
        ("filename=my report.pdf", "my report.pdf"),
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="C:\\dir\\evil.dll"', "evil.dll"),
        ('filename=""', "attachment-1.pdf"),
        ('filename=".."', "attachment-1.pdf"),
    ],
)
def test_names_of_files(line: str, name: str) -> None:
    part = f"Content-Type: application/pdf\r\nContent-Disposition: attachment; {line}\r\n\r\n%PDF".encode()
    assert _names(_mixed(text_part("x"), part)) == [name]


def test_a_name_in_cp1251_bytes_is_read() -> None:
    part = b'Content-Type: application/pdf; name="' + "счёт на оплату.pdf".encode("cp1251") + b'"\r\n\r\n%PDF'
    assert _names(_mixed(text_part("x"), part)) == ["счёт на оплату.pdf"]


@pytest.mark.parametrize(
    ("declared", "safe"),
    [
        ("photo\u202egnp.exe", "photognp.exe"),
        ("\u200bevil\u200b.php", "evil.php"),
        ("a\r\nContent-Type: text/html", "a Content-Type_ text_html"),
        ("Счёт 12/34 от 01.02.pdf", "Счёт 12_34 от 01.02.pdf"),
        ("a/../../b.txt", "b.txt"),
        ("evil.exe. .", "evil.exe"),
        ("a\x00.txt", "a.txt"),
        ("e\u0301.txt", "é.txt"),
        ("<img src=x>.png", "_img src=x_.png"),
        ("a/b\\c.txt", "c.txt"),
        (".htaccess", ".htaccess"),
        ("...", ""),
        ("  ", ""),
        ("/", ""),
    ],
)
def test_names_are_made_safe(declared: str, safe: str) -> None:
    assert safe_name(declared) == safe


@pytest.mark.parametrize("declared", ["я" * 300 + ".pdf", "x" * 5000 + ".tar.gz", "я" * 300, "я." * 300])
def test_long_names_fit_and_keep_their_extension(declared: str) -> None:
    name = safe_name(declared)
    assert len(name.encode()) <= limits.FILE_NAME_BYTES
    assert name.rpartition(".")[2] in (declared.rpartition(".")[2], name, "я")


_UU = b"begin 644 a.txt\r\n%:&5L;&\\\r\n`\r\nend\r\n"


def test_uuencoded_files_leave_the_text() -> None:
    mail = parse(simple("Hi\r\n" + _UU.decode() + "bye"))
    assert mail.text == "Hi\nbye"
    assert [(each.name, each.content, each.nested) for each in mail.attachments] == [("a.txt", b"hello", "uuencode")]


def test_what_only_looks_uuencoded_stays_text() -> None:
    text = b"Hi\r\nbegin 644 story\r\nonce upon a time there was\r\nend\r\n"
    assert extract_uuencoded(text) == (text, [])


def _tnef(*objects: tuple[int, int, int, bytes]) -> bytes:
    stream = b"\x78\x9f\x3e\x22\x01\x00"
    for level, name, kind, data in objects:
        stream += struct.pack("<BHHI", level, name, kind, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)
    return stream


_WINMAIL = _tnef(
    (1, 0x9006, 8, b"\x00\x00\x01\x00"),
    (1, 0x9007, 6, b"\xe3\x04\x00\x00\x00\x00\x00\x00"),
    (2, 0x9002, 6, b"\x01\x00" + b"\x00" * 12),
    (2, 0x8010, 1, "отчёт.doc\x00".encode("cp1251")),
    (2, 0x800F, 6, b"file content"),
)


def test_winmail_is_unpacked() -> None:
    mail = _mixed(text_part("Body"), file_part("winmail.dat", _WINMAIL, "application/ms-tnef"))
    assert [(each.name, each.content, each.nested) for each in mail.attachments] == [
        ("отчёт.doc", b"file content", "tnef")
    ]


def test_a_broken_winmail_stays_a_file() -> None:
    mail = _mixed(
        text_part("Body"), file_part("winmail.dat", b"\x78\x9f\x3e\x22" + b"\xff" * 400, "application/ms-tnef")
    )
    assert _names(mail) == ["winmail.dat"]
    assert "tnef-unreadable" in _codes(mail)


@pytest.mark.parametrize(
    ("raw", "encoding", "expected"),
    [
        (b"SGVsbG8=", b"base64", b"Hello"),
        (b"SGVs\r\nbG8=\r\n", b' "BASE64" ', b"Hello"),
        (b"SGVsbG8", b"base64", b"Hello"),
        (b"SGVsbG8=\r\nIHdvcmxk\r\n", b"base64", b"Hello world"),
        (b"SGVsbG8=\r\n-- \r\nfooter of a list\r\n", b"base64", b"Hello"),
        (b"This is plain text, really.", b"base64", b"This is plain text, really."),
        (b"a=3Db=\r\nc=  \r\nd=ZZ", b"quoted-printable", b"a=bcd=ZZ"),
        (b"plain", b"7-bit", b"plain"),
        (b"plain", b"spam", b"plain"),
        (b"plain", b"", b"plain"),
        (_UU, b"x-uuencode", b"hello"),
    ],
)
def test_transfer_encodings(raw: bytes, encoding: bytes, expected: bytes) -> None:
    assert decode_transfer(raw, encoding)[0] == expected


@pytest.mark.parametrize(
    "name",
    ["no-boundary-parameter", "empty-boundary", "wrong-boundary", "no-end", "unquoted-boundary", "no-semicolon", "boundary-column-0",
     "boundary-8bit", "boundary-encoded", "same-boundary-nested", "prefix-boundary", "base64-multipart", "ends-early"],
)  # fmt: skip
def test_broken_multiparts_still_show_their_text(name: str, hostile: dict[str, bytes]) -> None:
    assert parse(hostile[f"mime/{name}"]).text.startswith("Plain text.")


def test_a_digest_is_a_list_of_mails() -> None:
    part = b"\r\n" + simple("x", Subject="One")
    content_type, body = multipart("digest", [part, part], "b")
    mail = parse(simple("", content_type=content_type) + body)
    assert _names(mail) == ["One.eml", "One.eml"]


def test_caps_on_structure_are_said(hostile: dict[str, bytes]) -> None:
    assert "mime-depth" in _codes(parse(hostile["bomb/nesting-1000"]))
    assert "mime-parts" in _codes(parse(hostile["bomb/parts-100000"]))
    many = _mixed(text_part("x"), *(file_part(f"{number}.bin", b"x") for number in range(150)))
    assert len(many.attachments) == limits.ATTACHMENTS
    assert "attachments-cut" in _codes(many)


def test_every_file_name_is_safe(hostile: dict[str, bytes]) -> None:
    for name, raw in hostile.items():
        if not name.startswith("file/"):
            continue
        mail = parse(raw)
        assert mail.attachments, name
        for each in mail.attachments:
            assert each.name, name
            assert not set(each.name) & set('/\\<>"|:*?\x00\r\n\u202e\u200b'), name
            assert len(each.name.encode()) <= limits.FILE_NAME_BYTES, name


def test_flowed_text_is_joined() -> None:
    assert unflow("A long \nline.\n> quoted \n> too\n-- \nme", delsp=False) == "A long line.\n> quoted too\n-- \nme"
    assert unflow("日本 \n語", delsp=True) == "日本語"
    assert unflow(" >not a quote", delsp=False) == ">not a quote"


def test_a_text_that_is_html_is_read_as_html() -> None:
    assert parse(simple("<!DOCTYPE html><html><body><p>Hi</p></body></html>")).text == "Hi"


def test_a_charset_in_the_markup_counts() -> None:
    body = '<html><head><meta charset="koi8-r"></head><body>ЖЁ</body></html>'.encode("koi8-r")
    assert parse(simple("", content_type="text/html") + body).text == "ЖЁ"
