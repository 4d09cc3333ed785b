"""The section `reviews` of a runbook: when incidents are reviewed, by whom, and what follows."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from incidents.core.documents import (
    Duration,
    Line,
    Offset,
    Section,
    Severities,
    Slug,
    section_of,
    wrong,
)
from incidents.core.models import RunbookRevision
from incidents.core.section import RoleName

KEY = "reviews"


USUAL_RULES = [
    "No blame: we look at systems, not at people",
    "Everybody did their best with what they knew at the time",
    "Ask why until the answer is something that can be changed",
]


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


class DueAfter(Section):
    """How long an action item of each priority may take."""

    high: Duration | None = None
    medium: Duration | None = None
    low: Duration | None = None


class ActionItems(Section):
    """What is agreed: by when it is done, and how long it is watched whether it holds."""

    due: DueAfter = DueAfter()
    watch: Duration | None = None


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
    action_items: ActionItems = ActionItems()
    sharing: list[Line] = []

    def rule_for(self, severity: str) -> ReviewRule | None:
        """The first rule that names this severity; None: the runbook says nothing of it."""
        return next((rule for rule in self.rules if severity in rule.severities), None)

    @property
    def rules_of_the_meeting(self) -> list[str]:
        """How people treat one another in it; where the runbook says nothing, as is usual."""
        return self.ground_rules or USUAL_RULES

    @property
    def meeting_takes(self) -> timedelta:
        """How long the meeting is: as it says, else as long as its points, else an hour."""
        points = [point.takes for point in self.agenda if point.takes]
        return self.length.longest or sum(points, timedelta()) or timedelta(hours=1)


def of(revision: RunbookRevision) -> Reviews:
    """The section of a stored revision, read once; empty where it has none or an unreadable one."""
    return section_of(Reviews, revision, key=KEY)
