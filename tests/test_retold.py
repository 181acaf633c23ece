"""What workers wrote down in English is read in the reader's language."""

import pytest
from flask_babel import force_locale

from helpdesk.retold import retold

REFUSED = "The server refuses the connection. Check the name and the port."
GIVEN_UP = "Given up after 4 days. mx.example cannot be reached on port 25: the server takes too long to answer."


@pytest.mark.parametrize(
    ("language", "written", "read"),
    [
        ("ru", REFUSED, "Сервер отклонил соединение. Проверьте имя и порт."),
        ("ru", "The server refuses the sign-in: NO go away", "Сервер не принял вход: NO go away"),
        ("ru", "552 5.3.4 Quota exceeded", "552 5.3.4 Quota exceeded"),
        ("ru", "eve@customer.example: 553 5.1.3 This is not a mail address.", "eve@customer.example: 553 5.1.3 Это не"),
        ("ru", GIVEN_UP, "Попытки прекращены через 4 дня. mx.example недоступен, порт 25: сервер слишком долго не отв"),
        ("ru", f"a@b.example: {REFUSED}; c@d.example: 550 no", "a@b.example: Сервер отклонил соединение."),
        ("en", REFUSED, REFUSED),
        ("ru", "", ""),
        ("ru", "100 % of (this?) is %(odd)s", "100 % of (this?) is %(odd)s"),
    ],
)
def test_a_stored_sentence_is_retold(app, language, written, read):
    with app.test_request_context(), force_locale(language):
        assert retold(written).startswith(read)


def test_languages_do_not_mix(app):
    with app.test_request_context():
        with force_locale("ru"):
            russian = retold("The folder “Work” cannot be opened: gone")
        with force_locale("en"):
            english = retold("The folder “Work” cannot be opened: gone")
    assert russian == "Не удалось открыть папку «Work»: gone"
    assert english == "The folder “Work” cannot be opened: gone"
