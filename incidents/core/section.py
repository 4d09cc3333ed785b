"""Core's part of a runbook: severities, incident types, checklists, procedures, resolution.

Only the shape; durations are what `documents` makes of them. `of` gives what a revision holds.
"""

from datetime import time, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from incidents.core.documents import (
    Duration,
    Line,
    Offset,
    Section,
    Severities,
    SeverityName,
    Slug,
    Text,
    Zone,
    said,
    section_of,
    wrong,
)
from incidents.core.models import RunbookRevision

RoleName = Literal[
    "commander", "technical_lead", "communications_lead", "scribe", "database_administrator"
]
FactName = Literal[
    "multiple_services",
    "infrastructure",
    "database",
    "security",
    "backup",
    "data_loss",
    "sla_at_risk",
    "customer_escalation",
    "decision_needed",
    "unclear",
]
MitigationName = Literal[
    "rollback",
    "fix_forward",
    "restart",
    "scale",
    "configuration",
    "feature_off",
    "failover",
    "third_party",
    "none",
    "other",
]


class Targets(Section):
    """How long each phase may take from detection (`detect`: from the start); empty: not measured.

    `working_time`: they count in the working hours of the runbook.
    """

    detect: Duration | None = None
    respond: Duration | None = None
    identify: Duration | None = None
    mitigate: Duration | None = None
    resolve: Duration | None = None
    respond_ends: Literal["acknowledgement", "first_action"] = "acknowledgement"
    working_time: bool = False


class Attest(Section):
    """A health fact that somebody must have stated below a limit, held `for` so long."""

    fact: Slug
    below: float
    unit: Annotated[str, Field(max_length=16)] = ""
    held: Annotated[Duration | None, Field(alias="for")] = None


class Resolve(Section):
    """What `resolve` asks for. `observe_after`: longer than `observe` after such a mitigation."""

    needs: list[Literal["root_cause", "mitigation", "healthy"]] = []
    observe: Duration | None = None
    observe_after: dict[MitigationName, Duration] = {}
    attest: list[Attest] = []
    # What a person confirms by looking, in words
    confirm: list[Line] = []

    def window_after(self, mitigation: str) -> timedelta | None:
        """How long it is observed after such a mitigation; None: as long as after others."""
        kinds = self.observe_after.items()
        return next((window for kind, window in kinds if kind == mitigation), None)


class RoleWhen(Section):
    """A role that is to be filled only where `when` holds: as soon as this fact is known.

    Without a fact it is for people to see.
    """

    role: RoleName
    when: Line
    fact: FactName | None = None


class SeverityPlan(Section):
    """What one severity means and asks for.

    `detector_commands`: whoever declares is commander until somebody else takes over.
    `next_working_day`: a ticket that is answered by the end of the next working day.
    `procedures`: shown with every incident of this severity, beside that of its type.
    """

    name: Annotated[str, Field(min_length=1, max_length=32)]
    definition: Text
    examples: list[Line] = []
    response: Literal["page", "ticket"] = "page"
    targets: Targets = Targets()
    next_working_day: bool = False
    roles: list[RoleName] = []
    roles_when: list[RoleWhen] = []
    detector_commands: bool = False
    process: list[Line] = []
    procedures: list[Slug] = []
    resolve: Resolve = Resolve()


class Cadence(Section):
    """How often an incident of this type is told of, where it differs from its severity's."""

    internal: Duration | None = None
    external: Duration | None = None


class IncidentType(Section):
    """A kind of incident that is known beforehand. Its key is the incident's `incident_type`.

    `alerts`: names of alerts that are of this type. `facts`: what is known of it by that.
    `page_after`: nobody is paged if it has recovered by then. `checklist` comes on top of those of
    its severity.
    """

    title: Line
    definition: Text
    severity: SeverityName
    severities: Severities = []
    alerts: list[Line] = []
    facts: list[FactName] = []
    signals: list[Line] = []
    symptoms: list[Line] = []
    impact: list[Line] = []
    scenario: list[Line] = []
    page_after: Duration | None = None
    announce: str = ""
    checklist: Slug | None = None
    procedure: Slug | None = None
    updates: Cadence = Cadence()

    @model_validator(mode="after")
    def _severity_among_severities(self) -> "IncidentType":
        if self.severities and self.severity not in self.severities:
            raise wrong(f"severity {self.severity} is none of its severities.")
        return self


class Item(Section):
    """Something to do and tick off; empty `severities`: of all."""

    text: Line
    role: RoleName | None = None
    severities: Severities = []


class Phase(Section):
    """Items and their window, from when the checklist begins."""

    title: Line
    opens: Offset | None = None
    due: Duration | None = None
    items: Annotated[list[Item], Field(min_length=1)]

    @model_validator(mode="after")
    def _window(self) -> "Phase":
        return _ends_after_it_opens(self)


