"""What resolving asks for, as the runbooks write it; what ends the clocks; who commands."""

from datetime import UTC, datetime, timedelta

import pytest

from incidents.core import services
from incidents.core.errors import Refused
from incidents.core.models import IncidentRole, Kind, Service, Status
from incidents.runbooks import services as runbooks
from incidents.timers import engine
from incidents.timers.models import Timer

pytestmark = pytest.mark.django_db

DONE = {"root_cause": "Disk", "suspected_cause": "Disk", "mitigation": "Rotated"}


@pytest.fixture
def under(service, team, clock):
    """`under("tars", severity="SEV1")`: an incident of Checkout under that shipped runbook."""

    def declare(name, **facts):
        runbooks.apply(runbooks.load(name), actor=None)
        runbooks.choose(name, actor=None, team=team)
        current = Service.objects.select_related("team").get(pk=service.pk)
        return services.declare(title="Down", service=current, **facts)

    return declare


def unmet(incident, actor, *, kind="rollback"):
    with pytest.raises(Refused) as refusal:
        services.resolve(incident, **DONE, kind=kind, actor=actor)
    return [criterion.code for criterion in refusal.value.unmet]


def confirm_all(incident, actor):
    for item in incident.checklist.filter(part="confirm"):
        services.tick(item, actor=actor)


class TestObserving:
    def test_saas_watches_for_30_minutes_after_a_rollback(self, under, bob, clock):
        incident = under("saas", severity="SEV1")
        services.mark_recovered(incident, actor=bob)
        clock.forward(minutes=29)
        assert unmet(incident, bob) == ["monitoring_window"]

        clock.forward(minutes=1)

        assert services.resolve(incident, **DONE, kind="rollback", actor=bob).status == "resolved"

    def test_saas_watches_for_an_hour_after_a_fix_forward(self, under, bob, clock):
        incident = under("saas", severity="SEV1")
        services.identify(incident, suspected_cause="Disk", actor=bob)
        services.start_mitigating(incident, mitigation="Patch", kind="fix_forward", actor=bob)
        recovered = services.mark_recovered(incident, actor=bob)
        assert services.observed_until(recovered, clock.at) == clock.at + timedelta(hours=1)
        clock.forward(minutes=59)
        assert unmet(incident, bob, kind="fix_forward") == ["monitoring_window"]

        clock.forward(minutes=1)

        assert services.resolve(incident, root_cause="x", actor=bob).status == Status.RESOLVED


class TestAttesting:
    @pytest.mark.parametrize(
        ("severity", "enough", "too_much"), [("SEV1", 0.09, 0.1), ("SEV2", 0.4, 0.5)]
    )
    def test_tars_wants_the_error_rate_below_its_limit_for_10_minutes(
        self, under, bob, severity, enough, too_much
    ):
        incident = under("tars", severity=severity)
        services.mark_recovered(incident, actor=bob)

        def attest(value, minutes):
            window = timedelta(minutes=minutes)
            services.attest(incident, fact="error_rate", value=value, window=window, actor=bob)

        assert "attested:error_rate" in unmet(incident, bob)
        attest(too_much, 10)
        assert "attested:error_rate" in unmet(incident, bob)
        attest(enough, 9)
        assert "attested:error_rate" in unmet(incident, bob)

        attest(enough, 10)

        assert services.resolve(incident, **DONE, kind="rollback", actor=bob).status == "resolved"

    def test_what_was_attested_before_a_relapse_says_nothing(self, under, bob, clock):
        incident = under("tars", severity="SEV1")
        window = timedelta(minutes=10)
        services.mark_recovered(incident, actor=bob)
        services.attest(incident, fact="error_rate", value=0, window=window, actor=bob)
        clock.forward(minutes=1)
        services.relapse(incident, actor=bob)
        clock.forward(minutes=1)

        services.mark_recovered(incident, actor=bob)

        assert "attested:error_rate" in unmet(incident, bob)

    def test_tps_asks_for_every_healthy_metric_and_says_so_over_the_api(
        self, under, bob, client, clock
    ):
        incident = under("tps", severity="SEV1")
        services.mark_recovered(incident, actor=bob)
        clock.forward(hours=1)
        client.force_login(bob)
        body = {**DONE, "kind": "rollback"}

        def resolve():
            place = f"/api/v1/incidents/{incident.reference}/resolve/"
            return client.post(place, body, content_type="application/json")

        refused = resolve()
        assert refused.status_code == 409
        messages = " ".join(criterion["message"] for criterion in refused.json()["unmet"])
        for part in [
            "error_rate below 0.1 %",
            "queue_depth below 80 %",
            "circuit breakers are closed",
        ]:
            assert part in messages
        for fact in ["error_rate", "queue_depth"]:
            services.attest(incident, fact=fact, value=0, window=timedelta(minutes=10), actor=bob)
        assert {one["code"] for one in resolve().json()["unmet"]} == {"confirmed"}

        confirm_all(incident, bob)

        assert resolve().json()["status"] == "resolved"

    def test_a_commander_may_override_what_nobody_can_confirm(self, under, bob, clock):
        incident = under("tps", severity="SEV1", actor=bob)
        services.mark_recovered(incident, actor=bob)
        clock.forward(hours=1)

        resolved = services.resolve(
            incident, **DONE, kind="rollback", override_reason="No dashboards", actor=bob
        )

        entry = resolved.timeline.get(kind=Kind.OVERRIDDEN)
        assert "confirmed" in entry.data["unmet"]


