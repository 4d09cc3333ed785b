"""Documents that people write, such as runbooks: the types every section is made of.

A room declares its section as a `Section`; what is wrong with a document comes back as one plain
line each (`complaints`), and what is stored with a revision is read again by `section_of`.
"""

import difflib
import hashlib
import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from incidents.core.calendar import zone_names
from incidents.core.models import RunbookRevision

logger = logging.getLogger(__name__)

LONGEST = timedelta(weeks=520)
UNITS = {"week": 604_800, "day": 86_400, "h": 3_600, "min": 60, "s": 1}
_PART = r"(\d{1,6}) ?(weeks?|days?|h|min|s)"
_DURATION = re.compile(rf"{_PART}(?: {_PART})?(?: {_PART})?")
_DURATION_SCHEMA = {
    "type": "string",
    "pattern": f"^{_DURATION.pattern}$",
    "examples": ["5 min", "1 h 30 min", "1 week"],
}
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%")


def wrong(message: str) -> PydanticCustomError:
    """What a validator raises: `message` is read by a person, after the path."""
    return PydanticCustomError("wrong", "{message}", {"message": message})


def said(value: Any) -> str:
    """A value as a message quotes it: JSON, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"


def parse_duration(value: Any) -> Any:
    """ "1 h 30 min" → timedelta. Never a bare number, whose unit somebody would have to guess."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong(f'{said(value)} is no duration; write e.g. "5 min", "2 h", "1 week".')
    parts = [part for part in match.groups() if part]
    counts, units = map(int, parts[::2]), [unit.removesuffix("s") or "s" for unit in parts[1::2]]
    seconds = sum(count * UNITS[unit] for count, unit in zip(counts, units, strict=True))
    if timedelta(seconds=seconds) > LONGEST:
        raise wrong(f"{said(value)} is longer than 520 weeks.")
    return timedelta(seconds=seconds)


def _positive(value: Any) -> Any:
    duration = parse_duration(value)
    if duration <= timedelta():
        raise wrong(f"{said(value)} is no time at all; write e.g. 5 min.")
    return duration


