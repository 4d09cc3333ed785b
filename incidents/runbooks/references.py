"""Whether what a runbook refers to is there: severities, types, checklists, procedures. Pure."""

import re
import string
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from incidents.core.documents import cycle_in, path_of, said, unknown

if TYPE_CHECKING:
    from incidents.runbooks.document import Runbook

REFERENCE_FIELDS = ["date", "year", "time", "service", "number"]
CHANNEL_FIELDS = ["date", "service", "number", "reference"]
LONGEST_REFERENCE = 120
_WIDTH = re.compile(r"(?:0?[0-9]{1,2})?")
SAMPLE: dict[str, Any] = {
    "date": "2026-03-02",
    "year": "2026",
    "time": "1405",
    "service": "s" * 64,
    "number": 1,
    "reference": "INC-2026-03-02-001",
}


def faults(runbook: "Runbook") -> Iterator[str]:
    """One line for each reference that leads nowhere."""
    if not runbook.severities:
        yield "severities: must name at least one severity."
    yield from _placeholders("reference", runbook.reference, REFERENCE_FIELDS)
    yield from _placeholders("channel", runbook.channel or "", CHANNEL_FIELDS)
    yield from _one_type_for_an_alert(runbook)
    yield from _procedures_end(runbook)
    known: dict[str, list[str]] = {
        "severity": [*runbook.severities],
        "type": [*runbook.types],
        "checklist": [*runbook.checklists],
        "procedure": [*runbook.procedures],
    }
    for path, kind, name in _references(runbook.as_json(), ()):
        if name not in known[kind]:
            yield f"{path_of(path)}: {unknown(name, known[kind], what=kind)}"


# Where a section names parts of the runbook: key → what its value is the name of.
NAMES = {
    "severity": "severity",
    "severities": "severity",
    "after_severities": "severity",
    "types": "type",
    "checklist": "checklist",
    "procedure": "procedure",
    "procedures": "procedure",
}
OWN_NAMES = {("severities",), ("types",), ("checklists",), ("procedures",)}


def _references(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[Any, str, str]]:
    """Every name of a part in the document: its path, of what it is the name, the name."""
    if isinstance(node, list):
        for place, item in enumerate(node):
            yield from _references(item, (*path, place))
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        here = (*path, key)
        kind = NAMES.get(key) if here not in OWN_NAMES else None
        if kind and isinstance(value, str):
            yield here, kind, value
        elif kind and isinstance(value, list):
            for place, name in enumerate(value):
                yield (*here, place), kind, name
        else:
            yield from _references(value, here)


def _placeholders(path: str, pattern: str, allowed: Iterable[str]) -> Iterator[str]:
    try:
        fields = [field for field in string.Formatter().parse(pattern) if field[1] is not None]
        names = [str(name) for _, name, _, _ in fields]
        sample = {name: SAMPLE[name] for name in allowed}
        for name in names:
            if name not in sample:
                yield f"{path}: {unknown(name, allowed, what='variable')}"
                return
        # A width is written out in full by whoever tries it: a gigabyte in nine digits.
        if not pattern.isprintable() or any(
            conversion or _WIDTH.fullmatch(spec or "") is None for _, _, spec, conversion in fields
        ):
            raise ValueError
        longest = len(pattern.format(**sample))
    except (ValueError, KeyError, IndexError, AttributeError):
        example = "INC-{date}-{number:03}"
        yield f"{path}: {said(pattern)} is no pattern; write e.g. {said(example)}."
        return
    if path == "reference" and "/" in pattern:
        yield f"{path}: {said(pattern)} has a slash in it, which would end the address of the page."
    if path == "reference" and longest > LONGEST_REFERENCE:
        yield f"{path}: becomes {longest} characters; {LONGEST_REFERENCE} is the most."


def _one_type_for_an_alert(runbook: "Runbook") -> Iterator[str]:
    owner: dict[str, str] = {}
    for slug, kind in runbook.types.items():
        for alert in kind.alerts:
            if (first := owner.setdefault(alert, slug)) != slug:
                yield f"types.{slug}.alerts: {said(alert)} is an alert of {said(first)} already."


def _procedures_end(runbook: "Runbook") -> Iterator[str]:
    """An answer may lead to another procedure, but following answers never leads back."""
    leads = {
        slug: [
            answer.procedure
            for question in procedure.questions
            for answer in question.answers
            if answer.procedure
        ]
        for slug, procedure in runbook.procedures.items()
    }
    if cycle := cycle_in(leads):
        yield f"procedures.{cycle[0]}: its answers lead back to itself: {' → '.join(cycle)}."
