"""What a check showed, in one line each: collected by the full run, `python -m tests.proof`."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def note(check: str, figure: Any, bar: Any, *, met: bool, seed: int | None = None) -> None:
    """Write down one figure and its bar, e.g. `note("Pages lost", 0, "0", met=lost == 0, seed=7)`.

    Appends a line of JSON to the file that TOCSIN_PROOF names; does nothing when it is not set. One
    write of less than a page: processes that note at the same time do not mix their lines.
    """
    path = os.environ.get("TOCSIN_PROOF")
    if not path:
        return
    line = {
        "check": check,
        "figure": str(figure),
        "bar": str(bar),
        "met": bool(met),
        "seed": seed,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with Path(path).open("ab", buffering=0) as report:
        report.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def noted(path: Path) -> list[dict[str, Any]]:
    """What was written down there, in the order of writing."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]