def duration_text(duration: timedelta) -> str:
    """As people say it, and as `parse_duration` reads it: "5 min", "1 h 30 min", "13 weeks".

    Up to three days in hours, as deadlines are ("within 72 h").
    """
    left = int(duration.total_seconds())
    if left and left % UNITS["week"] == 0:
        return _counted(left // UNITS["week"], "week")
    if left > 3 * UNITS["day"] and left % UNITS["day"] == 0:
        return _counted(left // UNITS["day"], "day")
    parts = []
    for unit in ["h", "min", "s"]:
        count, left = divmod(left, UNITS[unit])
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 min"


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}{'s' if count > 1 else ''}"


def _parse_percent(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or (number := Decimal(match[1])) > 100:
        raise wrong(f'{said(value)} is no percentage; write e.g. "99.95 %".')
    return number


def _zone(value: str) -> str:
    if value not in zone_names():
        raise wrong(f"{said(value)} is no time zone; write one like Europe/Berlin.")
    return value


SeverityName = Literal["SEV1", "SEV2", "SEV3", "SEV4"]
Severities = list[SeverityName]
# More than no time: a target, a cadence, a delay.
Duration = Annotated[
    timedelta,
    BeforeValidator(_positive),
    PlainSerializer(duration_text),
    WithJsonSchema(_DURATION_SCHEMA),
]
# A point in a plan, which may be its very beginning: "0 min".
Offset = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(duration_text),
    WithJsonSchema(_DURATION_SCHEMA),
]
Percent = Annotated[
    Decimal,
    BeforeValidator(_parse_percent),
    PlainSerializer(lambda value: f"{value:f} %"),
    WithJsonSchema({"type": "string", "pattern": f"^{_PERCENT.pattern}$"}),
]
# Names by which one part of a document refers to another, and to people's functions.
NAME = r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$"
ONE_LINE = r"^[^\r\n]+$"
Zone = Annotated[str, AfterValidator(_zone)]
Slug = Annotated[str, Field(pattern=NAME, max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=4_000)]
Line = Annotated[str, Field(pattern=ONE_LINE, max_length=300)]
_PATTERNS = {
    NAME: "{} is no name; write small letters, digits, - and _.",
    ONE_LINE: "{} must be one line of text, and not empty.",
}


class Section(BaseModel):
    """A part of a document: immutable, and strict about what it does not know."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, serialize_by_alias=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        allowed = [field.alias or name for name, field in cls.model_fields.items()]
        for key in data:
            if key not in allowed:
                raise wrong(unknown(key, allowed))
        return data

    def as_json(self) -> dict[str, Any]:
        """What is stored: durations and percentages as text, without what was left out."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def read(cls, document: dict[str, Any], *, key: str = "") -> Self:
        """From the whole document: what stands under `key`, or this section's keys at its top."""
        if key:
            return cls.model_validate(document.get(key) or {})
        mine = [field.alias or name for name, field in cls.model_fields.items()]
        return cls.model_validate({name: document[name] for name in mine if name in document})


def unknown(key: object, allowed: Iterable[str], *, what: str = "") -> str:
    """ "respnd" is unknown; did you mean "respond"? Allowed are …"""
    allowed = list(allowed)
    near = difflib.get_close_matches(str(key), allowed, n=1)
    hint = f"did you mean {said(near[0])}? " if near else ""
    known = f"allowed are {', '.join(sorted(allowed))}." if allowed else "there is none."
    subject = f"{what} {said(key)}" if what else said(key)
    return f"{subject} is unknown; {hint}{known if not hint else known[0].upper() + known[1:]}"


def complaints(error: ValidationError) -> list[str]:
    """One line for each thing that is wrong: its path in the document, and what is allowed."""
    meant = [details for details in error.errors() if not _was_not_meant(details)]
    return [
        _line(path_of(details["loc"]), _sentence(details)) for details in meant or error.errors()
    ]


def _was_not_meant(details: ErrorDetails) -> bool:
    """Where a word or a mapping may stand, what is said of the one that was not written."""
    loc, is_mapping = details["loc"], isinstance(details["input"], dict)
    last = str(loc[-1]) if loc else ""
    if last.startswith("literal["):
        return is_mapping
    return bool(_UNION.match(last)) and details["type"] == "model_type" and not is_mapping


# What pydantic puts into a path for a choice of shapes: literal['always'], UsersOver.
_UNION = re.compile(r"literal\[|[A-Z][a-z]+[A-Za-z]*$")


def path_of(steps: Sequence[int | str]) -> str:
    """`severities.SEV1.examples[0]`; empty for the document itself."""
    path = ""
    for step in steps:
        if step == "[key]" or _UNION.match(str(step)):
            continue
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")


def _line(path: str, sentence: str) -> str:
    return " ".join(f"{path}: {sentence}".removeprefix(": ").split())


def _sentence(details: ErrorDetails) -> str:
    kind, given, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "wrong":
        return str(context["message"])
    if kind == "literal_error":
        allowed = context["expected"].replace("'", "")
        return f"{said(given)} is not allowed; use {allowed}."
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], "{}: must match " + context["pattern"]).format(
            said(given)
        )
    if wanted := _WANTED.get(kind):
        return f"{said(given)} must be {wanted}."
    return _SENTENCES.get(kind) or f"{said(given)}: {details['msg'].lower()}."


_SENTENCES = {
    "missing": "is missing.",
    "string_too_short": "must not be empty.",
    "too_short": "must not be empty.",
}
_WANTED = {
    "string_type": "text; put it in quotes",
    "string_sub_type": "text; put it in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list (lines that begin with -)",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
}


def digest_of_document(document: dict[str, Any]) -> str:
    """Equal for equal documents in the same order: SHA-256, 64 hex digits."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def cycle_in(leads: Mapping[str, Iterable[str]]) -> list[str]:
    """A way that leads back to where it began, e.g. [a, b, a]; empty where none does.

    Looks at every step once and does not recurse: people's documents may be as long as they like.
    """
    done: set[str] = set()
    for start in leads:
        way = {start: iter(leads[start])}  # in order: from the start to where it stands
        while way and start not in done:
            here = next(reversed(way))
            following = next((name for name in way[here] if name not in done), None)
            if following is None:
                done.add(here)
                del way[here]
            elif following in way:
                names = list(way)
                return [*names[names.index(following) :], following]
            else:
                way[following] = iter(leads.get(following, ()))
    return []


_known: dict[tuple[type[Section], str, str], Section] = {}
MOST_KNOWN = 500


def section_of[S: Section](model: type[S], revision: RunbookRevision, *, key: str = "") -> S:
    """The section of a stored revision: read once for each document, and never an error.

    A runbook must not stop a declaration: what cannot be read is logged and counts as left out.
    """
    place = (model, key, revision.digest)
    known = _known.get(place)
    if isinstance(known, model):
        return known
    section = _read(model, revision, key)
    if revision.digest:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[place] = section
    return section


def _read[S: Section](model: type[S], revision: RunbookRevision, key: str) -> S:
    try:
        return model.read(revision.document, key=key)
    except (ValidationError, AttributeError, TypeError):
        logger.exception("Unable to read %s of %s", model.__name__, revision)
        return model()
