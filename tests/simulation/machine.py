"""Time, engines and what goes wrong with them; and that somebody hears of everything in the end."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from incidents.core import services as core
from incidents.core.models import Incident
from incidents.insights.audit.kinds import Scope
from incidents.insights.audit.run import audit
from incidents.notifications import engine as outbox
from incidents.notifications.models import Delivery, LastResortAddress
from incidents.timers import engine as timers
from incidents.timers.models import Timer
from tests.simulation import invariants
from tests.simulation.base import people
from tests.simulation.faults import FAILURES, SEND_POINTS, TICK_POINTS, Bug, Death
from tests.simulation.organising import Organising
from tests.simulation.responding import Responding, severities
from tests.simulation.world import DUTY, PEOPLE, SERVICES

SECONDS = [1, 5, 7, 30, 60, 300, 600, 1_801, 7_200, 86_400, 3 * 86_400]
ALARMS = 300
# What people's addresses end with: theirs at first, further phones, their account's
NUMBERS = ["", "-1", "-2", "-new", "@example.org", "1@example.org", "2@example.org"]
LEASES = 7  # seconds, after which nobody who died holds anything
# Not I2: here the last resort itself fails on purpose.
AUDITED = {"I1", "I3", "I4", "I5", "I6", "I7", "I10", "I11", "I13"}
passes = st.sampled_from([0, 0, 0, 1, 2])


class Simulation(Responding, Organising):
    @initialize(severities=st.lists(severities, min_size=2, max_size=2))
    def two_incidents(self, severities):
        for service, severity in zip(SERVICES, severities, strict=True):
            core.declare(title="It is down", service=self.world.service(service), severity=severity)

    # --- Time and engines -------------------------------------------------------------------------

    @rule(seconds=st.sampled_from(SECONDS))
    def time_passes_while_nothing_runs(self, seconds):
        self.clock.forward(seconds=seconds)

    @rule(seconds=st.sampled_from(SECONDS))
    def time_passes(self, seconds):
        self.clock.forward(seconds=seconds)
        self.settle()
        self.ask_the_auditor()

    @rule(seconds=st.sampled_from(SECONDS), point=st.sampled_from(TICK_POINTS), passes=passes)
    def clock_dies(self, seconds, point, passes):
        self.clock.forward(seconds=seconds)
        self.faults.armed[point] = (passes, Death)
        self.survive(timers.tick)

    @rule(seconds=st.sampled_from(SECONDS), passes=passes)
    def handler_raises(self, seconds, passes):
        self.clock.forward(seconds=seconds)
        self.faults.armed["tick.before_commit"] = (passes, Bug)
        self.survive(timers.tick)

    @rule(seconds=st.sampled_from(SECONDS), point=st.sampled_from(SEND_POINTS), passes=passes)
    def sender_dies(self, seconds, point, passes):
        self.clock.forward(seconds=seconds)
        timers.tick()
        self.faults.armed[point] = (passes, Death)
        self.survive(lambda: outbox.dispatch(wait=True))

    # Hypothesis takes every rule as often as any other: what there is to see comes of these.
    time_passes_as_well = time_passes_too = time_passes_also = time_passes
    clock_dies_as_well, sender_dies_as_well = clock_dies, sender_dies

    # --- What goes wrong --------------------------------------------------------------------------

    @rule(
        name=people | st.just(DUTY),
        number=st.sampled_from(NUMBERS),
        failure=st.none() | st.sampled_from(sorted(FAILURES)),
    )
    def provider_fails(self, name, number, failure):
        """None: it works again."""
        if failure is None:
            self.faults.failing.pop(f"{name}{number}", None)
        else:
            self.faults.failing[f"{name}{number}"] = failure

    @rule(failure=st.none() | st.sampled_from(sorted(FAILURES)))
    def every_provider_fails(self, failure):
        """None: all of them work again."""
        self.faults.failing.clear()
        if failure is not None:
            everything = [f"{name}{number}" for name in PEOPLE for number in NUMBERS]
            self.faults.failing = dict.fromkeys([*everything, DUTY], failure)

    @rule(is_broken=st.booleans())
    def asking_has_a_bug(self, is_broken):
        self.faults.asking_is_broken = is_broken

    # --- What must hold ---------------------------------------------------------------------------

    @invariant()
    def nobody_is_silent(self):
        self.check()

    @rule(failure=st.none() | st.sampled_from(sorted(FAILURES)))
    def somebody_hears_of_everything(self, failure):
        """Liveness: the duty phone works, nothing else is mended or does at all; time goes on."""
        if failure is not None:
            self.every_provider_fails(failure)
        self.faults.failing.pop(DUTY, None)
        LastResortAddress.objects.filter(address=DUTY).update(is_active=True)
        for _ in range(ALARMS):
            self.settle()
            silent = self.silent_ones()
            if not silent:
                break
            self._forward_to_what_is_next(silent)
        self.check()
        invariants.pages_have_their_deliveries()
        silent = self.silent_ones()
        assert not silent, f"nobody ever hears of {silent}: {self._state(silent[0])}"

    somebody_hears_as_well = somebody_hears_too = somebody_hears_of_everything

    def ask_the_auditor(self) -> None:
        """The program that looks at the same rows in production knows nothing of this machine."""
        self.clock.forward(seconds=LEASES)
        self.settle()
        report = audit(Scope(now=self.clock.at))
        wrong = [finding for finding in report.findings if finding.name in AUDITED]
        assert not wrong, wrong

    def _forward_to_what_is_next(self, silent: list[Incident]) -> None:
        """To the next moment at which something is due for one of these."""
        pks = [incident.pk for incident in silent]
        timed = Timer.objects.pending().filter(subject_id__in=pks).exclude(kind="core.target")
        sent = Delivery.objects.alive().filter(incident__in=pks)
        moments = [max(t.due_at, t.claimed_until or t.due_at) for t in timed]
        moments += [max(d.due_at, d.lease_until or d.due_at) for d in sent]
        assert moments, f"nothing is ever due for {silent}"
        self.clock.at = max(self.clock.at, min(moments))

    def _state(self, incident: Incident) -> str:
        story = [f"{e.at:%d %H:%M:%S} {e.kind} {e.data}" for e in incident.timeline.order_by("id")]
        rows = [
            f"{d.cause} {d.address} {d.state} {d.last_error}"
            for d in Delivery.objects.filter(incident=incident).order_by("created_at")
        ]
        return "\n".join([*story[-20:], *rows[-20:]])
