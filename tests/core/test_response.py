from datetime import timedelta

import pytest

from incidents.core import services
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind
from incidents.timers import engine
from incidents.timers.models import Timer
from tests.core.story import kinds

pytestmark = pytest.mark.django_db


class TestAcknowledge:
    def test_it_works(self, incident, bob, clock):
        clock.forward(minutes=2)

        acknowledged = services.acknowledge(incident, actor=bob, via="link")

        assert acknowledged.is_acknowledged
        assert acknowledged.acknowledged_by == bob
        assert acknowledged.acknowledged_at == clock.at
        assert acknowledged.paging_epoch == incident.paging_epoch + 1
        assert not Timer.objects.pending().filter(key="respond").exists()

    def test_the_second_person_joins_and_the_first_stays(self, incident, bob, alice):
        first = services.acknowledge(incident, actor=bob)
        second = services.acknowledge(incident, actor=alice)

        assert second.acknowledged_by == bob
        assert second.paging_epoch == first.paging_epoch
        assert kinds(incident)[-1] == Kind.JOINED

    def test_the_same_person_twice_changes_nothing(self, incident, bob, alice):
        for person in [bob, bob, alice, alice]:
            services.acknowledge(incident, actor=person)

        assert kinds(incident) == [Kind.DECLARED, Kind.ACKNOWLEDGED, Kind.JOINED]

    def test_it_refuses_a_resolved_incident(self, incident, bob):
        services.dismiss(incident, reason="x", actor=bob)

        with pytest.raises(Refused):
            services.acknowledge(incident, actor=bob)


class TestUnacknowledge:
    def test_it_gives_the_incident_back(self, incident, bob):
        acknowledged = services.acknowledge(incident, actor=bob)

        given_back = services.unacknowledge(incident, actor=bob, reason="I must leave")

        assert not given_back.is_acknowledged
        assert given_back.acknowledged_at == acknowledged.acknowledged_at
        assert given_back.paging_epoch == acknowledged.paging_epoch + 1

    def test_without_an_actor_the_acknowledgement_expired(self, incident, bob):
        services.acknowledge(incident, actor=bob)
        services.unacknowledge(incident, reason="30 minutes without a sign")

        assert kinds(incident)[-1] == Kind.ACKNOWLEDGEMENT_EXPIRED

    def test_it_changes_nothing_when_nobody_has_it(self, incident, bob):
        services.unacknowledge(incident, actor=bob, reason="x")

        assert kinds(incident) == [Kind.DECLARED]


class TestSnooze:
    def test_it_is_an_acknowledgement_that_ends(self, incident, bob, clock):
        until = clock.at + timedelta(hours=2)
        snoozed = services.snooze(incident, until=until, reason="Waiting", actor=bob)
        assert snoozed.is_acknowledged

        clock.forward(hours=2)
        engine.tick()

        awake = Incident.objects.get()
        assert not awake.is_acknowledged
        assert awake.snoozed_until is None
        assert awake.paging_epoch == snoozed.paging_epoch + 1
        assert Kind.SNOOZE_ENDED in kinds(incident)

    def test_it_refuses_the_past(self, incident, bob, clock):
        with pytest.raises(DomainError):
            services.snooze(incident, until=clock.at, reason="x", actor=bob)

    def test_it_does_not_wake_what_was_resolved(self, incident, bob, clock):
        services.snooze(incident, until=clock.at + timedelta(hours=1), reason="x", actor=bob)
        services.dismiss(incident, reason="x", actor=bob)

        clock.forward(hours=1)
        engine.tick()

        assert Kind.SNOOZE_ENDED not in kinds(incident)


class TestChangeSeverity:
    def test_targets_are_counted_anew_from_detection(self, incident, bob, clock):
        services.change_severity(incident, severity="SEV2", reason="One region", actor=bob)

        timer = Timer.objects.pending().get(kind="core.target", key="respond")
        assert timer.due_at == clock.at + timedelta(minutes=15)

    def test_a_target_that_is_over_by_then_is_missed_at_once_and_told_once(
        self, service, bob, clock
    ):
        incident = services.declare(title="x", service=service, severity="SEV2")
        clock.forward(minutes=6)

        services.change_severity(incident, severity="SEV1", reason="Worse", actor=bob)
        engine.tick()
        services.change_severity(incident, severity="SEV2", reason="Better", actor=bob)
        services.change_severity(incident, severity="SEV1", reason="Worse", actor=bob)
        engine.tick()

        assert kinds(incident).count(Kind.TARGET_MISSED) == 1

    def test_the_same_severity_is_refused(self, incident, bob):
        with pytest.raises(DomainError, match="SEV1 already"):
            services.change_severity(incident, severity="SEV1", reason="x", actor=bob)

        assert kinds(incident) == [Kind.DECLARED]

    def test_it_refuses_an_unknown_one(self, incident, bob):
        with pytest.raises(DomainError, match="use one of SEV1"):
            services.change_severity(incident, severity="P1", reason="x", actor=bob)


class TestAssignRole:
    def test_a_role_has_one_holder_and_keeps_its_history(self, incident, alice, bob):
        services.assign_role(incident, role="commander", user=alice, actor=alice)
        services.assign_role(incident, role="commander", user=bob, actor=alice)

        assert incident.roles.get(until=None).user == bob
        assert incident.roles.count() == 2

    def test_it_can_be_left_vacant(self, incident, alice):
        services.assign_role(incident, role="scribe", user=alice, actor=alice)
        services.assign_role(incident, role="scribe", user=None, actor=alice)

        assert not incident.roles.filter(until=None).exists()

    def test_it_refuses_an_unknown_role_and_a_deactivated_person(self, incident, alice, bob):
        bob.is_active = False
        bob.save()

        with pytest.raises(DomainError):
            services.assign_role(incident, role="hero", user=alice, actor=alice)
        with pytest.raises(DomainError):
            services.assign_role(incident, role="scribe", user=bob, actor=alice)


class TestChecklist:
    def test_items_are_ticked_with_who_and_when(self, incident, bob, clock):
        item = services.add_checklist_item(incident, text="Check logs", actor=bob)

        ticked = services.tick(item, actor=bob)
        services.tick(item, actor=bob)

        assert (ticked.ticked_by, ticked.ticked_at) == (bob, clock.at)
        assert kinds(incident).count(Kind.CHECKLIST_TICKED) == 1
        assert services.untick(item, actor=bob).ticked_at is None
