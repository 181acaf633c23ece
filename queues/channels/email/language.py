"""A guess at the language of a text, enough to choose between Russian, Ukrainian and English texts."""

import re

_CYRILLIC = re.compile("[а-яёіїєґ]", re.IGNORECASE)
_LATIN = re.compile("[a-z]", re.IGNORECASE)
_UKRAINIAN = re.compile("[іїєґ]", re.IGNORECASE)
_RUSSIAN = re.compile("[ыэъё]", re.IGNORECASE)
_ENGLISH_WORDS = re.compile(
    r"\b(?:the|and|you|your|for|is|are|was|have|has|not|with|this|that|please|my|we|hello|hi|thanks|order|to|it|of)\b",
    re.IGNORECASE,
)
_UKRAINIAN_WORDS = re.compile(
    r"\b(?:дякую|добрий|будь|ласка|як|що|не|та|але|мені|ваш|де|чому|коли|немає|вже|ще|чи|прошу|від|для)\b",
    re.IGNORECASE,
)
_RUSSIAN_WORDS = re.compile(
    r"\b(?:спасибо|здравствуйте|добрый|пожалуйста|как|что|но|мне|где|почему|когда|нет|уже|если|прошу|или|от|для|это)\b",
    re.IGNORECASE,
)


def guess_language(text: str) -> str | None:
    """ "ru", "uk", "en", or None when the text is too short or in another language."""
    sample = text[:2000]
    cyrillic = len(_CYRILLIC.findall(sample))
    latin = len(_LATIN.findall(sample))
    if cyrillic >= 4 and cyrillic * 3 >= latin:
        ukrainian = 3 * len(_UKRAINIAN.findall(sample)) + 2 * len(_UKRAINIAN_WORDS.findall(sample))
        russian = 3 * len(_RUSSIAN.findall(sample)) + 2 * len(_RUSSIAN_WORDS.findall(sample))
        return "uk" if ukrainian > russian else "ru"
    words = len(re.findall(r"\b\w+\b", sample))
    if latin >= 4 and 8 * len(_ENGLISH_WORDS.findall(sample)) >= words:
        return "en"
    return None
