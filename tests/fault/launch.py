"""`helpdesk run` for the fault run: everything as it is, but whoever is killed comes back within a second.

The real pause doubles to half a minute, because a program that dies again and again should not be started again and
again; here each one dies forty times in a few minutes on purpose, and would spend them resting.
"""

import sys
from dataclasses import replace

from helpdesk import keeper, supervisor
from helpdesk.config import Settings
from helpdesk.supervisor import Environment, Plan

PAUSE = 1.0  # seconds


def plan(config: Settings, environment: Environment) -> Plan:
    """The plan of `helpdesk run`; the crew is started through this module, so that its pauses are short too."""
    ordinary = supervisor.plan_of(config, environment)
    programs = tuple(
        replace(program, command=(sys.executable, "-m", "tests.fault.launch", "crew"))
        if program.name == "crew"
        else program
        for program in ordinary.programs
    )
    return replace(ordinary, programs=programs)


def main() -> None:
    """Without an argument the parent of everything, with `crew` the parent of workers, listen and cron."""
    keeper.LONGEST_PAUSE = PAUSE
    if sys.argv[1:] == ["crew"]:
        import wsgi

        wsgi.main()
    else:
        supervisor.main(plan)


if __name__ == "__main__":
    main()
