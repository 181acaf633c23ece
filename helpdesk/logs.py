"""What processes say of themselves: one line each on standard error, from the level that LOG_LEVEL names on."""

import logging
import sys
from contextlib import suppress

import structlog


class Lines:
    """Writes lines, and never raises: that nobody reads them any more must not fail the work that they tell of."""

    def msg(self, line: str) -> None:
        """Write one line."""
        with suppress(OSError, ValueError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


def configure(level: str) -> None:
    """Let everything that is said through structlog go this way; `level` is DEBUG, INFO, WARNING or ERROR."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=True),
            # never the formatters that show local variables, whatever is installed beside us: they hold passwords
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=lambda *_: Lines(),
        cache_logger_on_first_use=False,
    )
