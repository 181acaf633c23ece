"""A long look at the API with fresh requests: `python -m tests.api.schema_run [examples] [seed]`.

So many requests for each operation, each of six roles, allowed and forbidden ones alike. A failure prints the seed.
"""

import os
import sys

import pytest


def main() -> int:
    """Run the schema tests with many examples; the exit code is pytest's."""
    os.environ["API_EXAMPLES"] = sys.argv[1] if len(sys.argv) > 1 else "50"
    if len(sys.argv) > 2:
        os.environ["API_SEED"] = sys.argv[2]
    return int(pytest.main(["tests/api/test_schema.py", "-q", "-s", "-o", "timeout=7200"]))


if __name__ == "__main__":
    sys.exit(main())