def commander(incident):
    held = incident.roles.filter(role=IncidentRole.COMMANDER, until=None).select_related("user")
    return [assignment.user.username for assignment in held]


class TestDetectorCommands:
    def test_whoever_declares_commands_until_somebody_takes_over(self, under, alice, bob):
        incident = under("tps", severity="SEV1", actor=bob)
        assert commander(incident) == ["bob"]
        services.acknowledge(incident, actor=alice)
        assert commander(incident) == ["bob"]

        services.assign_role(incident, role="commander", user=alice, actor=alice)

        assert commander(incident) == ["alice"]

    def test_else_whoever_first_acknowledges(self, under, alice, bob):
        incident = under("tps", severity="SEV1")
        assert commander(incident) == []

        services.acknowledge(incident, actor=bob)
        services.acknowledge(incident, actor=alice)

        assert commander(incident) == ["bob"]

    def test_where_the_runbook_says_nothing_nobody_does(self, under, bob):
        incident = under("tars", severity="SEV1", actor=bob)
        services.acknowledge(incident, actor=bob)

        assert commander(incident) == []


class TestClocks:
    def test_the_first_action_ends_the_response_where_the_runbook_says_so(self, under, bob, clock):
        incident = under("tps", severity="SEV1")

        services.identify(incident, suspected_cause="Disk", actor=bob)
        clock.forward(minutes=6)
        engine.tick()

        missed = incident.timeline.filter(kind=Kind.TARGET_MISSED)
        assert "respond" not in [entry.data["target"] for entry in missed]

    def test_elsewhere_only_an_acknowledgement_does(self, under, bob, clock):
        incident = under("saas", severity="SEV1")

        services.identify(incident, suspected_cause="Disk", actor=bob)
        clock.forward(minutes=6)
        engine.tick()

        missed = incident.timeline.filter(kind=Kind.TARGET_MISSED)
        assert "respond" in [entry.data["target"] for entry in missed]

    def test_the_next_business_day_is_the_end_of_the_next_working_day(self, under, clock):
        clock.at = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)  # Friday evening

        incident = under("saas", severity="SEV4")

        timer = Timer.objects.pending().of(incident).get(kind="core.target", key="respond")
        zone_hours = incident.revision.working_calendar
        assert timer.due_at.date() == datetime(2026, 3, 9).date(), zone_hours

    def test_an_answer_on_that_day_meets_it(self, under, bob, clock):
        clock.at = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)
        incident = under("saas", severity="SEV4")
        clock.forward(days=2, hours=14)  # Monday 10:00

        services.acknowledge(incident, actor=bob)
        clock.forward(days=1)
        engine.tick()

        assert not incident.timeline.filter(kind=Kind.TARGET_MISSED).exists()

    def test_it_is_missed_after_it(self, under, clock):
        clock.at = datetime(2026, 3, 6, 20, 0, tzinfo=UTC)
        incident = under("saas", severity="SEV4")

        clock.forward(days=4)
        engine.tick()

        missed = incident.timeline.filter(kind=Kind.TARGET_MISSED)
        assert [entry.data["target"] for entry in missed] == ["respond"]
