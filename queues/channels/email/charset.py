"""Bytes to text, whatever the declared character set says. Never raises, never yields NUL or surrogates."""

import codecs
import functools
import re

_ALIASES = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "iso-gb2312": "gb18030",
    "gb2312-80": "gb18030",
    "euc-cn": "gb18030",
    "x-euc-cn": "gb18030",
    "ks_c_5601-1987": "cp949",
    "ksc5601": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "iso-2022-jp": "iso2022_jp_ext",
    "csiso2022jp": "iso2022_jp_ext",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "sjis": "cp932",
    "windows-31j": "cp932",
    "ms932": "cp932",
    "x-euc-jp": "euc_jp",
    "big5": "big5hkscs",
    "x-big5": "big5hkscs",
    "cn-big5": "big5hkscs",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "iso_8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "us-ascii": "ascii",
    "ansi_x3.4-1968": "ascii",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-ukrainian": "mac_cyrillic",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "x-cp1251": "cp1251",
    "win-1251": "cp1251",
    "win1251": "cp1251",
    "windows1251": "cp1251",
    "cp-1251": "cp1251",
    "ansi-1251": "cp1251",
    "x-koi8-r": "koi8_r",
    "koi8r": "koi8_r",
    "koi8": "koi8_r",
    "koi8-ru": "koi8_u",
    "iso-8859-8-i": "iso8859_8",
    "iso-8859-8-e": "iso8859_8",
    "iso-8859-6-i": "iso8859_6",
    "unicode-1-1-utf-7": "utf_7",
    "unicode-1-1-utf-8": "utf_8",
    "x-unicode-2-0-utf-8": "utf_8",
    "utf8mb4": "utf_8",
    "unicode": "utf_16",
}
_EMPTY_NAMES = {"", "default", "unknown", "unknown-8bit", "x-unknown", "x-user-defined", "none", "null", "binary"}
_MULTIBYTE = {"gb18030", "cp949", "cp932", "euc_jp", "big5hkscs", "big5", "johab", "hz", "iso2022_jp_ext", "euc_kr"}
_STATEFUL = {"utf_7", "hz", "iso2022_jp_ext", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be"}
_WESTERN = {"cp1252", "ascii", "iso8859_15", "mac_roman", "cp1254", "cp1250"}
# Codecs of the standard library that are no character sets of mail, or that run code of their own on the text.
_REFUSED = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem", "charmap"}

_LONG_HIGH_RUN = re.compile(rb"[\x80-\xff]{4,}")
_HIGH = re.compile(rb"[\x80-\xff]")
_CYRILLIC_COMMON = frozenset("оеаинтсрвлкмдпуіОЕАИНТСРВЛКМДПУІ")
_CYRILLIC_CODECS = ("cp1251", "koi8_r")
_CYRILLIC_WORD = re.compile("[\u0400-\u04ff]+")
_CAPITAL_INSIDE = re.compile("[а-яёіїєґ][А-ЯЁІЇЄҐ]")
_JIS_ESCAPE = re.compile(rb"(\x1b\$[@B]|\x1b\([A-Z])")
_NO_TEXT = re.compile(rb"[\x00-\x08]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]+")
_SURROGATES = re.compile("[\ud800-\udfff\ufffe\uffff]")
_LINE_CONTROLS = re.compile("[\t\n\r\x0b\x0c\x85\u2028\u2029]+")
_BIDI_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069]")
_NEWLINES = re.compile("\r\n?|\u2028|\u2029|\x85|\x0c")


def safe_text(text: str) -> str:
    """Normalise newlines to "\\n" and drop what PostgreSQL refuses or terminals obey (NUL, controls, surrogates)."""
    if text.isascii() and text.isprintable():
        return text
    if "\r" in text or not text.isascii():
        text = _NEWLINES.sub("\n", text)
    return _without_controls(text)


def safe_line(text: str) -> str:
    """One line of text for a header value: as :func:`safe_text`, without line breaks and bidi overrides."""
    if text.isascii() and text.isprintable():
        return text.strip()
    text = _without_controls(_LINE_CONTROLS.sub(" ", text))
    return _BIDI_OVERRIDES.sub("", text).strip()


def _without_controls(text: str) -> str:
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))


@functools.lru_cache(maxsize=512)
def codec_for(declared: str) -> str | None:
    """The Python codec for a declared character set, or None when there is none that may be used."""
    name = declared.strip().strip("\"'").strip().lower()
    name = name.removeprefix("charset=").strip("\"' ;")
    if name in _EMPTY_NAMES or len(name) > 60:
        return None
    name = _ALIASES.get(name, _ALIASES.get(name.replace("_", "-"), name))
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):
        return None
    # _is_text_encoding is how the standard library itself tells "rot13" and "zip" from character sets
    if not getattr(info, "_is_text_encoding", True):
        return None
    codec = info.name.replace("-", "_")
    codec = _ALIASES.get(info.name, codec)
    return None if codec in _REFUSED else codec


