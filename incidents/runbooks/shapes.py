"""The parts of a runbook that no other room acts on yet: reviews, goals, drill, contacts, links."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from incidents.core.documents import (
    Duration,
    Line,
    Offset,
    Percent,
    Section,
    Severities,
    Slug,
    Text,
    wrong,
)
from incidents.core.section import RoleName


class Origin(Section):
    """The document that a runbook was made of. `notes`: where it departs from it, and why."""

    document: Line
    title: Line | None = None
    version: Line | None = None
    updated: Line | None = None
    audience: list[Line] = []
    notes: list[Text] = []


class ReviewCycle(Section):
    """When the runbook itself is read again: regularly, and after incidents of these severities."""

    every: Duration | None = None
    after_severities: Severities = []


class Rule(Section):
    """One of the reasons that are each enough to declare an incident."""

    text: Line
    severities: Severities = []
    confirmed: bool = False
    reports: Annotated[int, Field(ge=2)] | None = None
    within: Duration | None = None


class Declaration(Section):
    """Declared when any of these is true; `then` is what happens at once."""

    any: list[Rule] = []
    then: list[Line] = []
    record: list[Line] = []


class Range(Section):
    """From … to; either may be left out."""

    shortest: Annotated[Offset | None, Field(alias="from")] = None
    longest: Annotated[Duration | None, Field(alias="to")] = None

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.shortest and self.longest and self.shortest > self.longest:
            raise wrong("from is longer than to.")
        return self


class ReviewRule(Section):
    """Whether incidents of these severities are reviewed, and in which window after resolution."""

    severities: Annotated[Severities, Field(min_length=1)]
    required: bool
    earliest: Duration | None = None
    latest: Duration | None = None
    note: Line | None = None

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.earliest and self.latest and self.earliest >= self.latest:
            raise wrong("earliest must be shorter than latest.")
        return self


class Attendee(Section):
    """Who comes; empty `severities`: always."""

    who: Line
    severities: Severities = []
    facilitates: bool = False


class Agenda(Section):
    """A point of the meeting and its share of the time."""

    title: Line
    takes: Duration | None = None
    topics: list[Line] = []


class FollowUp(Section):
    """What is done after the incident, `within` this time of its resolution."""

    title: Line
    within: Duration | None = None
    steps: list[Line] = []
    commands: list[Line] = []
    role: RoleName | Slug | None = None


class Why(Section):
    ask: Line
    answer: Line


class Reviews(Section):
    """How a team learns from an incident."""

    rules: list[ReviewRule] = []
    length: Range = Range()
    attendees: list[Attendee] = []
    agenda: list[Agenda] = []
    ground_rules: list[Line] = []
    must_include: list[Line] = []
    sections: list[Line] = []
    whys: list[Why] = []
    follow_ups: list[FollowUp] = []
    action_review: Duration | None = None
    sharing: list[Line] = []


class Goal(Section):
    """What responding is measured by. `below` or `share`: the goal as a figure."""

    metric: Line
    goal: Line | None = None
    below: Duration | None = None
    share: Percent | None = None


class KeyMetric(Section):
    """A metric of the system, its goal and the value that raises an alert."""

    metric: Line
    goal: Line
    alert: Line | None = None


class Slo(Section):
    """The promise to customers, and what it leaves: `budget` of each `window`."""

    availability: Percent
    window: Duration = timedelta(days=30)
    notes: list[Text] = []

    @property
    def budget(self) -> timedelta:
        return self.window * float(100 - self.availability) / 100


class Contact(Section):
    """Whom to reach outside of Tocsin, or by hand; `reach` is a place to fill in."""

    name: Line
    reach: Line | None = None
    external: bool = False
    note: Line | None = None


class Link(Section):
    """A dashboard, a tool, a document; an address, or a command."""

    title: Line
    url: Line | None = None
    command: Text | None = None
    note: Line | None = None


class DrillFault(Section):
    title: Line
    command: Text | None = None


class Drill(Section):
    """What is practised, how often, and what is measured."""

    title: Line
    every: Duration | None = None
    steps: list[Line] = []
    measures: list[Line] = []
    faults: list[DrillFault] = []
