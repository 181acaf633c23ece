"""Every route, with values in each known parameter and field that no form offers: refused, never a fault of ours.

The names are read from the sources of the views, so that a new field is met without being listed here.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.clients import sign_in
from tests.test_authorisation_matrix import ACTING, READING, routes, scene  # noqa: F401 - a fixture
from tests.test_every_route import opened

ROOT = Path(__file__).parent.parent
SOURCES = [path for folder in ("helpdesk", "queues") for path in (ROOT / folder).rglob("*.py")]
NAME = re.compile(r"""(?:(?:args|form|given)\.get(?:list)?|chosen_ids)\(\s*f?["'](\w+)["']""")
FIELDS = sorted({name for path in SOURCES for name in NAME.findall(path.read_text())})
BELIEVABLE = {
    "what": "chosen",
    "state": "available",
    "which": "some",
    "who": "x@example.org",
    "way": "call",
    "direction": "in",
    "subject": "Счёт",
    "body": "Текст",
    "days": "30",
}
FORM = "application/x-www-form-urlencoded"
# Python reads at most 4,300 digits as a number.
HOSTILE = pytest.mark.parametrize(
    "value", ["9" * 30, "9" * 4301, "²"], ids=["30 digits", "too many digits", "superscript"]
)


def test_the_fields_are_found() -> None:
    assert {"ticket", "user_id", "identity_id", "before", "after", "upload", "ticket_id"} <= set(FIELDS)


@HOSTILE
def test_what_is_read_by_strange_parameters(app: Any, scene: Any, value: str) -> None:  # noqa: F811
    app.testing, faults = False, {}
    given = urlencode(dict.fromkeys(FIELDS, value))
    for route in sorted(routes(app).intersection(READING)):
        answer = opened(scene.people["dora"], route, scene.values, query_string=given)
        if answer.status_code >= 500:
            faults[route] = answer.status_code
        answer.close()
    assert not faults


@HOSTILE
def test_what_is_done_by_strange_fields(app: Any, scene: Any, value: str) -> None:  # noqa: F811
    app.testing, faults = False, {}
    dora, given = scene.people["dora"].user, dict.fromkeys(FIELDS, value)
    forms = [urlencode(given), urlencode(given | BELIEVABLE)]
    for route in sorted(routes(app).intersection(ACTING)):
        for data in forms:
            answer = opened(sign_in(app, dora), route, scene.values, data=data, content_type=FORM)
            if answer.status_code >= 500:
                faults[route] = answer.status_code
            answer.close()
    assert not faults
