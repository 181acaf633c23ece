"""A short fault run, so that each test run shoots at everything at least for a moment; `make fault` is the long one."""

import pytest

from tests.dovecot import need_dovecot
from tests.fault.run import Scale, run, seed_from

pytestmark = [pytest.mark.fault, pytest.mark.dovecot]


@pytest.mark.timeout(700)  # patience for a busy machine
def test_nothing_is_lost_or_done_twice_under_fire() -> None:
    need_dovecot()
    verdict = run(Scale(seed_from(None), mails=120, replies=24, kills=20, seconds=15, longest=500))
    assert verdict.violations == []
