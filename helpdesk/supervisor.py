"""The parent of everything: `helpdesk run`, also `python -m helpdesk.supervisor`.

Starts the engines that the environment does not name, migrates, then keeps web, workers, listen and cron running.
One parent per data folder, by a lock that dies with it; what a killed parent left behind is ended first. The parent
imports neither Flask nor SQLAlchemy: what needs them is done by short-lived children.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from helpdesk.config import Settings, load
from helpdesk.errors import StartError
from helpdesk.keeper import Program

ROOT = Path(__file__).resolve().parent.parent
LANES = ("intake", "outbox", "chores")
WEB_GRACE = 15.0  # seconds; gunicorn's own graceful time-out is shorter
WORKER_GRACE = 60.0  # the longest job
SLOW_START = 90.0  # seconds until we say that the web server is late


@dataclass(frozen=True)
class Plan:
    """What to run, as data, so that a test can run something else.

    `steps` run one after another before the `programs`; a step that fails ends the start with its last line.
    `sign_in` is a step whose output tells how to sign in.
    """

    steps: tuple[Program, ...]
    programs: tuple[Program, ...]
    sign_in: Program | None = None


def main() -> None:
    """Run until a signal asks for the end. Expected failures are one sentence on stderr and exit code 1."""
    try:
        config = load()
        become_owner(config.data)
        run(config, plan_of)
    except StartError as error:
        sys.exit(f"helpdesk cannot start: {error}")
    except OSError as error:
        sys.exit(f"helpdesk cannot start: {error.strerror or error} ({error.filename or 'system'}).")


def run(config: Settings, make_plan: "type[Plan] | object") -> None:
    """Lock the data folder, start the engines, run the plan's steps, keep its programs running until a signal."""


def plan_of(config: Settings, environment: Mapping[str, str]) -> Plan:
    """The processes of one helpdesk."""

    def ours(name: str, *arguments: str, grace: float = WEB_GRACE) -> Program:
        command = (sys.executable, "-m", *arguments)
        return Program(name, command, environment=environment, cwd=ROOT, grace=grace)

    lanes = [("intake", n) for n in range(config.intake_workers)]
