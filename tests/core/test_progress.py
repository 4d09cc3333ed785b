"""The way through the states, each verb at its own door of the room."""

from datetime import timedelta

import pytest

from incidents.core import services
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.models import Incident, Kind, Status
from incidents.timers.models import Timer
from tests.core.story import kinds

pytestmark = pytest.mark.django_db


@pytest.fixture
def identified(incident, bob):
    return services.identify(incident, suspected_cause="Full disk", actor=bob)


@pytest.fixture
def mitigating(identified, bob):
    return services.start_mitigating(
        identified, mitigation="Rotating logs", kind="fix_forward", actor=bob
    )


class TestIdentify:
    def test_it_works(self, identified, clock):
        assert identified.status == Status.IDENTIFIED
        assert identified.identified_at == clock.at
        assert identified.suspected_cause == "Full disk"
        assert kinds(identified)[-1] == Kind.IDENTIFIED

    def test_it_needs_a_suspected_cause(self, incident, bob):
        with pytest.raises(DomainError) as refusal:
            services.identify(incident, suspected_cause=" ", actor=bob)

        assert refusal.value.field == "suspected_cause"
        assert Incident.objects.get().status == Status.INVESTIGATING

    def test_it_refuses_a_second_time_and_says_what_is_next(self, identified, bob):
        with pytest.raises(Refused) as refusal:
            services.identify(identified, suspected_cause="Other", actor=bob)

        assert refusal.value.state == Status.IDENTIFIED
        assert Status.MITIGATING in refusal.value.allowed
        assert Incident.objects.get().suspected_cause == "Full disk"


class TestStartMitigating:
    def test_it_works(self, mitigating):
        assert mitigating.status == Status.MITIGATING
        assert mitigating.mitigation_kind == "fix_forward"

    def test_it_refuses_to_skip_a_state(self, incident, bob):
        with pytest.raises(Refused):
            services.start_mitigating(incident, mitigation="x", kind="restart", actor=bob)

        assert Incident.objects.get().status == Status.INVESTIGATING

    def test_it_needs_a_known_kind(self, identified, bob):
        with pytest.raises(DomainError, match="use one of"):
            services.start_mitigating(identified, mitigation="x", kind="prayer", actor=bob)


class TestRecovery:
    def test_it_is_recorded_once(self, incident, clock):
        services.mark_recovered(incident)
        clock.forward(minutes=1)
        again = services.mark_recovered(incident)

        assert again.recovered_at == clock.at - timedelta(minutes=1)
        assert kinds(incident).count(Kind.RECOVERED) == 1

    def test_it_stops_the_clock_of_resolution(self, incident):
        services.mark_recovered(incident)

        assert not Timer.objects.pending().filter(key="resolve").exists()

    def test_a_relapse_starts_it_again_and_restarts_the_window(self, mitigating, bob, clock):
        services.mark_recovered(mitigating)
        clock.forward(minutes=9)
        services.relapse(mitigating)
        clock.forward(minutes=1)
        services.mark_recovered(mitigating)
        clock.forward(minutes=9)

        with pytest.raises(Refused) as refusal:
            services.resolve(mitigating, root_cause="x", actor=bob)

        assert [unmet.code for unmet in refusal.value.unmet] == ["monitoring_window"]

    def test_a_relapse_before_any_recovery_changes_nothing(self, incident):
        services.relapse(incident)

        assert Kind.RELAPSED not in kinds(incident)


