"""`python -m tests.week [--seed N] [--small]`: play a week and check it. Prints what was found; 1 when it is broken."""

import argparse
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Play and check, on engines of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=20261025)
    parser.add_argument("--small", action="store_true", help="a day instead of a week")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="hd-week-", dir="/tmp"))
    scratch.chmod(0o711)
    os.environ |= {"HELPDESK_DATA": str(scratch / "data"), "UNDO_SECONDS": "0", "LOG_LEVEL": "ERROR"}
    try:
        return _run(scratch, options.seed, options.small)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(scratch: Path, seed: int, small: bool) -> int:
    from helpdesk.config import settings
    from helpdesk.embedded import Engines
    from tests.week.size import SMALL, Size

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
            size = SMALL if small else Size()
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
