"""Files that customers attach, drawn and written here: nothing is shipped that somebody else made."""

import io

from PIL import Image, ImageDraw

PAPER, INK, CARD, TAPE = (250, 248, 242), (40, 40, 48), (196, 160, 112), (226, 206, 170)


def make(name: str) -> tuple[str, bytes]:
    """The MIME type and the content of the file called `name`; its first word says what it shows."""
    if name.endswith(".pdf"):
        return "application/pdf", _pdf(name.removesuffix(".pdf"))
    if name.endswith(".csv"):
        return "text/csv", ("дата;сумма;карта\r\n" + "18.11.2026;2490,00;**** 4417\r\n" * 2).encode()
    kind = "PNG" if name.endswith(".png") else "JPEG"
    draw = {"парсел": _parcel, "чек": _receipt, "экран": _screen}
    picture = next((make_one() for word, make_one in draw.items() if word in _meaning(name)), None) or _parcel()
    out = io.BytesIO()
    picture.save(out, kind, quality=82)
    return f"image/{kind.lower()}", out.getvalue()


def _meaning(name: str) -> str:
    lowered = name.lower()
    if any(word in lowered for word in ("чек", "квитанц", "receipt")):
        return "чек"
    if any(word in lowered for word in ("экран", "скрин", "screen", "ошибка")):
        return "экран"
    return "парсел"


def _parcel() -> Image.Image:
    """A box with a torn corner on a floor."""
    picture = Image.new("RGB", (1200, 900), (120, 126, 132))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 560, 1200, 900), fill=(92, 84, 78))
    draw.polygon([(260, 330), (760, 260), (980, 380), (470, 470)], fill=(212, 178, 132))
    draw.polygon([(260, 330), (470, 470), (480, 780), (280, 620)], fill=CARD)
    draw.polygon([(470, 470), (980, 380), (960, 680), (480, 780)], fill=(178, 142, 96))
    draw.polygon([(500, 300), (560, 291), (770, 415), (705, 427)], fill=TAPE)
    draw.polygon([(880, 396), (980, 380), (972, 520), (925, 470), (905, 500)], fill=(66, 56, 50))
    draw.line([(880, 396), (905, 500), (925, 470), (972, 520)], fill=(240, 232, 220), width=7)
    draw.rectangle((560, 560, 760, 690), fill=PAPER)
    for row in range(5):
        draw.line((580, 580 + row * 22, 740 - row * 18, 577 + row * 22), fill=INK, width=5)
    return picture


def _receipt() -> Image.Image:
    """A till receipt."""
    picture = Image.new("RGB", (620, 980), (205, 200, 192))
    draw = ImageDraw.Draw(picture)
    draw.polygon([(90, 40), (540, 55), (528, 940), (70, 925)], fill=PAPER)
    draw.text((215, 90), "VESNA", fill=INK, font_size=48)
    rows = ["KETTLE K-17        2490.00", "FILTER F-3          310.00", "DELIVERY            150.00"]
    rows += ["", "TOTAL              2950.00", "CARD   **** **** **** 4417", "18.11.2026 14:32  No 88213"]
    for place, row in enumerate(rows):
        draw.text((120, 220 + place * 64), row, fill=INK, font_size=26)
    for bar in range(60):
        draw.line((130 + bar * 6, 760, 128 + bar * 6, 870), fill=INK, width=1 + (bar * 7) % 4)
    return picture


def _screen() -> Image.Image:
    """A page of the shop with an error on it."""
    picture = Image.new("RGB", (1280, 800), (244, 246, 249))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 1280, 72), fill=(32, 94, 88))
    draw.text((40, 18), "vesna.example", fill=PAPER, font_size=30)
    draw.rounded_rectangle((330, 200, 950, 600), 18, fill=(255, 255, 255), outline=(210, 214, 220), width=2)
    draw.text((390, 250), "Error 500", fill=(176, 44, 44), font_size=54)
    draw.text((390, 350), "payment/confirm?order=88213", fill=INK, font_size=28)
    draw.rounded_rectangle((390, 460, 620, 530), 10, fill=(32, 94, 88))
    draw.text((440, 476), "Try again", fill=PAPER, font_size=28)
    return picture


def _pdf(title: str) -> bytes:
    """A one-page PDF with a line of text, written by hand."""
    words = title.encode("ascii", "ignore").decode().strip(" -_") or "document"
    stream = f"BT /F1 20 Tf 60 760 Td (Vesna, {words}) Tj 0 -40 Td (No 88213   18.11.2026   2950.00) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + head + table + tail
