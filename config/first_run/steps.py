"""A line of the list, the list, and how a line leads to where it is taken."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from incidents.core.models import Team

MOST_NAMES = 3


@dataclass(frozen=True)
class Step:
    """One line of the list. `missing` says what to do, and is empty once it is done."""

    name: str
    why: str
    missing: str
    url: str
    button: str
    is_optional: bool = False
    administrators_only: bool = False
    also: tuple[str, str] | None = None  # another button: its words and where it leads
    is_told_by_ladders: bool = False  # `escalation.check_ladders` says more about what is missing

    @property
    def is_done(self) -> bool:
        return not self.missing


@dataclass(frozen=True)
class Progress:
    """The whole list, and how far it has come."""

    steps: list[Step]

    @property
    def missing(self) -> list[Step]:
        return [step for step in self.steps if not step.is_done]

    @property
    def required(self) -> list[Step]:
        return [step for step in self.steps if not step.is_optional]

    @property
    def numbered(self) -> list[tuple[int | None, Step]]:
        """With the numbers of those that must be taken."""
        places = {step.name: number for number, step in enumerate(self.required, 1)}
        return [(places.get(step.name), step) for step in self.steps]

    @property
    def done(self) -> int:
        return sum(step.is_done for step in self.required)

    @property
    def next(self) -> Step | None:
        """What to do now: what can wait comes last."""
        return min(self.missing, key=lambda step: step.is_optional, default=None)


def link(name: str, **known: object) -> str:
    """A form with what is known already filled in."""
    given = {key: value for key, value in known.items() if value}
    return f"{reverse(name)}?{urlencode(given)}" if given else reverse(name)


def verb_of(team: Team, name: str) -> str:
    """The page of what can be done with a team."""
    return reverse("admin:incidents_team_verb", args=[team.pk, name])


def names(rows: Iterable[object]) -> str:
    """E.g. "Alice, Bob and 2 more"."""
    known = [str(row) for row in rows]
    more = len(known) - MOST_NAMES
    told = known if more <= 0 else [*known[:MOST_NAMES], f"{more} more"]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
