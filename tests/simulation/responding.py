"""What people and monitors do about incidents."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from incidents.alerts import payload
from incidents.alerts import services as alerts
from incidents.core import services as core
from incidents.core.models import Incident
from incidents.escalation import services as escalation
from tests.simulation.base import Base, people, some
from tests.simulation.world import FACTS, POLICIES, SERVICES, SEVERITIES, TYPES

MOST_INCIDENTS = 6
services = st.sampled_from(SERVICES)
severities = st.sampled_from(SEVERITIES)
keys = st.sampled_from(["db", "web"])


class Responding(Base):
    @rule(
        service=services,
        severity=severities,
        by=people,
        audience=st.none() | st.lists(people, max_size=2),
        last=st.none() | people,
        kind=st.sampled_from(TYPES),
    )
    def declare(self, service, severity, by, audience, last, kind):
        if Incident.objects.count() >= MOST_INCIDENTS:
            return
        self.attempt(
            lambda: core.declare(
                title="It is down",
                service=self.world.service(service),
                severity=severity,
                incident_type=kind,
                actor=self.person(by),
                is_private=audience is not None,
                audience=[self.person(name) for name in {by, *(audience or [])}]
                if audience is not None
                else [],
                last_resort=self.person(last) if last else None,
            )
        )

    @rule(
        key=keys,
        firing=st.booleans(),
        service=st.sampled_from([*SERVICES, "nowhere", ""]),
        severity=severities | st.just(""),
    )
    def monitor_reports(self, key, firing, service, severity):
        if Incident.objects.count() >= 2 * MOST_INCIDENTS:
            return
        body = {"dedup_key": key, "summary": f"{key} is down", "service": service}
        body |= {"severity": severity} if severity else {}
        body |= {"status": "firing" if firing else "resolved"}
        alerts.ingest(self.world.monitor(), payload.parse(body))

    @rule(
        key=keys,
        audience=st.lists(people, max_size=2),
        last=st.none() | people,
        minutes=st.integers(1, 600),
    )
    def drill_is_announced(self, key, audience, last, minutes):
        core.expect_signal(
            matchers={"dedup_key": key},
            until=self.clock.at + timedelta(minutes=minutes),
            audience=[self.person(name) for name in audience],
            last_resort=self.person(last) if last else None,
        )

    @rule(number=some, by=people)
    def acknowledge(self, number, by):
        if incident := self.incident(number):
            self.attempt(lambda: core.acknowledge(incident, actor=self.person(by)))

    # Without it nothing is ever given back, expires, or gets stuck.
    acknowledge_as_well = acknowledge_too = acknowledge

    @rule(number=some, by=people)
    def unacknowledge(self, number, by):
        if incident := self.incident(number):
            who = self.person(by)
            self.attempt(lambda: core.unacknowledge(incident, actor=who, reason="Have to go"))

    @rule(number=some, by=people, minutes=st.sampled_from([1, 20, 600]))
    def snooze(self, number, by, minutes):
        if incident := self.incident(number):
            until = self.clock.at + timedelta(minutes=minutes)
            who = self.person(by)
            self.attempt(lambda: core.snooze(incident, until=until, reason="Known", actor=who))

    @rule(number=some, by=people, severity=severities)
    def change_severity(self, number, by, severity):
        if incident := self.incident(number):
            who = self.person(by)
            self.attempt(
                lambda: core.change_severity(incident, severity=severity, reason="So", actor=who)
            )

    @rule(number=some, by=people)
    def dismiss(self, number, by):
        if incident := self.incident(number):
            self.attempt(lambda: core.dismiss(incident, reason="A test", actor=self.person(by)))

    @rule(number=some, by=people)
    def resolve(self, number, by):
        if incident := self.incident(number):
            self.attempt(
                lambda: core.resolve(
                    incident,
                    actor=self.person(by),
                    root_cause="A disk",
                    mitigation="Another disk",
                    kind="other",
                    override_reason="It works",
                )
            )

    @rule(number=some, by=people)
    def work_on(self, number, by):
        """The next step of the state machine, or a note where there is none."""
        if (incident := self.incident(number)) is None:
            return
        who = self.person(by)
        self.attempt(lambda: core.identify(incident, suspected_cause="A disk", actor=who))
        self.attempt(
            lambda: core.start_mitigating(incident, mitigation="Swap it", kind="other", actor=who)
        )
        self.attempt(lambda: core.note(incident, text="Looking", actor=who))

    @rule(number=some, by=people)
    def reopen(self, number, by):
        if incident := self.incident(number):
            self.attempt(lambda: core.reopen(incident, reason="Not over", actor=self.person(by)))

    @rule(number=some, other=some, by=people)
    def merge(self, number, other, by):
        one, two = self.incident(number), self.incident(other)
        if one is not None and two is not None:
            self.attempt(lambda: core.merge(one, into=two, actor=self.person(by)))

    @rule(number=some, by=people)
    def escalate(self, number, by):
        if incident := self.incident(number):
            self.attempt(lambda: escalation.escalate(incident, reason="Now", actor=self.person(by)))

    @rule(
        number=some,
        by=people,
        chosen=st.sampled_from([*({"fact": one} for one in FACTS), {"role": "director"}]),
    )
    def escalate_by_rule(self, number, by, chosen):
        if incident := self.incident(number):
            who = self.person(by)
            self.attempt(lambda: escalation.escalate(incident, reason="So", actor=who, **chosen))

    @rule(number=some, by=people, back=st.booleans())
    def it_works_again_or_not(self, number, by, back):
        if incident := self.incident(number):
            verb, who = core.mark_recovered if back else core.relapse, self.person(by)
            self.attempt(lambda: verb(incident, actor=who))

    @rule(number=some, by=people, whom=people)
    def page_person(self, number, by, whom):
        if incident := self.incident(number):
            self.attempt(
                lambda: escalation.page_person(
                    incident, user=self.person(whom), reason="Help", actor=self.person(by)
                )
            )

    @rule(number=some, by=people, policy=st.sampled_from(POLICIES))
    def reroute(self, number, by, policy):
        incident, chosen = self.incident(number), self.world.policy(policy)
        if incident is not None and chosen is not None:
            self.attempt(
                lambda: escalation.reroute(
                    incident, policy=chosen, reason="Theirs", actor=self.person(by)
                )
            )

    @rule(number=some, by=people, role=st.sampled_from(["commander", "scribe"]))
    def take_role(self, number, by, role):
        if incident := self.incident(number):
            who = self.person(by)
            self.attempt(lambda: core.assign_role(incident, role=role, user=who, actor=who))
