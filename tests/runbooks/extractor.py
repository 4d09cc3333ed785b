"""Every duration, percentage, count and role that a document of a team names, by its heading.

The documents are not part of the project; what is extracted from them is (`facts.json`), with the
hash of this file, so that nobody changes one without the other.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

UNITS = {
    "ms": 0.001,
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3_600,
    "hour": 3_600,
    "day": 86_400,
    "week": 604_800,
    "month": 2_592_000,  # 30 days
    "quarter": 7_862_400,  # 13 weeks
}
NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_DURATION = re.compile(
    rf"(?<![\w.:/-])({NUMBER})(?:\s*[-–]\s*({NUMBER}))?\+?[\s-]*(?:consecutive )?"
    r"(ms|seconds?|sec|s|minutes?|mins?|m|hours?|h|days?|weeks?|months?)(?![\w=/])"
)
_WORDS = {
    "monthly": "2592000",
    "quarterly": "7862400",
    "every hour": "3600",
    "next business day": "next working day",
    "next working day": "next working day",
    "next_working_day": "next working day",
}
_CLOCK = re.compile(r"\bT\+(\d+)")
_PERCENT = re.compile(rf"(?<![\w.])({NUMBER})\s*%")
# A number that counts something: no step of a list, date, time, version, port, name or address.
_COUNT = re.compile(
    rf"(?<![\w.:/#$\-[%])[x×]?({NUMBER})(?:\s*[-–]\s*({NUMBER}))?(x|\+)?(?![\w.:/%-]|\s*[.)]\s)"
)
ROLES = {
    "on_call": r"on-?call(?: engineer)?",
    "commander": r"incident commander|\bIC\b|\bcommander\b|take command",
    "technical_lead": r"tech(?:nical)? lead",
    "communications_lead": r"communications lead|comms lead",
    "scribe": r"\bscribe\b",
    "database_administrator": r"database administrator|\bDBA\b",
    "manager": r"engineering manager|\bmanager\b",
    "director": r"director",
    "team-lead": r"team lead",
    "vp-engineering": r"vp engineering|vp-engineering",
    "cto": r"\bCTO\b",
    "engineering-lead": r"engineering[ -]lead",
    "product-owner": r"product[ -]owner",
    "system-administrator": r"system[ -]administrator",
}
_ROLES = {role: re.compile(pattern, re.IGNORECASE) for role, pattern in ROLES.items()}
_HEADING = re.compile(r"^(#{1,6})\s+(.*)$")
_NOISE = re.compile(
    r"https?://\S+|\b\d{4}-\d{2}-\d{2}(?:T[\d:]+Z)?\b|\b\d{1,2}:\d{2}\b|\bv?\d+\.\d+\.\d+\b"
    r"|\bSEV-?\[?\d\]?|\bp\d\d\b|\bP\d\b|\b5xx\b|\bL[123]\b|INC-[\w-]+|^\s*(?:#+\s*)?\d+\.\s"
    r"|(?<=#)sev1-incident|localhost:\d+|-service:\d+|Version\W+[\d.]+|SELECT 1\b|2>&1"
    r"|(?i:severity|severities|type|step|question|pattern|phase|action|factor|aspect|area|lesson"
    r"|measure|updated\W+\w+)(?: levels?)?\W{1,3}\d+(?:\W\d\b)?|\d=(?:Critical|High|Medium|Low)"
)
_SLASHES = re.compile(r"(\d+)\]?/(\d+)\]? (minutes)")


@dataclass(frozen=True, order=True)
class Fact:
    """`value`: seconds of a duration, a percentage, a count, or the name of a role."""

    document: str
    heading: str
    kind: str
    value: str
    said: str


def of_folder(folder: Path) -> list[Fact]:
    """All facts of all documents (`000_….txt`), each once under each heading."""
    return sorted({fact for path in sorted(folder.glob("*.txt")) for fact in of_document(path)})


def of_document(path: Path) -> Iterator[Fact]:
    document, headings, in_code = path.name[:3], [""] * 7, False
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.lstrip().startswith("```"):
            in_code = not in_code
        heading = _HEADING.match(line)
        if heading and not in_code:
            level = len(heading[1])
            headings[level:] = [heading[2].strip(), *[""] * (6 - level)]
        place = " › ".join(filter(None, headings[2:])) or headings[1]
        if heading and not in_code:
            yield Fact(document, place, "heading", "", "")
        if not line.startswith(("- [", "  - [", "    - [", "      - [")) or "](#" not in line:
            for kind, value, said in of_text(_spelled_out(line)):
                yield Fact(document, place, kind, value, said)


def _spelled_out(line: str) -> str:
    """[15/30/60 minutes] as three durations."""
    for _ in range(3):
        line = _SLASHES.sub(r"\1 \3 \2 \3", line)
    return line


def of_text(line: str) -> Iterator[tuple[str, str, str]]:
    """(kind, value, words) of everything one line names."""
    text = _NOISE.sub(" ", line)
    for match in _DURATION.finditer(text):
        unit = UNITS[match[3] if match[3] in UNITS else match[3].removesuffix("s")]
        for number in filter(None, match.group(1, 2)):
            yield "duration", _plain(float(number.replace(",", "")) * unit), match[0].strip()
    for word, seconds in _WORDS.items():
        if word in text.lower():
            yield "duration", seconds, word
    for match in _CLOCK.finditer(text):
        yield "duration", _plain(float(match[1]) * 60), match[0]
    text = _CLOCK.sub(" ", _DURATION.sub(" ", text))
    for match in _PERCENT.finditer(text):
        yield "percentage", _plain(float(match[1])), match[0]
    for match in _COUNT.finditer(_PERCENT.sub(" ", text)):
        for number in filter(None, match.group(1, 2)):
            yield "count", _plain(float(number.replace(",", ""))), match[0].strip()
    for role, pattern in _ROLES.items():
        if found := pattern.search(text):
            yield "role", role, found[0]


def _plain(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")
