"""What the rules have in common: the world, a clock moved by hand, and engines that may die."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress

from django.db import transaction
from django.test import override_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from incidents.core.errors import DomainError
from incidents.core.models import Incident, TimelineEntry, User
from incidents.escalation.models import Escalation
from incidents.notifications import engine as outbox
from incidents.timers import clock
from incidents.timers import engine as timers
from tests.simulation import faults as going_wrong
from tests.simulation import invariants
from tests.simulation.faults import Bug, Death, Faults
from tests.simulation.world import MONDAY, PEOPLE, World

people = st.sampled_from(PEOPLE)
# Which incident, of those that there are: the oldest, the next … modulo their number.
some = st.integers(0, 7)

ROUNDS = 400


class Base(RuleBasedStateMachine):
    """`world` is built once; every example begins with it and leaves nothing behind."""

    world: World
    steps = 0
    happened: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.faults, self.clock = Faults(), clock.VirtualClock(MONDAY)
        self.stage = ExitStack()
        self.stage.enter_context(override_settings(SMTP_HOST="mail.example.org"))
        self.stage.enter_context(going_wrong.injected(self.faults))
        clock.use(self.clock)
        self.stage.callback(clock.use, None)
        undone = transaction.atomic()
        undone._from_testcase = True  # type: ignore[attr-defined]  # as TestCase does: verbs may be durable
        self.stage.enter_context(undone)
        self.stage.callback(transaction.set_rollback, True)

    def teardown(self) -> None:
        type(self).happened += self.faults.deaths
        type(self).happened.update(TimelineEntry.objects.values_list("kind", flat=True))
        type(self).happened["sent"] += len(self.faults.sent)
        self.stage.close()

    # --- What rules are made of -------------------------------------------------------------------

    def attempt(self, deed: Callable[[], object]) -> None:
        """What a verb declines, or what fails in it, must leave everything as it was."""
        with suppress(DomainError, Bug):
            deed()

    def person(self, name: str) -> User:
        return self.world.person(name)

    def incident(self, number: int) -> Incident | None:
        """As somebody saw it who opened its page a while ago: verbs lock and look again."""
        rows = Incident.objects.order_by("pk")
        count = rows.count()
        return rows[number % count] if count else None

    def settle(self) -> None:
        """Let everything happen that is due now, until nothing is."""
        for _ in range(ROUNDS):
            if not timers.tick() + outbox.dispatch(wait=True):
                return
        raise AssertionError("It never settles: something schedules itself for now, for ever.")

    def survive(self, engine: Callable[[], object]) -> None:
        """Run an engine that may die; what it held is free again when its lease has expired."""
        with suppress(Death):
            engine()
        self.faults.armed.clear()

    def check(self) -> None:
        type(self).steps += 1
        invariants.hold(self.faults)

    def somebody_heard(self, incident: Incident) -> bool:
        """A page, a ticket or the last resort of its present epoch left the house."""
        mine = [sent for sent in self.faults.sent if sent.incident_id == incident.pk]
        epoch = f":{incident.paging_epoch}."
        return any(
            sent.paging_epoch == incident.paging_epoch
            or (sent.cause.startswith("ticket:") and epoch in sent.cause)
            for sent in mine
        )

    def silent_ones(self) -> list[Incident]:
        """Open, with nobody, and nobody has heard of it since it was like that."""
        waiting = Escalation.objects.unanswered().values("incident")
        rows = Incident.objects.filter(pk__in=waiting).order_by("pk")
        return [incident for incident in rows if not self.somebody_heard(incident)]
