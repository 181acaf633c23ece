"""Small pieces to build raw mails from, independent of the standard library's mail builder and of the parser."""

import base64
import quopri

CRLF = b"\r\n"


def word(text: str, charset: str = "utf-8", encoding: str = "B") -> str:
    """One RFC 2047 encoded word for every 12 characters, or the text itself when it is ASCII."""
    if text.isascii():
        return text
    words = []
    for start in range(0, len(text), 12):
        data = text[start : start + 12].encode(charset)
        if encoding == "B":
            words.append(f"=?{charset}?B?{base64.b64encode(data).decode()}?=")
        else:
            quoted = "".join(chr(b) if chr(b).isalnum() and b < 128 else f"={b:02X}" for b in data)
            words.append(f"=?{charset}?Q?{quoted}?=")
    return "\r\n ".join(words)


def header(**fields: str) -> list[tuple[str, str]]:
    """Fields in order; underscores in names become hyphens."""
    return [(name.replace("_", "-"), value) for name, value in fields.items()]


def block(fields: list[tuple[str, str]]) -> bytes:
    """A header block with its blank line; lone surrogates stand for raw bytes."""
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode("utf-8", "surrogateescape") + CRLF


def mail(fields: list[tuple[str, str]], body: bytes | str = b"") -> bytes:
    """A whole mail."""
    return block(fields) + (body.encode() if isinstance(body, str) else body)


def simple(
    body: str = "Hello, this is a text.", *, content_type: str = "text/plain; charset=utf-8", **fields: str
) -> bytes:
    """A mail with believable headers, any of which may be given; an empty value leaves the field out."""
    values = {
        "From": "Eve Customer <eve@example.net>",
        "To": "support@example.com",
        "Subject": "A question",
        "Date": "Wed, 30 Apr 2025 15:19:54 +0300",
        "Message-ID": "<one@example.net>",
        "MIME-Version": "1.0",
        "Content-Type": content_type,
    }
    values.update({name.replace("_", "-"): value for name, value in fields.items()})
    return mail([(name, value) for name, value in values.items() if value], body)


def text_part(text: str, subtype: str = "plain", charset: str = "utf-8") -> bytes:
    """A quoted-printable text part."""
    encoded = quopri.encodestring(text.encode(charset)).replace(b"\n", CRLF)
    head = f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head.encode() + encoded


def file_part(name: str, content: bytes, content_type: str = "application/octet-stream", extra: str = "") -> bytes:
    """A base64 attachment whose name is an encoded word in both places, as most programs send it."""
    shown = word(name).replace("\r\n ", " ")
    return (
        f'Content-Type: {content_type}; name="{shown}"\r\nContent-Transfer-Encoding: base64\r\n'
        f'Content-Disposition: attachment; filename="{shown}"\r\n{extra}\r\n'.encode()
        + base64.encodebytes(content).replace(b"\n", CRLF)
    )


def multipart(subtype: str, parts: list[bytes], boundary: str, extra: str = "") -> tuple[str, bytes]:
    """The Content-Type value and the body of a multipart."""
    marker = b"--" + boundary.encode()
    body = b"".join(marker + CRLF + part + CRLF for part in parts) + marker + b"--" + CRLF
    return f'multipart/{subtype}; boundary="{boundary}"{extra}', body


def nested(subtype: str, parts: list[bytes], boundary: str, extra: str = "") -> bytes:
    """A multipart as a part of another."""
    content_type, body = multipart(subtype, parts, boundary, extra)
    return f"Content-Type: {content_type}\r\n\r\n".encode() + body


def with_file(name: str, content: bytes = b"content", content_type: str = "application/octet-stream") -> bytes:
    """A mail with one file whose name is given as it is."""
    encoded = base64.b64encode(name.encode("utf-8", "replace")).decode()
    disposition = f'attachment; filename="=?utf-8?B?{encoded}?="'
    part = f"Content-Type: {content_type}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content
    content_type, body = multipart("mixed", [text_part("See the file."), part], "b")
    return mail([("From", "eve@example.net"), ("Subject", "file"), ("Content-Type", content_type)], body)
