"""Texts in any character set, declared rightly, wrongly, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.channels.email.charset import codec_for, decode, safe_line, safe_text

_RUSSIAN = "Здравствуйте! Не приходит письмо с кодом, помогите пожалуйста."


@pytest.mark.parametrize("charset", ["cp1251", "koi8-r", "iso-8859-5", "cp866", "mac_cyrillic", "utf-8"])
@pytest.mark.parametrize("declared", [None, "", "us-ascii", "x-nonsense", "DEFAULT", "iso-8859-1"])
def test_russian_is_read_whatever_is_declared(charset: str, declared: str | None) -> None:
    assert decode(_RUSSIAN.encode(charset), declared)[0] == _RUSSIAN


@pytest.mark.parametrize("charset", ["cp1251", "koi8-r"])
@pytest.mark.parametrize(
    "text", ["Привет", "Тест", "ВНИМАНИЕ СРОЧНО", "Заказ 123", "Где мой заказ?", "Дякую!", "Ок, спасибо"]
)
def test_short_texts_are_cyrillic_first(charset: str, text: str) -> None:
    assert decode(text.encode(charset), None)[0] == text


@pytest.mark.parametrize(
    ("declared", "text", "codec"),
    [
        ("gb2312", "测试邮件，请回复", "gb18030"),
        ("ks_c_5601-1987", "안녕하세요 테스트", "cp949"),
        ("shift_jis", "こんにちは①", "cp932"),
        ("iso-2022-jp", "こんにちは", "iso2022_jp"),
        ("big5", "測試郵件", "big5"),
        ("windows-1250", "Zażółć gęślą jaźń", "cp1250"),
        ("iso-8859-1", "Grüße “quoted” – dash", "cp1252"),
        ("iso-8859-15", "prix 10 €", "iso8859_15"),
        ("unicode-1-1-utf-7", "Привет", "utf_7"),
        ("x-mac-cyrillic", "Привет", "mac_cyrillic"),
        ("KOI8-U", "Їжак і ґанок", "koi8_u"),
        ("utf-16", "Привет", "utf_16"),
    ],
)
def test_declared_sets_and_their_aliases(declared: str, text: str, codec: str) -> None:
    assert decode(text.encode(codec), declared) == (text, None)


@pytest.mark.parametrize("declared", ["iso-2022-jp", None])
def test_vendor_characters_in_iso_2022_jp(declared: str | None) -> None:
    assert decode(b"\x1b$B%F%9%H-!\x1b(B 1 \x1b(I123\x1b(B", declared)[0] == "テスト① 1 ｱｲｳ"


def test_8bit_text_that_claims_a_7bit_set_is_detected() -> None:
    assert decode(_RUSSIAN.encode("koi8-r"), "iso-2022-jp") == (_RUSSIAN, "charset-wrong")


def test_utf8_that_claims_to_be_latin_is_utf8() -> None:
    assert decode(_RUSSIAN.encode(), "iso-8859-1")[0] == _RUSSIAN


def test_a_damaged_character_does_not_change_the_set() -> None:
    text, problem = decode(_RUSSIAN.encode()[:-3] + b"\xd0", "utf-8")
    assert text.startswith("Здравствуйте!")
    assert problem is None


def test_cp1251_that_claims_to_be_utf8_is_reported() -> None:
    assert decode(_RUSSIAN.encode("cp1251"), "utf-8") == (_RUSSIAN, "charset-wrong")


def test_western_text_stays_western() -> None:
    text = "Sehr geehrte Damen und Herren, das Gerät läuft nicht. Grüße, Jürgen"
    assert decode(text.encode("cp1252"), "iso-8859-1") == (text, None)


@pytest.mark.parametrize(
    "name",
    [
        "rot13",
        "zlib",
        "hex",
        "base64",
        "idna",
        "punycode",
        "unicode_escape",
        "undefined",
        "mbcs",
        "\x00",
        "x" * 999,
        "../x",
    ],
)
def test_codecs_that_are_no_character_sets_are_refused(name: str) -> None:
    assert codec_for(name) is None
    assert decode(b"plain", name)[0] == "plain"


@given(
    st.binary(max_size=400),
    st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["utf-7", "utf-16", "hz", "gb2312", "big5", "utf-8"])),
)
def test_any_bytes_become_text_that_postgresql_takes(data: bytes, declared: str | None) -> None:
    text = safe_text(decode(data, declared)[0])
    assert "\x00" not in text
    text.encode("utf-8")


@given(st.text(alphabet=st.characters(blacklist_categories=())))
def test_safe_texts_and_lines_stay_what_they_are(text: str) -> None:
    for safe in (safe_text, safe_line):
        once = safe(text)
        once.encode("utf-8")
        assert "\x00" not in once
        assert safe(once) == once
    assert "\n" not in safe_line(text)