class TestResolve:
    def test_it_lists_every_unmet_criterion(self, incident, bob):
        with pytest.raises(Refused) as refusal:
            services.resolve(incident, actor=bob)

        codes = [unmet.code for unmet in refusal.value.unmet]
        assert codes == [
            "suspected_cause",
            "mitigation",
            "mitigation_kind",
            "root_cause",
            "recovered",
        ]
        assert Incident.objects.get().status == Status.INVESTIGATING

    def test_it_works_when_all_is_answered_and_observed(self, mitigating, bob, clock):
        services.mark_recovered(mitigating)
        clock.forward(minutes=10)

        resolved = services.resolve(mitigating, root_cause="No rotation", actor=bob)

        assert resolved.status == Status.RESOLVED
        assert resolved.outcome == "resolved"
        assert resolved.resolved_at == clock.at
        assert not Timer.objects.pending().filter(kind__startswith="core.").exists()

    def test_it_walks_the_remaining_steps_each_recorded(self, incident, bob, clock):
        services.mark_recovered(incident)
        clock.forward(minutes=10)

        resolved = services.resolve(
            incident, root_cause="Blip", mitigation="None needed", kind="none", actor=bob
        )

        assert resolved.status == Status.RESOLVED
        assert kinds(resolved)[-3:] == [Kind.IDENTIFIED, Kind.MITIGATING, Kind.RESOLVED]
        assert resolved.suspected_cause == "Blip"

    def test_a_commander_may_override_with_a_written_reason(self, mitigating, bob):
        services.assign_role(mitigating, role="commander", user=bob, actor=bob)

        resolved = services.resolve(
            mitigating, root_cause="x", override_reason="Traffic was moved away", actor=bob
        )

        assert resolved.status == Status.RESOLVED
        entry = resolved.timeline.get(kind=Kind.OVERRIDDEN)
        assert entry.data["unmet"] == ["recovered"]
        assert "Traffic was moved away" in entry.summary

    def test_nobody_else_may_override(self, mitigating, bob):
        with pytest.raises(Forbidden):
            services.resolve(mitigating, root_cause="x", override_reason="because", actor=bob)

        assert Incident.objects.get().status == Status.MITIGATING

    def test_steps_themselves_cannot_be_overridden(self, incident, alice):
        with pytest.raises(Refused):
            services.resolve(incident, override_reason="because", actor=alice)

    def test_a_second_resolve_is_refused(self, mitigating, alice):
        services.resolve(mitigating, root_cause="x", override_reason="because", actor=alice)

        with pytest.raises(Refused) as refusal:
            services.resolve(mitigating, root_cause="x", actor=alice)

        assert refusal.value.allowed == ["reopen"]

    def test_a_required_attestation_must_be_recent_low_and_long_enough(self, service, bob, clock):
        services.publish_revision(
            slug="tars",
            title="TARS",
            policies=[
                {
                    "severity": "SEV1",
                    "label": "P1",
                    "required_attestations": [
                        {"fact": "error_rate", "below": 0.1, "unit": "%", "for": 600}
                    ],
                }
            ],
        )
        service.runbook = "tars"
        incident = services.declare(title="x", service=service)
        answers = {"root_cause": "x", "mitigation": "y", "kind": "restart", "actor": bob}

        for value, minutes in [(None, 0), ("0.1", 10), ("0.05", 9)]:
            if value:
                window = timedelta(minutes=minutes)
                services.attest(incident, fact="error_rate", value=value, window=window, actor=bob)
            with pytest.raises(Refused) as refusal:
                services.resolve(incident, **answers)
            assert [unmet.code for unmet in refusal.value.unmet] == ["attested:error_rate"]
            clock.forward(seconds=1)

        services.attest(
            incident, fact="error_rate", value="0.05", window=timedelta(minutes=10), actor=bob
        )
        assert services.resolve(incident, **answers).status == Status.RESOLVED


class TestDismiss:
    @pytest.mark.parametrize("state", ["incident", "identified", "mitigating"])
    def test_it_works_from_every_open_state(self, request, state, bob):
        incident = services.dismiss(request.getfixturevalue(state), reason="A test", actor=bob)

        assert incident.status == Status.RESOLVED
        assert incident.outcome == "false_alarm"

    def test_it_needs_a_reason(self, incident, bob):
        with pytest.raises(DomainError):
            services.dismiss(incident, reason="", actor=bob)

        assert Incident.objects.get().is_open


class TestReopen:
    def test_it_starts_anew_with_nobody_having_it(self, mitigating, alice, bob):
        services.acknowledge(mitigating, actor=bob)
        resolved = services.resolve(
            mitigating, root_cause="x", override_reason="because", actor=alice
        )

        reopened = services.reopen(resolved, reason="It came back", actor=bob)

        assert reopened.status == Status.INVESTIGATING
        assert not reopened.is_acknowledged
        assert reopened.resolved_at is None
        assert reopened.acknowledged_at is not None
        assert reopened.paging_epoch > resolved.paging_epoch

    def test_an_open_incident_is_refused(self, incident, bob):
        with pytest.raises(Refused):
            services.reopen(incident, reason="x", actor=bob)


class TestMerge:
    def test_the_duplicate_ends_and_the_other_goes_on(self, incident, service, bob):
        other = services.declare(title="Same thing", service=service)

        merged = services.merge(other, into=incident, actor=bob)

        assert merged.outcome == "duplicate"
        assert merged.duplicate_of == incident
        assert Incident.objects.get(pk=incident.pk).is_open
        assert kinds(incident)[-1] == kinds(other)[-1] == Kind.MERGED

    def test_a_real_incident_does_not_fall_silent_in_a_drill(self, incident, service, bob):
        drill = services.declare(title="Drill", service=service)
        Incident.objects.filter(pk=drill.pk).update(is_drill=True)
        drill.refresh_from_db()

        with pytest.raises(DomainError, match="drill"):
            services.merge(incident, into=drill, actor=bob)

        assert Incident.objects.get(pk=incident.pk).is_open

    def test_it_refuses_itself_and_a_resolved_target(self, incident, service, bob):
        other = services.declare(title="Other", service=service)
        services.dismiss(other, reason="x", actor=bob)

        with pytest.raises(DomainError):
            services.merge(incident, into=incident, actor=bob)
        with pytest.raises(Refused):
            services.merge(incident, into=other, actor=bob)
        assert Incident.objects.get(pk=incident.pk).is_open
