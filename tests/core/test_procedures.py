"""Procedures: named by the type or picked by somebody, ticked off step by step."""

import pytest
from django.urls import reverse

from incidents.core import services
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind
from incidents.timers import engine
from tests.core import runbook
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def book(service, clock):
    return runbook.publish(service)


@pytest.fixture
def lost(service):
    return services.declare(title="Lost", service=service, incident_type="data-loss")


def step(incident, text):
    return incident.checklist.get(text=text)


def asked(client, user, incident):
    client.force_login(user)
    return client.get(f"/api/v1/incidents/{incident.reference}/procedure/").json()


def test_the_type_names_it_and_its_steps_are_there_from_the_beginning(lost, clock):
    stop = step(lost, "Stop the workers")

    assert (stop.procedure, stop.phase, stop.command, stop.expect) == (
        *("freeze", "Stop", "stop", "0 workers"),
    )
    assert (stop.due_at - clock.at).total_seconds() == 60


def test_what_holds_only_in_some_case_is_never_overdue(lost, clock):
    restore = step(lost, "Restore the backup")

    assert restore.phase == "Restore (there is a backup)"
    assert restore.due_at is None
    clock.forward(minutes=10)
    engine.tick()
    told = lost.timeline.filter(kind=Kind.CHECKLIST_OVERDUE).values_list("summary", flat=True)
    assert "Overdue in “Stop”: Stop the workers" in told
    assert not any("Restore" in line for line in told)


class TestFollowProcedure:
    def test_it_works(self, service, bob):
        incident = services.declare(title="x", service=service)

        followed = services.follow_procedure(incident, procedure="restart", actor=bob)

        assert followed.procedure == "restart"
        assert step(incident, "Restart it").procedure == "restart"
        entry = incident.timeline.get(kind=Kind.PROCEDURE_FOLLOWED)
        assert (entry.actor, entry.summary) == (bob, "Procedure: Restart")

    def test_the_same_again_changes_nothing(self, lost, bob):
        before = lost.checklist.count()

        services.follow_procedure(lost, procedure="freeze", actor=bob)

        assert lost.checklist.count() == before
        assert not lost.timeline.filter(kind=Kind.PROCEDURE_FOLLOWED).exists()

    def test_another_one_leaves_what_was_ticked(self, lost, bob):
        services.tick(step(lost, "Stop the workers"), actor=bob)

        services.follow_procedure(lost, procedure="restart", actor=bob)

        left = lost.checklist.exclude(procedure="").values_list("text", flat=True)
        assert sorted(left) == ["Restart it", "Stop the workers"]

    def test_a_step_that_is_gone_meanwhile_cannot_be_ticked(self, lost, bob):
        gone = step(lost, "Stop the workers")
        services.follow_procedure(lost, procedure="restart", actor=bob)

        with pytest.raises(DomainError, match="not on the checklist any more"):
            services.tick(gone, actor=bob)

    def test_one_comes_back_to_the_first_without_doing_it_twice(self, lost, bob):
        services.tick(step(lost, "Stop the workers"), actor=bob)
        services.follow_procedure(lost, procedure="restart", actor=bob)

        services.follow_procedure(lost, procedure="freeze", actor=bob)

        assert step(lost, "Stop the workers").ticked_by == bob
        assert not lost.checklist.filter(procedure="restart").exists()

    def test_it_refuses_what_its_runbook_does_not_know(self, lost, bob):
        with pytest.raises(DomainError, match="allowed are freeze, restart") as refusal:
            services.follow_procedure(lost, procedure="pray", actor=bob)

        assert refusal.value.field == "procedure"
        assert Incident.objects.get().procedure == "freeze"

    def test_it_refuses_when_it_is_over(self, lost, bob):
        services.dismiss(lost, reason="A test", actor=bob)

        with pytest.raises(Refused):
            services.follow_procedure(lost, procedure="restart", actor=bob)


