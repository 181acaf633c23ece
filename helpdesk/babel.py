"""Languages and time zones: each person reads in their own."""

from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from flask import Flask, g, has_request_context, request, session
from flask_babel import Babel, format_decimal, get_locale, get_timezone, get_translations
from flask_babel import gettext as _
from flask_login import current_user

from helpdesk.retold import retold

LANGUAGES = {"en": "English", "ru": "Русский", "uk": "Українська"}


def choose_language() -> str:
    """The signed-in person's language, else the one chosen on the sign-in page, else the browser's, else English."""
    if not has_request_context():
        return "en"
    if current_user and current_user.is_authenticated:
        return str(current_user.language)
    if session.get("language") in LANGUAGES:
        return str(session["language"])
    return request.accept_languages.best_match(list(LANGUAGES)) or "en"


def choose_time_zone() -> str:
    """The signed-in person's time zone, else UTC."""
    if has_request_context() and current_user and current_user.is_authenticated:
        return str(current_user.time_zone)
    return "UTC"


def local_time(moment: datetime, style: str = "medium") -> str:
    """A stored moment in the reader's zone and language; `style` is a CLDR name: short, medium, long."""
    return _written(moment, style, str(get_locale()), str(get_timezone()))


@lru_cache(10_000)
def _written(moment: datetime, style: str, locale: str, zone: str) -> str:
    """Kept, because lists show the same moments again and again and each takes longer than its whole row."""
    return format_datetime(moment, style, ZoneInfo(zone), locale)


def catalog() -> Any:
    """The translations of this request's language; a page asks hundreds of times, so they are found once."""
    context = g._get_current_object()
    locale = getattr(getattr(context, "_flask_babel", None), "babel_locale", None)
    known = context.get("catalog")
    if known is not None and known[0] is locale and locale is not None:
        return known[1]
    found = get_translations()
    context.catalog = (get_locale(), found)
    return found


def local_size(size: int) -> str:
    """A number of bytes in the reader's language, short: 900 B, 12 kB, 3.4 MB, 250 GB."""
    if size < 1000:
        return _("%(size)s B", size=size)
    if size < 1_000_000:
        return _("%(size)s kB", size=round(size / 1000))
    if size < 10_000_000_000:
        return _("%(size)s MB", size=format_decimal(round(size / 1_000_000, 1 if size < 10_000_000 else None)))
    return _("%(size)s GB", size=format_decimal(round(size / 1_000_000_000)))


def init_app(app: Flask) -> None:
    """Add translations (folder `translations` beside this file) and the template helpers for times and sizes."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, locale_selector=choose_language, timezone_selector=choose_time_zone)
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]  # of Jinja's extension i18n
        gettext=lambda text: catalog().ugettext(text),
        ngettext=lambda one, many, number: catalog().ungettext(one, many, number),
        newstyle=True,
    )
    app.jinja_env.filters["local_time"] = local_time
    app.jinja_env.filters["local_size"] = local_size
    app.jinja_env.filters["retold"] = retold

    @app.context_processor
    def names() -> dict[str, object]:
        return {"locale": str(get_locale() or "en"), "languages": LANGUAGES}
