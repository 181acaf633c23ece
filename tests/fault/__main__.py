"""`python -m tests.fault [--seed N] [--mails N] [--replies N] [--kills N] [--seconds N]`."""

import argparse
import signal
import sys

from tests.fault.run import Scale, run, seed_from


def main() -> None:
    """Run once; exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="make fault", description="Kill everything while mail flows.")
    parser.add_argument("--seed", help="repeats the choices of an earlier run (not its timing)")
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--replies", type=int, default=500)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long mails keep coming")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is taken down
    scale = Scale(seed_from(options.seed), options.mails, options.replies, options.kills, options.seconds)
    sys.exit(1 if run(scale, lambda words: print(words, flush=True)).violations else 0)


if __name__ == "__main__":
    main()