class TestApi:
    def test_it_shows_what_is_followed(self, lost, bob, client):
        answer = asked(client, bob, lost)

        assert (answer["slug"], answer["title"]) == ("freeze", "Freeze the queue")
        assert answer["others"] == [{"slug": "restart", "title": "Restart"}]
        assert answer["document"]["causes"][0]["takes"]["text"] == "5 min + deploy"
        assert answer["document"]["questions"][0]["answers"][0]["if"] == "In the dead letters"
        assert [item["text"] for item in answer["items"]][:2] == [
            *("Stop the workers", "Restore the backup"),
        ]

    def test_a_step_is_ticked_like_anything_on_the_checklist(self, lost, bob, client):
        one = asked(client, bob, lost)["items"][0]["id"]

        client.post(
            f"/api/v1/incidents/{lost.reference}/checklist/{one}/tick/",
            {},
            content_type="application/json",
        )

        assert asked(client, bob, lost)["items"][0]["ticked_by"]["username"] == "bob"
        entry = lost.timeline.get(kind=Kind.CHECKLIST_TICKED)
        assert (entry.actor, entry.summary) == (bob, "Done: Stop the workers")

    def test_it_says_to_roll_back_when_all_criteria_are_answered_yes(self, lost, bob, client):
        first, second = lost.checklist.filter(part="roll_back_if").order_by("position")
        assert asked(client, bob, lost)["roll_back"] is False

        services.tick(first, actor=bob)
        assert asked(client, bob, lost)["roll_back"] is False
        services.tick(second, actor=bob)

        assert asked(client, bob, lost)["roll_back"] is True
        assert lost.timeline.latest("id").summary == "Yes: The code fits"

    def test_without_one_it_says_what_there_is(self, service, bob, client):
        answer = asked(client, bob, services.declare(title="x", service=service))

        assert (answer["slug"], answer["items"], answer["roll_back"]) == ("", [], None)
        assert [other["slug"] for other in answer["others"]] == ["freeze", "restart"]

    def test_one_is_picked(self, service, bob, client):
        incident = services.declare(title="x", service=service)
        client.force_login(bob)
        address = f"/api/v1/incidents/{incident.reference}/follow-procedure/"

        answer = client.post(address, {"procedure": "restart"}, content_type="application/json")

        assert answer.json()["procedure"] == "restart"
        assert "follow-procedure" in answer.json()["moves"]


def admin_page(incident):
    return reverse("admin:incidents_incident_change", args=[incident.pk])


class TestAdmin:
    def test_the_page_shows_all_of_it(self, lost, alice, client):
        client.force_login(alice)

        shown = client.get(admin_page(lost)).content.decode()

        for piece in [
            *("Freeze the queue", "Items vanish without a result", "Are they lost?"),
            *("In the dead letters", "Stop the workers", "0 workers", "Option: Replay (a bug)"),
            *("It was deployed in the last 2 h", "rollout undo", "Nothing vanishes", "0 lost"),
            *("Full disk", "Make room", "5 min + deploy", "An alarm on the disk", "Triage"),
        ]:
            assert piece in shown, piece

    def test_one_is_picked_and_a_step_is_ticked(self, service, alice, client):
        incident = services.declare(title="x", service=service)
        client.force_login(alice)

        def do(name, **facts):
            place = reverse("admin:incidents_incident_verb", args=[incident.pk, name])
            return client.post(place, facts, follow=True)

        do("follow-procedure", procedure="restart")
        do("tick", item=step(incident, "Restart it").pk)

        assert step(incident, "Restart it").ticked_by == alice

    def test_what_is_overdue_is_red(self, lost, alice, client, clock):
        client.force_login(alice)
        before = client.get(admin_page(lost)).content.decode()

        clock.forward(minutes=2)
        after = client.get(admin_page(lost)).content.decode()

        assert "t-todo-late" not in before
        assert "t-todo-late" in after

    def test_a_long_procedure_takes_as_many_queries(
        self, service, alice, client, django_assert_max_num_queries
    ):
        client.force_login(alice)
        long = {"title": "Long", "phases": [{"title": "All", "steps": [{"text": "1"}]}]}
        counts = []
        for number in [1, 60]:
            long["phases"][0]["steps"] = [{"text": f"Step {n}"} for n in range(number)]
            runbook.publish(service, document=runbook.DOCUMENT | {"procedures": {"freeze": long}})
            incident = services.declare(title="x", service=service, incident_type="data-loss")
            for row in incident.checklist.filter(procedure="freeze"):
                services.tick(row, actor=alice)
            client.get(admin_page(incident))
            with django_assert_max_num_queries(60) as captured:
                client.get(admin_page(incident))
            counts.append(len(captured))

        assert counts[0] == counts[1]


class TestPocket:
    def test_steps_are_ticked_without_javascript(self, lost, bob, client):
        client.force_login(bob)
        page = f"/i/{lost.reference}/"
        row = step(lost, "Stop the workers")
        assert f'value="{row.pk}"' in client.get(page).content.decode()

        answer = client.post(f"{page}tick/", {"item": row.pk}, follow=True)

        assert step(lost, "Stop the workers").ticked_by == bob
        assert "Done: Stop the workers" in answer.content.decode()

    def test_a_tick_is_taken_back(self, lost, bob, client):
        client.force_login(bob)
        row = services.tick(step(lost, "Stop the workers"), actor=bob)

        client.post(f"/i/{lost.reference}/untick/", {"item": row.pk})

        assert step(lost, "Stop the workers").ticked_at is None

    def test_who_only_looks_has_nothing_to_press(self, lost, team, client):
        victor = UserFactory(username="victor")
        MembershipFactory(team=team, user=victor, role="viewer")
        client.force_login(victor)

        shown = client.get(f"/i/{lost.reference}/").content.decode()

        assert "Stop the workers" in shown
        assert "/tick/" not in shown