class Checklist(Section):
    """Begins by itself for every incident of these severities (empty: all) and types (empty: all).

    `on_request`: only where a type names it.
    """

    title: Line
    severities: Severities = []
    types: list[Slug] = []
    on_request: bool = False
    begins: Literal["declared", "recovered", "resolved"] = "declared"
    phases: Annotated[list[Phase], Field(min_length=1)]


class Step(Section):
    """One action; `command` to be run, `expect` what it shows when all is well."""

    text: Line
    command: Text | None = None
    expect: Line | None = None
    when: Line | None = None
    role: RoleName | None = None


class Answer(Section):
    """Where a question leads: advice, or another procedure."""

    answer: Annotated[Line, Field(alias="if")]
    then: Line
    procedure: Slug | None = None


class Question(Section):
    """A branch of a decision tree: what to look at, and what the answers mean."""

    ask: Line
    steps: list[Step] = []
    answers: list[Answer] = []


class StepPhase(Section):
    """Steps with a time box, from the declaration; `when`: only in this case."""

    title: Line
    opens: Offset | None = None
    due: Duration | None = None
    when: Line | None = None
    steps: Annotated[list[Step], Field(min_length=1)]

    @model_validator(mode="after")
    def _window(self) -> "StepPhase":
        return _ends_after_it_opens(self)


class Option(Section):
    """One of several ways, chosen by `when`."""

    title: Line
    when: Line | None = None
    steps: Annotated[list[Step], Field(min_length=1)]


class Criterion(Section):
    """A question of the rollback decision. `within`: how recently it must have happened."""

    text: Line
    within: Duration | None = None


class Rollback(Section):
    """When everything in `when` is true, then `steps`; `recovers_within` says how soon it shows."""

    when: Annotated[list[Criterion], Field(min_length=1)]
    steps: list[Step] = []
    expect: list[Line] = []
    recovers_within: Duration | None = None


class Check(Section):
    """A sign that it works again."""

    text: Line
    expect: Line | None = None
    command: Text | None = None
    within: Duration | None = None


class Takes(Section):
    """How long a remedy takes, as people say it, and as a range where there is one."""

    text: Annotated[str, Field(min_length=1, max_length=64)]
    shortest: Annotated[Offset | None, Field(alias="from")] = None
    longest: Annotated[Offset | None, Field(alias="to")] = None

    @model_validator(mode="after")
    def _range(self) -> "Takes":
        if self.shortest and self.longest is not None and self.shortest > self.longest:
            raise wrong("from is longer than to.")
        return self


class Cause(Section):
    """A row of the table cause → solution → time."""

    cause: Line
    solution: Line
    command: Text | None = None
    takes: Takes | None = None


class Procedure(Section):
    """What to find out, do, choose from, roll back, verify and prevent. All parts are optional."""

    title: Line
    symptoms: list[Line] = []
    questions: list[Question] = []
    phases: list[StepPhase] = []
    options: list[Option] = []
    rollback: Rollback | None = None
    causes: list[Cause] = []
    verify: list[Check] = []
    prevent: list[Line] = []


def _clock_time(value: str) -> str:
    try:
        time.fromisoformat(value)
    except ValueError:
        raise wrong(f'{said(value)} is no time of day; write e.g. "09:00".') from None
    return value


ClockTime = Annotated[str, AfterValidator(_clock_time)]
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class WorkingHours(Section):
    """What is left out is the organisation's."""

    zone: Zone | None = None
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = []
    opens: ClockTime | None = None
    closes: ClockTime | None = None
    country: Annotated[str, Field(max_length=2)] = ""
    subdivision: Annotated[str, Field(max_length=8)] = ""

    @model_validator(mode="after")
    def _opens_first(self) -> "WorkingHours":
        if self.opens and self.closes and self.opens >= self.closes:
            raise wrong("closes must be later than opens.")
        return self


class CoreSection(Section):
    """Core's keys at the top of the document."""

    reference: Annotated[str, Field(max_length=120)] = "INC-{date}-{number:03}"
    reopen_window: Duration | None = None
    working_hours: WorkingHours = WorkingHours()
    severities: dict[SeverityName, SeverityPlan] = {}
    types: dict[Slug, IncidentType] = {}
    checklists: dict[Slug, Checklist] = {}
    procedures: dict[Slug, Procedure] = {}

    def plan(self, severity: str) -> SeverityPlan | None:
        """What it says of this severity (SEV1 …); None: nothing."""
        return next((plan for name, plan in self.severities.items() if name == severity), None)


def of(revision: RunbookRevision) -> CoreSection:
    """Core's section of this revision; empty where it has none. Never raises."""
    return section_of(CoreSection, revision)


def _ends_after_it_opens[P: (Phase, StepPhase)](phase: P) -> P:
    if phase.opens is not None and phase.due is not None and phase.opens >= phase.due:
        raise wrong("due must be later than opens.")
    return phase
