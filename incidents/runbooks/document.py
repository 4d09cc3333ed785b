"""The whole runbook: the sections of the acting rooms under one roof, and what no room acts on yet.

Pure. `check` gives every fault as one line with its path; nothing here knows files or rows.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from incidents.comms.section import Communication
from incidents.core.documents import Line, Slug, complaints, wrong
from incidents.core.section import CoreSection
from incidents.escalation.section import EscalationSection
from incidents.reviews.section import Reviews
from incidents.runbooks import references
from incidents.runbooks.shapes import (
    Contact,
    Declaration,
    Drill,
    Goal,
    KeyMetric,
    Link,
    Origin,
    ReviewCycle,
    Slo,
)

FORMAT = 1


def _known_format(value: int) -> int:
    if value != FORMAT:
        raise wrong(f"{value} is not known; write format: {FORMAT}.")
    return value


class Runbook(CoreSection):
    """A document of format 1. Core's keys stand at its top, beside the other rooms' sections."""

    format: Annotated[
        int, AfterValidator(_known_format), Field(json_schema_extra={"const": FORMAT})
    ]
    slug: Slug
    title: Annotated[Line, Field(max_length=200)]
    summary: Line | None = None
    origin: Origin | None = None
    owner: Line | None = None
    review_cycle: ReviewCycle = ReviewCycle()
    channel: Line | None = None
    bridge: Line | None = None
    status_page: Line | None = None
    lifecycle: list[Line] = []
    declaration: Declaration = Declaration()
    escalation: EscalationSection = EscalationSection()
    communication: Communication = Communication()
    reviews: Reviews = Reviews()
    goals: list[Goal] = []
    track: list[Line] = []
    key_metrics: list[KeyMetric] = []
    slo: Slo | None = None
    contacts: list[Contact] = []
    dashboards: list[Link] = []
    tools: list[Link] = []
    related: list[Link] = []
    drill: Drill | None = None
    principles: list[Line] = []


class Faulty(Exception):
    """The document is not a runbook; `lines` says everything that is wrong, each with its path."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def parse(data: Any) -> Runbook:
    """Plain data → a runbook that is whole in itself. Raises Faulty."""
    try:
        runbook = Runbook.model_validate(data)
    except ValidationError as error:
        raise Faulty(complaints(error)) from None
    if lines := list(references.faults(runbook)):
        raise Faulty(lines)
    return runbook


def json_schema() -> dict[str, Any]:
    """For editors, which then complete keys and mark faults while somebody writes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Runbook.model_json_schema(by_alias=True),
        "title": "Tocsin runbook",
    }
