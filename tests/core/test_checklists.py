"""The runbook's checklists: what is put on, when it is overdue, who is told."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.core import services
from incidents.core.models import ChecklistItem, Kind
from incidents.notifications import services as notifications
from incidents.notifications.models import Delivery
from incidents.timers import engine
from incidents.timers.models import Timer
from tests.core import runbook

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def book(service, clock):
    return runbook.publish(service)


@pytest.fixture
def down(service):
    return services.declare(title="Down", service=service, severity="SEV1")


def texts(incident, **only):
    items = incident.checklist.filter(**only).order_by("position")
    return list(items.values_list("text", flat=True))


def item(incident, text):
    return incident.checklist.get(text=text)


def overdue(incident):
    entries = incident.timeline.filter(kind=Kind.CHECKLIST_OVERDUE).order_by("id")
    return list(entries.values_list("summary", flat=True))


class TestDeclare:
    def test_it_brings_the_checklists_of_its_severity_with_their_windows(self, down, clock):
        assert texts(down) == ["See that it is real", "Tell who is hurt", "Stop the bleeding"]
        last = item(down, "Stop the bleeding")
        assert (last.checklist, last.phase) == ("triage", "Stabilise")
        assert (last.opens_at - clock.at).total_seconds() == 5 * 60
        assert (last.due_at - clock.at).total_seconds() == 15 * 60
        assert item(down, "Tell who is hurt").role == "communications_lead"

    def test_it_brings_none_to_another_severity(self, service):
        small = services.declare(title="Small", service=service, severity="SEV4")

        assert texts(small) == []
        assert not Timer.objects.pending().of(small).filter(kind="core.checklist").exists()

    def test_what_begins_on_request_begins_where_a_type_asks(self, service):
        lost = services.declare(title="Lost", service=service, incident_type="data-loss")

        assert "Copy the queue" in texts(lost, checklist="preserve")

    def test_there_is_one_timer_for_a_phase(self, down):
        assert Timer.objects.pending().of(down).filter(kind="core.checklist").count() == 2

    def test_a_runbook_without_any_costs_no_statement(self, service, bob):
        runbook.publish(service, document={})

        with CaptureQueriesContext(connection) as asked:
            empty = services.declare(title="x", service=service, severity="SEV1")
            services.change_severity(empty, severity="SEV2", reason="Less", actor=bob)
            services.mark_recovered(empty, actor=bob)

        table = ChecklistItem._meta.db_table
        assert not [query["sql"] for query in asked if table in query["sql"]]


class TestOverdue:
    def test_what_is_left_is_told_once_when_its_phase_is_over(self, down, bob, clock):
        services.tick(item(down, "See that it is real"), actor=bob)

        clock.forward(minutes=5)
        engine.tick()
        clock.forward(minutes=4)
        engine.tick()

        assert overdue(down) == ["Overdue in “First minutes”: Tell who is hurt"]

    def test_nothing_is_told_when_all_is_ticked(self, down, bob, clock):
        for row in down.checklist.all():
            services.tick(row, actor=bob)

        clock.forward(minutes=20)
        engine.tick()

        assert overdue(down) == []

    def test_what_is_due_a_day_later_has_a_timer_of_its_own(self, service, clock):
        phases = [
            {"title": title, "due": due, "items": [{"text": title}]}
            for title, due in [("Today", "1 h"), ("Tomorrow", "25 h"), ("Next week", "169 h")]
        ]
        document = {"checklists": {"after": {"title": "Follow up", "phases": phases}}}
        runbook.publish(service, document=document)
        down = services.declare(title="Down", service=service, severity="SEV1")

        for hours in [1, 24, 144]:
            clock.forward(hours=hours)
            engine.tick()

        assert [line.split(": ")[1] for line in overdue(down)] == ["Today", "Tomorrow", "Next week"]

    def test_what_was_added_by_hand_is_told_as_well(self, down, bob, clock):
        services.acknowledge(down, actor=bob)
        at = clock.at + timedelta(minutes=3)
        services.add_checklist_item(down, text="Call the bank", due_at=at, actor=bob)

        clock.forward(minutes=3)
        engine.tick()

        assert overdue(down) == ["Overdue: Call the bank"]
        entry = down.timeline.get(kind=Kind.CHECKLIST_OVERDUE)
        assert entry.data["tell"] == [bob.pk]

    def test_it_is_told_to_the_items_role(self, down, alice, bob, clock):
        services.assign_role(down, role="communications_lead", user=alice, actor=bob)
        services.tick(item(down, "See that it is real"), actor=bob)

        clock.forward(minutes=5)
        engine.tick()

        entry = down.timeline.get(kind=Kind.CHECKLIST_OVERDUE)
        assert entry.data["tell"] == [alice.pk]

    def test_else_to_the_commander_else_to_who_has_it_else_to_nobody(
        self, service, alice, bob, clock
    ):
        commanded, taken, nobodys = (
            services.declare(title=title, service=service, severity="SEV2") for title in "abc"
        )
        services.acknowledge(commanded, actor=bob)
        services.assign_role(commanded, role="commander", user=alice, actor=bob)
        services.acknowledge(taken, actor=bob)

        clock.forward(minutes=5)
        engine.tick()

        told = [
            incident.timeline.get(kind=Kind.CHECKLIST_OVERDUE).data["tell"]
            for incident in [commanded, taken, nobodys]
        ]
        assert told == [[alice.pk], [bob.pk], []]

    def test_the_message_reaches_whom_it_names(self, down, alice, bob, clock):
        method = notifications.add_contact_method(bob, kind="recorder", address="bob", actor=bob)
        notifications.vouch_for(method, actor=alice)
        services.acknowledge(down, actor=bob)

        clock.forward(minutes=5)
        engine.tick()

        entry = down.timeline.get(kind=Kind.CHECKLIST_OVERDUE)
        told = Delivery.objects.filter(cause=f"entry:{entry.pk}")
        assert {delivery.recipient for delivery in told} == {bob}
        assert "See that it is real; Tell who is hurt" in told[0].body

    def test_an_incident_that_is_over_is_late_with_nothing(self, down, bob, clock):
        services.dismiss(down, reason="A test", actor=bob)

        clock.forward(minutes=20)
        engine.tick()

        assert overdue(down) == []
        assert len(texts(down)) == 3


class TestChanges:
    def test_a_worse_severity_adds_what_then_applies(self, service, bob, clock):
        small = services.declare(title="Small", service=service, severity="SEV4")
        clock.forward(hours=1)

        services.change_severity(small, severity="SEV2", reason="Worse", actor=bob)

        kinds = [Kind.DECLARED, Kind.SEVERITY_CHANGED]
        told = small.timeline.filter(kind__in=kinds).order_by("id")
        assert [entry.summary for entry in told] == [
            "P4 declared: Small",
            "Severity P4 → P2: Worse",
        ]
        assert len(texts(small)) == 3
        assert (item(small, "Stop the bleeding").due_at - clock.at).total_seconds() == 15 * 60

    def test_what_was_ticked_stays_and_the_rest_of_it_goes(self, down, bob):
        services.tick(item(down, "See that it is real"), actor=bob)

        services.change_severity(down, severity="SEV4", reason="A typo", actor=bob)

        assert texts(down) == ["See that it is real"]

    def test_nothing_is_put_on_twice(self, down, bob):
        services.tick(item(down, "See that it is real"), actor=bob)

        services.change_severity(down, severity="SEV2", reason="Less", actor=bob)

        assert sorted(texts(down)) == sorted(
            ["See that it is real", "Tell who is hurt", "Stop the bleeding"]
        )

    def test_what_was_added_by_hand_stays(self, down, bob):
        services.add_checklist_item(down, text="Call the bank", actor=bob)

        services.change_severity(down, severity="SEV4", reason="A typo", actor=bob)

        assert texts(down) == ["Call the bank"]


class TestMoments:
    def test_the_watching_begins_when_it_works_again(self, down, bob, clock):
        clock.forward(minutes=30)
        services.mark_recovered(down, actor=bob)

        assert texts(down, checklist="watch") == ["Queue drains"]
        clock.forward(minutes=10)
        engine.tick()
        assert overdue(down)[-1] == "Overdue in “Watch”: Queue drains"

    def test_a_relapse_takes_it_off_and_it_begins_anew(self, down, bob, clock):
        services.mark_recovered(down, actor=bob)
        services.tick(item(down, "Queue drains"), actor=bob)
        services.relapse(down, actor=bob)
        assert texts(down, checklist="watch") == []
        clock.forward(minutes=30)

        services.mark_recovered(down, actor=bob)

        again = item(down, "Queue drains")
        assert again.ticked_at is None
        assert (again.due_at - clock.at).total_seconds() == 10 * 60

    def test_the_writing_begins_at_the_end_and_is_told_although_it_is_over(
        self, down, alice, bob, clock
    ):
        services.assign_role(down, role="commander", user=alice, actor=bob)
        services.mark_recovered(down, actor=bob)
        clock.forward(minutes=10)
        services.resolve(down, root_cause="Disk", mitigation="Rotated", kind="restart", actor=bob)
        assert texts(down, checklist="write-up") == ["The impact"]

        clock.forward(minutes=15)
        engine.tick()

        assert overdue(down)[-1] == "Overdue in “Write”: The impact"
        assert not any("Queue drains" in told for told in overdue(down))

    def test_a_false_alarm_needs_no_writing(self, down, bob):
        services.dismiss(down, reason="A test", actor=bob)

        assert texts(down, checklist="write-up") == []


class TestCriteria:
    @pytest.fixture(autouse=True)
    def book(self, service, clock):
        severity = runbook.DOCUMENT["severities"]["SEV1"] | {
            "resolve": {
                "observe": "30 min",
                "observe_after": {"fix_forward": "1 h"},
                "confirm": ["The circuit breakers are closed", "All alerts are green"],
            }
        }
        return runbook.publish(service, document={"severities": {"SEV1": severity}})

    def test_what_a_person_confirms_is_on_the_checklist(self, down):
        assert texts(down, part=ChecklistItem.Part.CONFIRM) == [
            "The circuit breakers are closed",
            "All alerts are green",
        ]

    def test_a_relapse_voids_what_was_confirmed(self, down, bob):
        services.mark_recovered(down, actor=bob)
        services.tick(item(down, "All alerts are green"), actor=bob)

        services.relapse(down, actor=bob)

        assert item(down, "All alerts are green").ticked_at is None
