"""What the verbs of this room hand to each other: a run, and the step that came of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from incidents.core.models import Incident, Kind, SeverityPolicy, User
from incidents.core.services import Draft
from incidents.escalation.engine import Decision, Ladder, Place
from incidents.escalation.models import Escalation
from incidents.escalation.targets import Plan
from incidents.escalation.wording import duration_text, names

STEP = "escalation.step"
TICKET_DUE = "escalation.ticket_due"
ACK_EXPIRY = "escalation.ack_expiry"
LAST_RESORT = "escalation.last_resort"
TIMERS = frozenset({STEP, TICKET_DUE, ACK_EXPIRY, LAST_RESORT})
# What the runbook wants; goes on, whoever has the incident, until it is over.
CALLS = "escalation.calls"
TRIGGER = "escalation.trigger"
ROLES = "escalation.roles"
RULES = frozenset({CALLS, TRIGGER, ROLES})

LAST_RESORT_EVERY = timedelta(minutes=30)


@dataclass(frozen=True)
class Run:
    """An incident, locked, whose next step is to be taken.

    `prompt`: what people are to know beside the incident itself; `actor`: who wanted the step
    now, None where its time had come. `ticket_due_at`: the deadline, where it is a ticket.
    `plan`: what the policy says, None where it was not read yet or there is none. `is_told`: the
    timeline says already that it escalates, and why.
    """

    incident: Incident
    escalation: Escalation
    severity: SeverityPolicy
    prompt: str = ""
    actor: User | None = None
    ticket_due_at: datetime | None = None
    plan: Plan | None = None
    is_told: bool = False


@dataclass(frozen=True)
class Step:
    """What was decided for a run that stood at `origin`.

    `asked` were reached, `missed` have no way to be reached.
    """

    run: Run
    origin: Place
    ladder: Ladder
    decision: Decision
    asked: tuple[User, ...] = ()
    missed: tuple[User, ...] = ()

    @property
    def key(self) -> str:
        """What the pages of one level at one time have in common."""
        place = self.decision.place
        return f"{self.run.incident.paging_epoch}.{place.cycle}.{place.level}"

    @property
    def policy(self) -> str:
        """The name of the policy."""
        return self.run.plan.name if self.run.plan else ""

    @property
    def is_ticket(self) -> bool:
        """Answered by a message and a deadline instead of a page."""
        return self.run.escalation.is_ticket and self.run.ticket_due_at is not None

    @property
    def gives_up(self) -> bool:
        """Nobody has the incident, and nobody is left to ask."""
        return bool(self.decision.exhausted) and not self.run.incident.is_acknowledged

    @property
    def ground(self) -> str:
        """E.g. "Level 2 of 3 of Payments, time 2 of 3"."""
        place, cycles = self.decision.place, self.ladder.cycles
        level = f"Level {place.level} of {len(self.ladder.rungs)} of {self.policy}"
        if place.cycle == 1 or self.run.incident.is_acknowledged:
            return level
        return f"{level}, time {place.cycle} of {cycles}"

    def without(self, missed: set[int]) -> "Step":
        """The same, once it is known who could not be reached."""
        return replace(
            self,
            asked=tuple(user for user in self.asked if user.pk not in missed),
            missed=tuple(user for user in self.asked if user.pk in missed),
        )

    def story(self, told: int) -> list[Draft]:
        """What the timeline tells of it. `told`: how many last resorts there were, if needed."""
        drafts = [
            self._draft(
                Kind.LEVEL_SKIPPED,
                f"Level {skip.place.level} of {self.policy} was skipped: {skip.why}.",
                level=skip.place.level,
                cycle=skip.place.cycle,
                why=skip.why,
            )
            for skip in self.decision.skipped
        ]
        if self.gives_up:
            return [*drafts, exhaustion(self.run.incident, self.decision.exhausted, told)]
        if not self.asked:
            return [*drafts, self._spared()] if self.decision.people and not self.missed else drafts
        if not self.run.is_told and (self.run.actor or self.origin.level):
            drafts.append(self._escalated())
        return [*drafts, self._asked()]

    def _spared(self) -> Draft:
        """Everybody of the level had been asked: it is passed, which is not to look forgotten."""
        place = self.decision.place
        return self._draft(
            Kind.LEVEL_SKIPPED,
            f"Level {place.level} of {self.policy} was not asked again: it knows.",
            level=place.level,
            cycle=place.cycle,
            why="its people were asked already",
        )

    def _escalated(self) -> Draft:
        why = self.run.prompt or "Nobody acknowledged in time."
        return self._draft(Kind.ESCALATED, f"Escalated to {self._lower_ground}. {why}".strip())

    def _asked(self) -> Draft:
        people = names(self.asked)
        if self.is_ticket and self.run.ticket_due_at:
            kind = Kind.TICKETED
            summary = (
                f"Sent to {people} as a ticket; it is paged if nobody acknowledges it by "
                f"{self.run.ticket_due_at:%Y-%m-%d %H:%M} UTC."
            )
        else:
            kind, summary = Kind.PAGED, f"Paged {people}: {self._lower_ground}."
        if self.missed:
            summary += f" Without a verified way to be reached: {names(self.missed)}."
        place = self.decision.place
        return self._draft(
            kind,
            summary,
            level=place.level,
            cycle=place.cycle,
            people=[user.pk for user in self.asked],
            missed=[user.pk for user in self.missed],
        )

    @property
    def _lower_ground(self) -> str:
        return f"{self.ground[0].lower()}{self.ground[1:]}"

    def _draft(self, kind: Kind, summary: str, **data: object) -> Draft:
        facts = {"policy": self.policy, "epoch": self.run.incident.paging_epoch, **data}
        if self.run.incident.is_acknowledged:
            facts["helps"] = True  # whoever has it; the ladder is not climbed from its first level
        return Draft(self.run.incident, kind, summary, self.run.actor, facts)


def exhaustion(incident: Incident, reason: str, told: int) -> Draft:
    """What the timeline tells when nobody is left; `told`: how many last resorts there were."""
    if told:
        then = f"The last resort is told, and again every {duration_text(LAST_RESORT_EVERY)}"
    else:
        then = (
            "And there is no last resort to tell: set LAST_RESORT or add a last resort address. "
            f"It is tried again every {duration_text(LAST_RESORT_EVERY)}"
        )
    return Draft(
        incident,
        Kind.EXHAUSTED,
        f"There is nobody left to ask: {reason}. {then} until somebody acknowledges.",
        data={"reason": reason, "told": told, "epoch": incident.paging_epoch},
    )