def decode(data: bytes, declared: str | None) -> tuple[str, str | None]:
    """Decode a text of the given declared character set.

    Returns the text (not yet :func:`safe_text`) and a problem code, "charset-unknown" or "charset-wrong", or None.
    """
    codec = codec_for(declared) if declared else None
    if codec in _STATEFUL:
        return _decode_stateful(data, codec)
    if data.isascii():
        if b"\x1b$" in data:
            return _decode_stateful(data, "iso2022_jp_ext")
        return data.decode("ascii"), None
    if codec not in _MULTIBYTE:
        text = _try(data, "utf_8")
        if text is not None:
            return text.removeprefix("\ufeff"), None if codec else _unknown(declared)
    if codec is None:
        return detect(data), _unknown(declared)
    if codec == "ascii":
        return detect(data), "charset-wrong"
    if codec in _WESTERN and _looks_unwestern(data):
        return detect(data), "charset-wrong"
    if codec == "utf_8":
        return _decode_damaged_utf8(data)
    text = _try(data, codec)
    if text is not None:
        return text, None
    if codec in _MULTIBYTE:
        other = _try(data, "utf_8")
        if other is not None:
            return other, "charset-wrong"
    return data.decode(codec, "replace"), None


def _unknown(declared: str | None) -> str | None:
    return "charset-unknown" if declared and declared.strip("\"' ") else None


def _decode_stateful(data: bytes, codec: str) -> tuple[str, str | None]:
    text = _try(data, codec)
    if text is None and not data.isascii() and not codec.startswith(("utf_16", "utf_32")):
        return detect(data), "charset-wrong"
    if text is None and codec == "iso2022_jp_ext":
        text = _decode_jis(data)
    if codec.startswith(("utf_16", "utf_32")) and not _NO_TEXT.search(data[:2000]):
        return decode(data, None)[0], "charset-wrong"
    if text is None:
        text = data.decode(codec, "replace")
    return text.removeprefix("\ufeff"), None


def _decode_jis(data: bytes) -> str:
    """ISO-2022-JP with the vendor characters (circled digits and their kin) that Python's codecs refuse.

    Each JIS pair becomes the Shift_JIS pair of the same character; cp932 knows the vendor rows.
    """
    out = bytearray()
    mode = b"B"
    for number, piece in enumerate(_JIS_ESCAPE.split(data)):
        if number % 2:
            mode = piece[-1:] if piece[1:2] == b"(" else b"$"
        elif mode == b"$":
            for first, second in zip(piece[::2], piece[1::2], strict=False):
                lead = ((first - 0x21) >> 1) + 0x81
                trail = second + (0x1F if second < 0x60 else 0x20) if first % 2 else second + 0x7E
                out += bytes(((lead + 0x40 if lead > 0x9F else lead) & 0xFF, trail & 0xFF))
        else:
            out += bytes(byte | 0x80 for byte in piece) if mode == b"I" else piece
    return out.decode("cp932", "replace")


def _decode_damaged_utf8(data: bytes) -> tuple[str, str | None]:
    """Declared UTF-8 that is not: a few damaged characters are kept as such, else the real set is detected."""
    text = data.decode("utf_8", "replace")
    good = sum(1 for char in text[:20000] if char >= "\x80" and char != "\ufffd")
    if text[:20000].count("\ufffd") <= 1 + good // 4:
        return text, None
    return detect(data), "charset-wrong"


def _looks_unwestern(data: bytes) -> bool:
    """Whether runs of high bytes make whole words, as no western language does."""
    sample = data[:20000]
    return 2 * sum(len(run) for run in _LONG_HIGH_RUN.findall(sample)) > len(_HIGH.findall(sample))


def _try(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, ValueError):
        return None


def detect(data: bytes) -> str:
    """Decode bytes of an unknown set: UTF-8 when valid, else chardet, with a bias to cp1251 for short input."""
    text = _try(data, "utf_8")
    if text is not None:
        return text
    import chardet  # loads models; most mails never need it

    sample = b"\n".join(line for line in data[:16000].splitlines() if not line.isascii())[:4000] or data[:4000]
    guess = chardet.detect(sample)
    confidence = guess.get("confidence") or 0.0
    codec = codec_for(guess.get("encoding") or "")
    if codec in _STATEFUL and 10 * sample.count(b"\x00") < len(sample):
        codec, confidence = None, 0.0
    if confidence < 0.06 or (confidence < 0.3 and not _is_sensible_cyrillic(sample, codec)):
        cyrillic = _cyrillic_codec(sample)
        if cyrillic is not None:
            codec = cyrillic
        elif confidence < 0.02:
            codec = "cp1252"
    for candidate in (codec, "cp1252"):
        text = _try(data, candidate) if candidate else None
        if text is not None:
            return text
    return data.decode(codec or "cp1252", "replace")


def _is_sensible_cyrillic(data: bytes, codec: str | None) -> bool:
    if codec is None:
        return False
    text = data.decode(codec, "replace")
    words = _CYRILLIC_WORD.findall(text)
    return bool(words) and not any(_CAPITAL_INSIDE.search(word) for word in words) and "\ufffd" not in text


def _cyrillic_codec(data: bytes) -> str | None:
    """cp1251 or koi8-r when the letters then are common ones in sensible case; cp1251 wins ties."""
    best: tuple[float, str] | None = None
    for codec in _CYRILLIC_CODECS:
        text = data.decode(codec, "replace")
        letters = [char for char in text if char >= "\x80"]
        if len(letters) < 3:
            return None
        share = sum(char in _CYRILLIC_COMMON for char in letters) / len(letters)
        words = _CYRILLIC_WORD.findall(text) or [""]
        # the two sets have each other's case: the wrong one gives capitals inside words
        share -= 0.5 * sum(bool(_CAPITAL_INSIDE.search(word)) for word in words) / len(words)
        if share >= 0.5 and (best is None or share > best[0] + 0.1):
            best = (share, codec)
    return best[1] if best else None
