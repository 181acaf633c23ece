"""Ready sets of public holidays: a start, which administrators take over into a calendar and edit there."""

from datetime import date

COUNTRIES = ("UA", "RU")


def holidays_of(country: str, years: list[int], language: str) -> dict[date, str]:
    """Public holidays of "UA" or "RU" in these years, with moved days off as far as they are decided; date to name.

    For Ukraine the days of article 73 of the Labour Code are given for all years, though they are working days for as
    long as martial law lasts (since 15 March 2022, law 2136-IX): whether to close then is the team's own choice.
    """
    import holidays  # a large library that only this screen needs

    spoken = {"UA": "uk", "RU": "ru"}[country] if language != "en" else "en_US"
    if country == "UA":
        found = holidays.country_holidays("UA", years=years, language=spoken, categories=("public", "workday"))
    else:
        found = holidays.country_holidays("RU", years=years, language=spoken)
    return dict(sorted(found.items()))
