"""The full run: every check of every group in full size, and a report of what it showed.

`uv run python -m tests.proof` runs all of it (hours, alone on its machine); `--only chaos` one
group of it, as often as wanted. It starts its own PostgreSQL and Redis (Debian: postgresql,
redis-server, libfaketime). The report is printed and stands in docs/proof.md, where what was not
run keeps its figures of last time.
"""

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.proof.groups import ROOT, Run, groups, python
from tests.proof.report import noted
from tests.proof.sheet import Sheet, row

REPORT = ROOT / "docs" / "proof.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    known = groups(None)
    parser.add_argument("--only", action="append", choices=list(known), metavar="GROUP")
    parser.add_argument("--run", action="append", metavar="NAME", help="only runs of this name")
    parser.add_argument("--seed", type=int, help="repeat what chance decided")
    parser.add_argument("--report", type=Path, default=REPORT, metavar="FILE")
    options = parser.parse_args()
    wanted = {
        group: [run for run in runs if not options.run or run.name in options.run]
        for group, runs in groups(options.seed).items()
        if not options.only or group in options.only
    }
    console, logs = Console(), Path(mkdtemp(prefix="tocsin-proof-"))
    sheet, failed = Sheet.read(options.report), False
    with _progress(console) as progress:
        task = progress.add_task("", total=sum(map(len, wanted.values())))
        for group, runs in wanted.items():
            for run in runs:
                progress.update(task, description=f"{group}: {run.name}")
                rows, passed = _run(run, logs / f"{group}-{run.name.replace(' ', '-')}.log")
                failed |= not passed
                sheet.put(group, run, rows)
                sheet.write(options.report)
                progress.console.print(_line(group, run, rows, passed, logs), highlight=False)
                progress.advance(task)
    console.print(Markdown(options.report.read_text(encoding="utf-8")))
    return int(failed)


def _run(run: Run, log: Path) -> tuple[list[dict[str, Any]], bool]:
    """Run it; what it noted, and whether all of that was met and it ended well."""
    load, began = os.getloadavg()[0], time.monotonic()
    with TemporaryDirectory(prefix="tocsin-proof-") as folder, log.open("wb") as output:
        file = Path(folder) / "notes.jsonl"
        inherited = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
        ended = subprocess.run(
            [python(), *run.arguments],
            env={
                **inherited,
                **run.environment,
                # What a command calls "python" is this one.
                "PATH": f"{Path(python()).parent}{os.pathsep}{os.environ['PATH']}",
                "TOCSIN_PROOF": str(file),
                # Histories and logs of processes stay beside the output.
                "PYTEST_ADDOPTS": f"--basetemp={log.with_suffix('')}",
            },
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
        rows = [row(line, run, load) for line in noted(file)]
    if ended.returncode not in (0, 5):  # 5: nothing was selected, e.g. on this database
        took = f"exit code {ended.returncode} after {time.monotonic() - began:.0f} s"
        at = datetime.now(UTC).isoformat(timespec="seconds")
        line = {"check": f"{run.name} passes", "figure": took, "bar": "exit code 0", "met": False}
        rows.append(row({**line, "seed": None, "at": at}, run, load))
    return rows, all(line["met"] for line in rows)


def _progress(console: Console) -> Progress:
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn()]
    return Progress(
        *columns, TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn(), console=console
    )


def _line(group: str, run: Run, rows: list[dict[str, Any]], passed: bool, logs: Path) -> str:
    if passed:
        return f"[green]✓[/] {group}: {run.name}, {len(rows)} figures"
    missed = ", ".join(line["check"] for line in rows if not line["met"])
    return f"[red]✗[/] {group}: {run.name}: {missed} (output in {logs})"


if __name__ == "__main__":
    sys.exit(main())
