"""Mails that cost other parsers minutes or gigabytes."""

from collections.abc import Iterator

from tests.email.build import mail, multipart, nested, simple, with_file


def bombs() -> Iterator[tuple[str, bytes]]:
    """(name, raw mail), made one at a time: some are megabytes."""
    deep = b"Content-Type: text/plain\r\n\r\nbottom\r\n"
    for level in range(1000):
        deep = nested("mixed", [deep], f"b{level}")
    yield "bomb/nesting-1000", b"From: eve@example.net\r\nMIME-Version: 1.0\r\n" + deep
    content_type, body = multipart("mixed", [b"Content-Type: text/plain\r\n\r\nx"] * 100_000, "b")
    yield "bomb/parts-100000", mail([("From", "eve@example.net"), ("Content-Type", content_type)], body)
    mails = b"From: a@b.c\r\n\r\nbottom"
    for _level in range(500):
        mails = b"From: a@b.c\r\nContent-Type: message/rfc822\r\n\r\n" + mails
    yield "bomb/messages-500", mails
    yield "bomb/headers-100000", b"".join(b"X-H%d: v\r\n" % i for i in range(100_000)) + simple()
    yield "bomb/received-100000", b"Received: from a by b; Wed, 30 Apr 2025 15:19:54 +0300\r\n" * 100_000 + simple()
    yield "bomb/continuations", b"X-Fold: a\r\n" + b" b\r\n" * 300_000 + simple()
    yield "bomb/column-0", b"X-Fold: a\r\n" + b"junk\r\n" * 300_000 + simple()
    yield "bomb/references", simple(References=" ".join(f"<{i}.{'x' * 30}@example.net>" for i in range(100_000)))
    yield "bomb/references-open", simple(References="<" * 1_000_000)
    yield "bomb/in-reply-to", simple(In_Reply_To="<a " * 300_000)
    yield "bomb/words", simple(Subject=" ".join(["=?utf-8?Q?=D0=9F?="] * 20_000))
    yield "bomb/words-open", simple(Subject="=?utf-8?Q?" * 30_000)
    yield "bomb/words-charsets", simple(Subject=" ".join(f"=?cp{i}?Q?=D0?=" for i in range(20_000)))
    yield "bomb/comments", simple(From="(" * 100_000 + " eve@example.net")
    yield "bomb/comments-closed", simple(From="(" * 15_000 + ")" * 15_000 + " eve@example.net")
    yield "bomb/groups", simple(To="a:" * 15_000 + ";" * 15_000)
    yield "bomb/angles", simple(From="<" * 30_000)
    yield "bomb/angle-quotes", simple(From='<"' * 16_000)
    yield "bomb/quotes", simple(From='"\\' * 16_000)
    yield "bomb/recipients", simple(To=", ".join(f"u{i}@example.com" for i in range(100_000)))
    yield "bomb/parameters", simple(content_type="text/plain; " + "; ".join(f"p{i}=v" for i in range(100_000)))
    yield "bomb/boundary", simple("--" + "b" * 30_000, content_type=f'multipart/mixed; boundary="{"b" * 30_000}"')
    yield "bomb/boundary-like", simple("--b" * 2_000_000, content_type="multipart/mixed; boundary=b")
    for tag in ("div", "blockquote", "b", "table", "font", "p", "ul><li", "span", "table><tr><td", "a href=x"):
        opened = f"<{tag}>" * 200_000
        yield f"bomb/html-{tag}", simple(opened[:3_000_000], content_type="text/html")
    yield "bomb/html-5000", simple("<div>" * 5000 + "deep text" + "</div>" * 5000, content_type="text/html")
    yield (
        "bomb/html-reopen",
        simple("".join(f"<font color={i}>" for i in range(250)) + "</p><p>x" * 100_000, content_type="text/html"),
    )
    yield "bomb/html-scope", simple("<div><table></div>" * 100_000, content_type="text/html")
    yield (
        "bomb/html-attributes",
        simple("<div " + " ".join(f"a{i}=1" for i in range(100_000)) + ">x", content_type="text/html"),
    )
    yield "bomb/html-attribute", simple(f'<div style="{"color:red;" * 100_000}">x</div>', content_type="text/html")
    yield "bomb/html-images", simple("<img src=http://x/y>" * 50_000, content_type="text/html")
    yield "bomb/html-quotes", simple(("<blockquote>x</blockquote>text") * 30_000, content_type="text/html")
    yield "bomb/html-quotes-nested", simple("<blockquote>" * 250 + "<p>words</p>" * 50_000, content_type="text/html")
    yield "bomb/html-from", simple("<div>" * 200 + "<b>From:</b> x" * 40_000, content_type="text/html")
    yield "bomb/html-hidden", simple('<p style="display:none">x</p>' * 30_000, content_type="text/html")
    yield "bomb/html-open-tags", simple("<a" * 500_000, content_type="text/html")
    yield "bomb/html-open-comments", simple("<!--" * 250_000, content_type="text/html")
    yield "bomb/html-scripts", simple("<script" * 140_000, content_type="text/html")
    yield "bomb/html-entities", simple("&amp;" * 200_000, content_type="text/html")
    yield "bomb/html-word", simple("<!--[if gte mso 9]>" * 50_000, content_type="text/html")
    yield (
        "bomb/html-signatures",
        simple(
            '<div class="gmail_signature">' * 200 + "x" + "<div id=divRplyFwdMsg></div>" * 20_000,
            content_type="text/html",
        ),
    )
    yield "bomb/quote-lines", simple("> quoted\r\n" * 300_000)
    yield "bomb/quote-mixed", simple("> quoted\r\nanswer\r\n" * 100_000)
    yield "bomb/attribution", simple("On Wed, Apr 30, 2025 at 3:19 PM, somebody\r\n" * 15_000)
    yield "bomb/attribution-long", simple("On " + "a@b " * 250_000 + "wrote:")
    yield "bomb/from-lines", simple("From: a@b.c\r\n" * 19_000)
    yield "bomb/long-line", simple("a" * 5_000_000)
    yield "bomb/spaces", simple(" " * 5_000_000)
    yield "bomb/newlines", simple("\r\n" * 2_000_000)
    yield "bomb/digits", simple("1." * 500_000, Subject="1" * 30_000)
    yield "bomb/ats", simple("a@" * 500_000, From="mailer-daemon@example.net", Subject="failure notice")
    yield "bomb/signature-dashes", simple("-" * 1_000_000)
    yield "bomb/uuencode", simple("begin 644 a\r\n" * 100_000)
    yield "bomb/uuencode-lines", simple("begin 644 a\r\n" + "%:&5L;&\\\r\n" * 200_000)
    yield "bomb/base64-pads", simple("A=" * 2_000_000, Content_Transfer_Encoding="base64")
    yield "bomb/flowed", simple("a \r\n" * 300_000, content_type="text/plain; format=flowed")
    yield "bomb/nul", b"\x00" * 5_000_000
    yield "bomb/nul-body", simple("\x00" * 5_000_000)
    yield (
        "bomb/status",
        simple(
            "Final-Recipient: rfc822; a@b.c\r\nAction: failed\r\n\r\n" * 50_000, content_type="message/delivery-status"
        ),
    )
    tnef = b"\x78\x9f\x3e\x22\x01\x00" + (b"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" * 400_000)
    yield "bomb/tnef", with_file("winmail.dat", tnef, "application/ms-tnef")
