from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from incidents.core import history, services
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.models import Incident, Kind, TimelineEntry

pytestmark = pytest.mark.django_db


class TestNote:
    def test_it_is_allowed_after_the_incident_too(self, incident, bob):
        services.dismiss(incident, reason="x", actor=bob)

        services.note(incident, text="We learned more", actor=bob)

        assert incident.timeline.get(kind=Kind.NOTE).summary == "We learned more"

    def test_a_nul_byte_does_not_lose_it(self, incident, bob):
        services.note(incident, text="a\x00b", actor=bob)

        assert incident.timeline.get(kind=Kind.NOTE).summary == "a\N{REPLACEMENT CHARACTER}b"


class TestRecordImpact:
    def test_it_keeps_what_is_known(self, incident, bob, service):
        services.record_impact(
            incident,
            actor=bob,
            users_affected=15_000,
            revenue_lost=Decimal(45_000),
            currency="usd",
            data_loss="none",
            affected_services=[service],
        )

        known = Incident.objects.get()
        assert (known.users_affected, known.currency) == (15_000, "USD")
        assert list(known.affected_services.all()) == [service]

    def test_what_is_not_given_stays(self, incident, bob):
        services.record_impact(incident, actor=bob, users_affected=10)
        services.record_impact(incident, actor=bob, impact="Slow")

        assert Incident.objects.get().users_affected == 10

    @pytest.mark.parametrize(
        "facts",
        [
            {"users_affected": -1},
            {"revenue_lost": Decimal(5)},
            {"data_loss": "perhaps"},
            {},
        ],
    )
    def test_it_refuses_nonsense(self, incident, bob, facts):
        with pytest.raises(DomainError):
            services.record_impact(incident, actor=bob, **facts)


class TestAttest:
    def test_it_refuses_a_link_that_is_no_web_address(self, incident, bob):
        with pytest.raises(DomainError):
            services.attest(
                incident,
                fact="error_rate",
                value=1,
                window=timedelta(minutes=1),
                link="javascript:alert(1)",
                actor=bob,
            )

    def test_it_refuses_a_resolved_incident(self, incident, bob):
        services.dismiss(incident, reason="x", actor=bob)

        with pytest.raises(Refused):
            services.attest(incident, fact="x", value=1, window=timedelta(), actor=bob)


class TestCorrectMilestone:
    def test_the_old_value_stays_on_the_timeline(self, incident, alice, clock):
        before = clock.at - timedelta(minutes=7)

        services.correct_milestone(
            incident, milestone="started", at=before, reason="Seen in logs", actor=alice
        )

        assert Incident.objects.get().started_at == before
        entry = incident.timeline.get(kind=Kind.MILESTONE_CORRECTED)
        assert entry.data["old"] is None
        assert entry.data["new"] == before.isoformat()

    def test_it_is_for_the_commander_and_managers(self, incident, bob, charlie, clock):
        facts = {"milestone": "started", "at": clock.at, "reason": "x"}
        with pytest.raises(Forbidden):
            services.correct_milestone(incident, **facts, actor=charlie)

        services.assign_role(incident, role="commander", user=bob, actor=bob)
        services.correct_milestone(incident, **facts, actor=bob)

    def test_the_order_of_milestones_must_hold(self, incident, alice, clock):
        services.acknowledge(incident, actor=alice)

        with pytest.raises(DomainError, match="cannot be after"):
            services.correct_milestone(
                incident,
                milestone="acknowledged",
                at=clock.at - timedelta(hours=1),
                reason="x",
                actor=alice,
            )

    def test_it_refuses_the_future_and_what_has_not_happened(self, incident, alice, clock):
        for milestone, at in [
            ("started", clock.at + timedelta(minutes=1)),
            ("identified", clock.at),
            ("declared", clock.at),
        ]:
            with pytest.raises(DomainError):
                services.correct_milestone(
                    incident, milestone=milestone, at=at, reason="x", actor=alice
                )


class TestHistory:
    @pytest.mark.parametrize("change", ["update", "delete", "raw"])
    def test_the_database_refuses_to_change_the_timeline(self, incident, change):
        entries = TimelineEntry.objects.filter(incident=incident, kind=Kind.DECLARED)

        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            if change == "update":
                entries.update(summary="It never happened")
            elif change == "delete":
                entries.delete()
            else:
                entries.first()._raw_delete = entries._raw_delete(using="default")

        assert entries.count() == 1

    def test_one_switch_opens_it_for_retention(self, incident):
        with history.opened():
            TimelineEntry.objects.filter(incident=incident).delete()

        assert not incident.timeline.exists()
        services.record(incident, Kind.NOTE, summary="x")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            TimelineEntry.objects.all().delete()
