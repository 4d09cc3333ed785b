"""Is everything that the five documents say in the runbooks that come with Tocsin?

    python -m tests.runbooks.coverage                     says what is missing; exit code 1
    python -m tests.runbooks.coverage FOLDER              … of the documents themselves
    python -m tests.runbooks.coverage FOLDER --write      keeps their facts and writes the table

`facts.json` holds what was extracted, `coverage_rows.yaml` where it is kept and what proves it;
`docs/runbooks.md` is made of both.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from incidents.runbooks.library import shipped
from incidents.runbooks.loading import read_file
from tests.runbooks import extractor
from tests.runbooks.extractor import ROLES, Fact

HERE = Path(__file__).resolve().parent
FACTS, ROWS = HERE / "facts.json", HERE / "coverage_rows.yaml"
TABLE = HERE.parent.parent / "docs" / "runbooks.md"
RUNBOOKS = {"000": "tps", "001": "saas", "002": "schedgen", "003": "fintech", "004": "tars"}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    `elsewhere`: what in Tocsin does it, where no runbook says it; `later`: what is stored and
    shown, but not acted on by this version; `figures_elsewhere`: "figure: why it stands in no
    file".
    """

    document: str
    heading: str
    where: list[str] = field(default_factory=list)
    proof: list[str] = field(default_factory=list)
    planned: str = ""
    people: str = ""
    elsewhere: str = ""
    later: str = ""
    figures_elsewhere: list[str] = field(default_factory=list)

    def covers(self, fact: Fact) -> bool:
        if self.document != fact.document:
            return False
        if self.heading.endswith("*"):
            return fact.heading.startswith(self.heading[:-1])
        return self.heading == fact.heading

    @property
    def exceptions(self) -> set[str]:
        return {text.split(":")[0] for text in self.figures_elsewhere}


def rows() -> list[Row]:
    return [Row(document, **row) for document, found in read_file(ROWS).items() for row in found]


def facts() -> list[Fact]:
    return [Fact(**fact) for fact in json.loads(FACTS.read_text())["facts"]]


def extractor_hash() -> str:
    return hashlib.sha256(Path(extractor.__file__).read_bytes()).hexdigest()


def problems(known: list[Fact]) -> Iterator[str]:
    """Everything that is in no row, in a wrong one, or proved by nothing."""
    table = rows()
    for fact in known:
        mine = [row for row in table if row.covers(fact)]
        if not mine:
            yield f"{fact.document} › {fact.heading}: {fact.said or 'the heading'} is in no row."
        elif not any(_holds(row, fact) for row in mine):
            yield f"{fact.document} › {fact.heading}: {fact.said!r} is not in {mine[0].where}."
    for row in table:
        yield from _faults(row, known)


def _faults(row: Row, known: list[Fact]) -> Iterator[str]:
    name = f"{row.document} › {row.heading}"
    if sum(map(bool, [row.where, row.elsewhere, row.planned, row.people])) != 1:
        yield f"{name}: needs where, or elsewhere, or planned, or people."
    if bool(row.where or row.elsewhere) != bool(row.proof):
        yield f"{name}: where, or elsewhere, and proof belong together."
    if not any(row.covers(fact) for fact in known):
        yield f"{name}: no such heading."
    for test in row.proof:
        if test not in tests():
            yield f"{name}: there is no test {test}."
    for path in row.where:
        if node(row.document, path) is None:
            yield f"{name}: {RUNBOOKS[row.document]}.yaml has no {path}."


def _holds(row: Row, fact: Fact) -> bool:
    if not row.where or fact.kind == "heading" or fact.said in row.exceptions:
        return True
    return any(_is_in(row.document, path, fact) for path in row.where)


@cache
def _said_in(document: str, path: str) -> tuple[list[str], set[tuple[str, str]]]:
    """The texts of a part of the runbook's file, and the figures in them."""
    texts = list(_texts(node(document, path)))
    return texts, {(kind, value) for text in texts for kind, value, _ in extractor.of_text(text)}


def _is_in(document: str, path: str, fact: Fact) -> bool:
    texts, found = _said_in(document, path)
    if fact.kind == "role":
        pattern = re.compile(ROLES[fact.value], re.IGNORECASE)
        return any(text == fact.value or pattern.search(text) for text in texts)
    numbers = {value for kind, value in found if kind in {"count", "percentage"}}
    if fact.kind == "duration":
        return (fact.kind, fact.value) in found
    return fact.value in numbers


def _texts(part: Any) -> Iterator[str]:
    """Every text, number and key of a part of a runbook."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield str(key)
            yield from _texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from _texts(value)
    elif part is not None:
        yield str(part)


@cache
def _library(document: str) -> Any:
    return read_file(shipped()[RUNBOOKS[document]])


def node(document: str, path: str) -> Any:
    """The part of the runbook's file at `a.b.c`; None where there is none."""
    part = _library(document)
    for step in path.split("."):
        part = part.get(step) if isinstance(part, dict) else None
    return part


@cache
def tests() -> frozenset[str]:
    """The names of all tests of the project."""
    sources = HERE.parent.rglob("test_*.py")
    found = (re.findall(r"def (test_\w+)", path.read_text()) for path in sources)
    return frozenset(name for names in found for name in names)


def render(known: list[Fact]) -> str:
    """docs/runbooks.md"""
    lines = [
        "# The five documents, and where what they say is kept",
        "",
        "Made by `python -m tests.runbooks.coverage`; do not edit. Figures are the durations,",
        "percentages, counts and roles that the document names under the heading; each one",
        "stands in the named part of the runbook's file, or says why not. *Planned*: what stands",
        "in the file is checked and shown, and a later part of Tocsin acts on it; *for people*:",
        "nothing for a machine to do.",
    ]
    table = rows()
    for document, slug in RUNBOOKS.items():
        lines += [
            *("", f"## {document}: `incidents/runbooks/library/{slug}.yaml`", ""),
            "| Heading | Figures | Where | Proof |",
            "|---|---|---|---|",
            *(_line(row, known) for row in table if row.document == document),
        ]
    return "\n".join(lines) + "\n"


def _line(row: Row, known: list[Fact]) -> str:
    said = dict.fromkeys(fact.said for fact in known if fact.said and row.covers(fact))
    figures = ", ".join([*(text for text in said if text not in row.exceptions)])
    figures += "".join(f"; {text}" for text in row.figures_elsewhere)
    where = ", ".join(f"`{path}`" for path in row.where) or row.elsewhere
    proof = ", ".join(f"`{test}`" for test in row.proof)
    if row.later:
        proof += f"; *planned*: {row.later}"
    if row.planned:
        proof = f"*planned*: {row.planned}"
    if row.people:
        proof = f"*for people*: {row.people}"
    cells = [row.heading, figures.removeprefix("; "), where, proof]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _keep(folder: Path, known: list[Fact]) -> None:
    """`facts.json`: the facts, of which documents (by hash), by which extractor (by hash)."""
    documents = {
        path.name[:3]: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*.txt"))
    }
    kept = {
        "extractor": extractor_hash(),
        "documents": documents,
        "facts": [asdict(fact) for fact in known],
    }
    FACTS.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n")
    TABLE.write_text(render(known))


def main(arguments: list[str]) -> int:
    folders = [Path(text) for text in arguments if not text.startswith("--")]
    known = extractor.of_folder(folders[0]) if folders else facts()
    if folders and "--write" in arguments:
        _keep(folders[0], known)
    found = list(problems(known))
    for line in found:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{len(known)} facts, {len(rows())} rows, {len(found)} not covered.\n")
    return 1 if found or not known else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
