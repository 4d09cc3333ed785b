"""The report as Markdown: one table for each group and run, read and written again as a whole."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.proof.groups import Run

HEAD = """# The proof

What `uv run python -m tests.proof` showed: each check, the figure, the bar that it has to keep, the
seed where chance played a part, and when. *Load* is the machine's load average when the run began:
above the number of its cores others were at work, and times are too long. Written by the run.
"""
COLUMNS = "| Check | Figure | Bar | Met | Seed | Date (UTC) | Load |\n|---|---|---|---|---|---|---|"
BUSY = "of {} cores"


def row(line: dict[str, Any], run: Run, load: float) -> dict[str, Any]:
    """What was noted, with what the report says beside it."""
    return {**line, "load": f"{load:.1f} {BUSY.format(os.cpu_count())}", "run": run.name}


@dataclass
class Sheet:
    """Sections by their headings, in order: `## group: run`."""

    sections: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Sheet":
        """What the file has so far; empty when there is none."""
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        parts = text.split("\n## ")[1:]
        sections = [part.partition("\n") for part in parts]
        return cls({heading: body.strip("\n") for heading, _, body in sections})

    def put(self, group: str, run: Run, rows: list[dict[str, Any]]) -> None:
        """The figures of this run, in place of those that it had. None at all: no section."""
        heading = f"{group}: {run.name}"
        self.sections.pop(heading, None)
        if rows:
            lines = [f"`{run.command}`", "", COLUMNS, *map(_cells, rows)]
            self.sections[heading] = "\n".join(lines)

    def write(self, path: Path) -> None:
        tables = [f"## {name}\n\n{body.strip()}\n" for name, body in sorted(self.sections.items())]
        path.write_text("\n".join([HEAD, *tables]), encoding="utf-8")


def _cells(line: dict[str, Any]) -> str:
    met = "yes" if line["met"] else "**no**"
    seed = "" if line["seed"] is None else line["seed"]
    at = str(line["at"])[:16].replace("T", " ")
    cells = [line["check"], line["figure"], line["bar"], met, seed, at, line["load"]]
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"
