"""The parts of a runbook that no other room acts on yet: goals, drill, contacts, links."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from incidents.core.documents import (
    Duration,
    Line,
    Percent,
    Section,
    Severities,
    Text,
)


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
