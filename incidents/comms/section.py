"""The section `communication` of a runbook: cadence, wording, channels, what customers are told."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from incidents.comms import language
from incidents.core.documents import (
    Duration,
    Line,
    Offset,
    Section,
    Severities,
    Slug,
    Text,
    Zone,
    section_of,
    wrong,
)
from incidents.core.models import RunbookRevision

KEY = "communication"

AudienceName = Literal["internal", "external"]


def _inside(text: str) -> str:
    return _judge(text, outside=False)


def _outside(text: str) -> str:
    return _judge(text, outside=True)


def _judge(text: str, *, outside: bool) -> str:
    for complaint in language.complaints(text, outside=outside):
        raise wrong(complaint)
    return text


InsideLine = Annotated[Line, AfterValidator(_inside)]
InsideText = Annotated[Text, AfterValidator(_inside)]
OutsideLine = Annotated[Line, AfterValidator(_outside)]
OutsideText = Annotated[Text, AfterValidator(_outside)]


class Zones(Section):
    """In which zone each audience reads times; UTC stands beside it."""

    internal: Zone = "UTC"
    external: Zone = "UTC"


class Cadence(Section):
    """How often one audience hears something, for these severities and types (empty: all).

    The next update is due `every` after the last. Whoever writes it is reminded `remind` before
    that; `missed` after it the next level is paged (left out: nobody ever is).
    """

    severities: Severities = []
    types: list[Slug] = []
    audience: AudienceName = "internal"
    every: Duration
    remind: Offset = timedelta()
    missed: Offset | None = None

    @model_validator(mode="after")
    def _remind_in_time(self) -> Self:
        if self.remind >= self.every:
            raise wrong("remind must be shorter than every: it is the time before an update.")
        return self


class Letter(Section):
    """A message to colleagues: its subject (left out: the built-in one) and its text."""

    subject: InsideLine | None = None
    body: InsideText


class OutsideLetter(Section):
    """The same for customers and the public, without what is for colleagues only."""

    subject: OutsideLine | None = None
    body: OutsideText


class Letters(Section):
    """One occasion for both audiences; what is left out is built in."""

    internal: Letter | None = None
    external: OutsideLetter | None = None


class Templates(Section):
    initial: Letters = Letters()
    update: Letters = Letters()
    resolution: Letters = Letters()
    all_clear: Letters = Letters()
    escalation: Letters = Letters()
    status_page: Letters = Letters()
    apology: Letters = Letters()


class Post(Section):
    """What is posted to a channel of the team, and when."""

    on: Literal["declared", "resolved"]
    severities: Severities = []
    channel: Line | None = None
    template: InsideText | None = None


class UsersOver(Section):
    users_over: Annotated[int, Field(ge=0)]


class CustomerRule(Section):
    """Customers are told: always, or when more than so many users are affected."""

    severities: Severities = []
    when: Literal["always"] | UsersOver = "always"
    every: Duration | None = None
    all_clear: bool = True


class Words(Section):
    """What states are called where a runbook has a word of its own."""

    mitigating_recovered: Line | None = None


class Communication(Section):
    """What a runbook says about communication. `posts` left out: to every channel of the team."""

    zones: Zones = Zones()
    cadence: list[Cadence] = []
    templates: Templates = Templates()
    posts: list[Post] | None = None
    customers: list[CustomerRule] = []
    words: Words = Words()


def of(revision: RunbookRevision) -> Communication:
    """The section of a stored revision, read once; empty where it has none or an unreadable one."""
    return section_of(Communication, revision, key=KEY)
