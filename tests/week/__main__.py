"""`python -m tests.week [--seed N] [--small]`: play a week and check it. Prints what was found; 1 when it is broken."""

import argparse
import os
import resource
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.week.size import SMALL, Size


def main() -> int:
    """Play and check, on engines of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=20261025)
    parser.add_argument("--small", action="store_true", help="a quiet day instead of a week")
    parser.add_argument("--days", type=int, default=7, help="the first days of the week alone")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="hd-week-", dir="/tmp"))
    scratch.chmod(0o711)
    os.environ |= {"HELPDESK_DATA": str(scratch / "data"), "UNDO_SECONDS": "0", "LOG_LEVEL": "ERROR"}
    try:
        return _run(scratch, options.seed, SMALL if options.small else _part(options.days))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _part(days: int) -> Size:
    whole = Size()
    share = days / whole.days
    return replace(whole, days=days, mails=int(whole.mails * share), calls=int(whole.calls * share))


def _run(scratch: Path, seed: int, size: Size) -> int:
    from helpdesk.config import settings
    from helpdesk.embedded import Engines

    engines = Engines(scratch / "data", fsync=False)
    try:
        os.environ["DATABASE_URL"] = engines.start_postgres()
        os.environ["REDIS_URL"] = engines.start_valkey()
        settings.cache_clear()
        from helpdesk.cli import migrate_database
        from tests.week.check import check
        from tests.week.play import play
        from wsgi import create_app

        app = create_app()
        with app.app_context():
            migrate_database()
        with app.app_context():
            print(f"seed {seed}", flush=True)
            played = play(app, size, seed, tell=lambda line: print(line, flush=True))
            report = check(played, size.beat)
        print("\n".join(report.lines()))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"played in {played.seconds:.0f} s with {played.acts} acts, peak memory {peak} MB")
        return 1 if report.broken else 0
    finally:
        engines.stop()


if __name__ == "__main__":
    sys.exit(main())
