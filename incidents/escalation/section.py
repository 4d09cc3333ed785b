"""Escalation's part of a runbook: who is called by role, the ladder, what escalates by itself.

Only the shape, and that it makes sense by itself; `of` gives what a revision holds.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from incidents.core.documents import (
    Duration,
    Line,
    Percent,
    Section,
    Severities,
    SeverityName,
    Slug,
    cycle_in,
    said,
    section_of,
    unknown,
    wrong,
)
from incidents.core.models import RunbookRevision
from incidents.core.section import FactName, RoleName

KEY = "escalation"
ON_CALL, MANAGER, TEAM = "on_call", "manager", "team"
# Known without being declared: who is on call, the team's managers, everybody in it.
BUILT_IN = {ON_CALL: "on call", MANAGER: "manager", TEAM: "team"}
# A share of users is stated as an attestation of this fact, in percent.
USERS_AFFECTED = "users_affected"


class RolePlan(Section):
    """Somebody who may be called. Its key is the function that people have in a team.

    `fallback`: the roles that are called instead, in order, where nobody has it.
    """

    title: Line
    answers_within: Duration | None = None
    fallback: list[Slug] = []


class Rung(Section):
    """A level of the escalation policy, and how long it has to answer."""

    role: Slug
    within: Duration


class Call(Section):
    """Who is paged and told at once when an incident is declared, beside the policy's first level.

    Empty `severities` or `types`: of all. What waits to recover by itself (`page_after`) waits
    with this, too.
    """

    severities: Severities = []
    types: list[Slug] = []
    page: list[Slug] = []
    tell: list[Slug] = []


class Attested(Section):
    """What somebody stated has been so bad `for` so long."""

    fact: Annotated[str, Field(pattern=r"^[a-z0-9]+(?:_[a-z0-9]+)*$", max_length=64)]
    at_least: float
    held: Annotated[Duration | None, Field(alias="for")] = None


class To(Section):
    """Whom it is aimed at: a role, or the next level of the ladder."""

    role: Slug | None = None
    level: Literal["next"] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "To":
        if (self.role is None) == (self.level is None):
            raise wrong("write either role or level: next.")
        return self


class Trigger(Section):
    """What escalates by itself, with its `title` as the reason.

    One of these says when: `after` so long `from` then on (declared: also reopened, or of another
    severity since); a `fact` that was reported or follows from the impact; something `attested`;
    `users_over` a share of all, `for` so long. Nothing happens once `until` was reached, nor, but
    with acknowledged and resolved, while it works again. Time counts once for each severity that
    the incident has, a fact once for the incident.
    """

    id: Slug
    title: Line
    severities: Severities = []
    types: list[Slug] = []
    after: Duration | None = None
    since: Annotated[Literal["declared", "acknowledged"], Field(alias="from")] = "declared"
    fact: FactName | None = None
    attested: Attested | None = None
    users_over: Percent | None = None
    held: Annotated[Duration | None, Field(alias="for")] = None
    until: Literal["acknowledged", "identified", "mitigating", "recovered", "resolved"] = "resolved"
    to: To | None = None
    action: Literal["page", "tell", "change_severity"] = "page"
    severity: SeverityName | None = None

    @model_validator(mode="after")
    def _says_when(self) -> "Trigger":
        conditions = [self.after, self.fact, self.attested, self.users_over]
        if sum(one is not None for one in conditions) != 1:
            raise wrong("say when: write one of after, fact, attested and users_over.")
        if self.held is not None and self.users_over is None:
            raise wrong("for belongs to users_over; with attested it stands inside.")
        if self.since == "acknowledged" and self.after is None:
            raise wrong("from needs after.")
        return self

    @model_validator(mode="after")
    def _says_what(self) -> "Trigger":
        if self.action != "change_severity":
            if self.to is None or self.severity is not None:
                raise wrong("say whom: write to, and severity with change_severity only.")
            if self.action == "tell" and self.to.role is None:
                raise wrong("a level is paged; tell a role.")
            return self
        if self.severity is None or self.to is not None:
            raise wrong("change_severity needs severity, and no to.")
        if not self.severities or min(self.severities) <= self.severity:
            raise wrong(f"name severities that are less than {self.severity}.")
        return self

    @property
    def measured(self) -> str:
        """The fact whose attestations it looks at; empty: none."""
        if self.attested is not None:
            return self.attested.fact
        return USERS_AFFECTED if self.users_over is not None else ""

    @property
    def holds_for(self) -> timedelta:
        """How long what was attested must have held."""
        held = self.attested.held if self.attested is not None else self.held
        return held or timedelta()

    def is_met_by(self, value: Decimal, unit: str) -> bool:
        """Whether an attestation of its fact says that it is that bad."""
        if self.attested is not None:
            return float(value) >= self.attested.at_least
        return self.users_over is not None and unit == "%" and value > self.users_over


class Filling(Trigger):
    """What severities say of a role that is needed only sometimes, as a rule: whoever has it
    comes, where nobody was given it yet."""

    fills: RoleName


class EscalationSection(Section):
    """What stands under `escalation`.

    `repeats`: how often the ladder starts over. `remind_roles`: after how long whoever has the
    incident is reminded of roles that nobody has taken.
    """

    roles: dict[Slug, RolePlan] = {}
    ladder: list[Rung] = []
    repeats: Annotated[int, Field(ge=0, le=20)] = 2
    at_declaration: list[Call] = []
    triggers: list[Trigger] = []
    remind_roles: Duration = timedelta(minutes=10)

    @model_validator(mode="after")
    def _roles_are_known(self) -> "EscalationSection":
        known = list(dict.fromkeys([*BUILT_IN, *self.roles]))
        for where, role in self._named_roles():
            if role not in known:
                raise wrong(f"{where}: {unknown(role, known, what='the role')}")
        return self

    @model_validator(mode="after")
    def _triggers_have_their_own_names(self) -> "EscalationSection":
        names = [trigger.id for trigger in self.triggers]
        for name in names:
            if names.count(name) > 1:
                raise wrong(f"triggers: {said(name)} is the id of {names.count(name)} of them.")
        return self

    @model_validator(mode="after")
    def _fallbacks_end(self) -> "EscalationSection":
        fallbacks = {role: plan.fallback for role, plan in self.roles.items()}
        if way := cycle_in(fallbacks):
            raise wrong(f"roles: {' → '.join(way)} is a cycle; a fallback must end somewhere.")
        return self

    def title(self, role: str) -> str:
        """As people say it, e.g. "Engineering Manager"."""
        plan = self.roles.get(role)
        return plan.title if plan else BUILT_IN.get(role, role.replace("-", " "))

    def fallbacks(self, role: str) -> list[str]:
        """The role and whoever is called instead, in order, each once."""
        found: list[str] = []
        waiting = [role]
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found.append(name)
                waiting += self.roles[name].fallback if name in self.roles else []
        return found

    def _named_roles(self) -> Iterator[tuple[str, str]]:
        for name, plan in self.roles.items():
            yield from ((f"roles.{name}.fallback", role) for role in plan.fallback)
        for number, rung in enumerate(self.ladder):
            yield f"ladder[{number}].role", rung.role
        for number, call in enumerate(self.at_declaration):
            yield from ((f"at_declaration[{number}].page", role) for role in call.page)
            yield from ((f"at_declaration[{number}].tell", role) for role in call.tell)
        for number, trigger in enumerate(self.triggers):
            if trigger.to is not None and trigger.to.role is not None:
                yield f"triggers[{number}].to.role", trigger.to.role


def of(revision: RunbookRevision) -> EscalationSection:
    """Escalation's section of this revision; empty where it has none. Never raises."""
    return section_of(EscalationSection, revision, key=KEY)
