"""With HELPDESK_REQUIRE_ALL=1 a test skipped because a part is missing on the machine is a failure.

Which skips those are: every skip of a test marked `browser` or `dovecot`, and any whose reason starts with
"missing:". Other skips (another system, not root) stay skips.
"""

import os

import pytest

NEEDY = ("browser", "dovecot")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Turn such a skip into a failure that repeats the reason."""
    outcome = yield
    report = outcome.get_result()
    if not report.skipped or hasattr(report, "wasxfail") or os.environ.get("HELPDESK_REQUIRE_ALL") != "1":
        return
    reason = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)
    needy = any(item.get_closest_marker(name) for name in NEEDY)
    if needy or reason.removeprefix("Skipped: ").startswith("missing:"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not be skipped with HELPDESK_REQUIRE_ALL=1. {reason}"
