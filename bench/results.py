"""Where figures are kept: a JSON file for each run, with the machine they were measured on."""

import json
import os
import platform
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from bench.stage import ROOT

RESULTS = ROOT / "bench-results"


def keep(kind: str, began: datetime, facts: dict[str, Any]) -> Path:
    """Write the facts of one run; gives the file, as seen from the project's folder."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{kind}{'-' if kind else ''}{began:%Y%m%d-%H%M%S}.json"
    written = {"at": began.isoformat(), "machine": machine(), **facts}
    path.write_text(json.dumps(written, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path.relative_to(ROOT)


def machine() -> dict[str, Any]:
    """What it ran on, and how busy that was."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total // 1_000_000,
        "load": os.getloadavg(),
        "commit": commit.stdout.strip(),
    }
