"""I14: the auditor itself is awake, and so is the canary."""

from collections.abc import Iterator
from datetime import timedelta

from incidents.insights import canary
from incidents.insights.audit.kinds import Invariant, Offence, Scope
from incidents.insights.models import AuditRun
from incidents.timers import services as timers

# One audit a minute; three may be missed.
STALE = timedelta(minutes=3)
SENTENCE = "The auditor looks every minute, and the canary comes through."
ADVICE = (
    "See that manage.py up, worker or clock runs, and what its log says. Try Page me now: it goes "
    "the same way."
)


def awake(scope: Scope) -> Iterator[Offence]:
    """For whoever looks from outside: while engines run, audits are made."""
    last = AuditRun.objects.order_by("-slot").values_list("at", flat=True).first()
    runs = any(pulse.is_alive for pulse in timers.alive(scope.now).values())
    if runs and last is not None and scope.now - last > STALE:
        yield Offence("audit", f"Engines run, and the last audit was made at {last}.")
    yield from _canary(scope)


def _canary(scope: Scope) -> Iterator[Offence]:
    if fault := canary.look().fault(scope.now):
        yield Offence("canary", f"The canary: {fault}")


def from_outside() -> Invariant:
    return Invariant("I14", "the watch is awake", SENTENCE, ADVICE, awake)


def from_inside(trouble: str) -> Invariant:
    """For the audit by itself, which is the proof that it is made. `trouble`: why the canary could
    not be sent on its way.
    """

    def find(scope: Scope) -> Iterator[Offence]:
        if trouble:
            yield Offence("canary", f"The canary could not be sent on its way: {trouble}")
        yield from _canary(scope)

    return Invariant("I14", "the watch is awake", SENTENCE, ADVICE, find)
