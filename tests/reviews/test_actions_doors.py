"""Action items through their doors: the admin, the phone, the API, the list as a file."""

import csv

import pytest
from django.test import Client
from django.urls import reverse

from incidents.core import services as core
from incidents.reviews import services as reviews
from incidents.reviews.models import ActionItem
from tests.api.conftest import caller
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def item(incident, alice, bob):
    return reviews.add_item(
        incident, actor=alice, title="Rotate the logs", priority="high", owner=bob
    )


def browser(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


# --- The admin ------------------------------------------------------------------------------------


def test_the_list_shows_who_has_what_and_what_is_late(item, incident, alice, clock) -> None:
    reviews.add_item(incident, actor=alice, title="Nobody's")
    clock.forward(days=30)
    address = reverse("admin:reviews_actionitem_changelist")

    page = browser(alice).get(address)
    late = browser(alice).get(address, {"standing": "overdue", "team": item.team_id})
    mine = browser(alice).get(address, {"standing": "mine"})

    assert "Rotate the logs" in page.text
    assert "overdue" in page.text
    assert "without an owner" in page.text
    assert "30 days" in page.text
    assert "Nobody&#x27;s" in late.text
    assert "Rotate the logs" not in mine.text


def test_a_verb_is_done_on_its_page(item, alice) -> None:
    address = reverse("admin:reviews_actionitem_verb", args=[item.pk, "finish"])

    refused = browser(alice).post(address, {"evidence": ""})
    answer = browser(alice).post(address, {"evidence": "https://git.example.org/42"})

    assert "This field is required" in refused.text
    assert answer.status_code == 302
    item.refresh_from_db()
    assert (item.state, item.done_by) == ("done", alice)


def test_of_two_who_change_it_nobody_overwrites_the_other_unseen(item, alice, bob) -> None:
    address = reverse("admin:reviews_actionitem_verb", args=[item.pk, "change"])
    form = browser(alice).get(address).context["form"]
    shown = {field.name: field.value() for field in form} | {"title": "Rotate all logs"}
    reviews.change_item(item, actor=bob, title="Rotate the logs daily")

    late = browser(alice).post(address, shown)
    item.refresh_from_db()
    assert "Now it says: title: Rotate the logs daily" in late.text
    assert "Rotate all logs" in late.text
    assert item.title == "Rotate the logs daily"

    anew = {**shown, "version": reviews.version_of(item)}
    assert browser(alice).post(address, anew).status_code == 302
    item.refresh_from_db()
    assert item.title == "Rotate all logs"


def test_declining_is_offered_to_managers_only(item, alice, bob) -> None:
    bob.is_staff = True
    bob.save()
    page = reverse("admin:reviews_actionitem_change", args=[item.pk])

    assert "Decline it" in browser(alice).get(page).text
    assert "Decline it" not in browser(bob).get(page).text


def test_it_is_agreed_on_the_page_of_the_incident(incident, alice, bob) -> None:
    address = reverse("admin:incidents_incident_verb", args=[incident.pk, "agree-action"])
    facts = {"title": "Rotate the logs", "kind": "prevent", "priority": "low", "owner": bob.pk}

    browser(alice).post(address, facts)

    assert incident.action_items.get().owner == bob
    page = browser(alice).get(reverse("admin:incidents_incident_change", args=[incident.pk]))
    assert "Rotate the logs" in page.text


def test_whoever_may_not_see_the_incident_does_not_see_its_items(service, alice, bob, clock):
    affair = core.declare(title="A leak", service=service, is_private=True, audience=[bob])
    hush = reviews.add_item(affair, actor=bob, title="Hush it up", owner=bob)

    listed = browser(alice).get(reverse("admin:reviews_actionitem_changelist"))
    page = browser(alice).get(reverse("admin:reviews_actionitem_change", args=[hush.pk]))
    phone = browser(alice).get(reverse("action-item", args=[hush.pk]))
    answer = caller(alice).get(f"/api/v1/action-items/{hush.pk}/")

    assert "Hush" not in listed.text
    assert page.status_code == 302
    assert phone.status_code == 404
    assert answer.status_code == 404


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t=", "＝"])
def test_no_cell_of_the_exported_list_is_a_formula(incident, alice, sign) -> None:
    reviews.add_item(incident, actor=alice, title=f"x{sign}cmd|' /C calc'!A0", detail="x")
    ActionItem.objects.update(title=f"{sign}HYPERLINK(0)")

    answer = browser(alice).get(reverse("admin:reviews_actionitem_export"))

    rows = list(csv.reader(answer.getvalue().decode().splitlines()))
    assert rows[1][1] == f"'{sign}HYPERLINK(0)"


def test_a_comment_of_anybody_runs_nowhere(item, alice, bob) -> None:
    hostile = "<script>alert(1)</script>[x](javascript:alert(1))<img src=x onerror=alert(1)>"
    reviews.comment_item(item, actor=bob, text=hostile)

    for address in [
        reverse("admin:reviews_actionitem_change", args=[item.pk]),
        reverse("action-item", args=[item.pk]),
    ]:
        text = browser(alice).get(address).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert 'href="javascript' not in text


# --- The phone ------------------------------------------------------------------------------------


def test_ones_own_and_ones_teams_are_listed_on_the_phone(item, incident, alice, bob) -> None:
    reviews.add_item(incident, actor=alice, title="Nobody's")
    stranger = UserFactory(username="stranger")

    mine = browser(bob).get(reverse("action-items")).text
    none = browser(stranger).get(reverse("action-items")).text

    assert mine.index("Rotate the logs") < mine.index("Nobody&#x27;s")
    assert "There is nothing for you to do" in none


def test_it_is_worked_on_and_done_on_the_phone(item, bob) -> None:
    client = browser(bob)

    client.post(reverse("action-item-verb", args=[item.pk, "start"]))
    asked = client.get(reverse("action-item-verb", args=[item.pk, "finish"]))
    client.post(reverse("action-item-verb", args=[item.pk, "finish"]), {"evidence": "Deployed"})

    item.refresh_from_db()
    assert "What shows that it is done" in asked.text
    assert item.state == "done"
    assert "Deployed" in client.get(reverse("action-item", args=[item.pk])).text


def test_what_does_not_fit_any_more_says_so(item, alice, bob) -> None:
    reviews.decline_item(item, actor=alice, reason="No")

    answer = browser(bob).post(reverse("action-item-verb", args=[item.pk, "start"]), follow=True)

    assert "does not fit" in answer.text


def test_a_viewer_reads_and_does_nothing(item) -> None:
    viewer = UserFactory(username="vic")
    MembershipFactory(team=item.team, user=viewer, role="viewer")
    client = browser(viewer)

    assert "Work on it" not in client.get(reverse("action-item", args=[item.pk])).text
    answer = client.post(reverse("action-item-verb", args=[item.pk, "start"]))
    assert answer.status_code == 403


def test_the_incident_on_the_phone_shows_what_was_agreed(item, incident, bob) -> None:
    page = browser(bob).get(reverse("incident", args=[incident.reference]))

    assert "Rotate the logs" in page.text


# --- The API --------------------------------------------------------------------------------------


def test_a_responder_works_on_the_own_items_over_the_api(item, incident, bob, charlie) -> None:
    reviews.add_item(incident, actor=bob, title="Somebody else's", owner=charlie)
    api = caller(bob, "respond")

    mine = api.get("/api/v1/action-items/", {"owner": "me"}).json()["results"]
    address = f"/api/v1/action-items/{mine[0]['id']}"
    api.send("POST", f"{address}/start/")
    api.send("POST", f"{address}/comment/", {"text": "Nearly."})
    done = api.send("POST", f"{address}/finish/", {"evidence": "https://git.example.org/42"})

    assert [one["title"] for one in mine] == ["Rotate the logs"]
    assert done.status_code == 200
    said = done.json()
    assert (said["state"], said["evidence"]) == ("done", "https://git.example.org/42")
    assert [one["kind"] for one in said["entries"]] == ["agreed", "started", "comment", "done"]


def test_a_refusal_says_what_can_be_done_instead(item, bob) -> None:
    answer = caller(bob).send("POST", f"/api/v1/action-items/{item.pk}/verify/", {"proof": "x"})

    assert answer.status_code == 409
    assert answer.json()["state"] == "open"
    assert answer.json()["allowed"] == ["start", "finish", "decline"]


@pytest.mark.parametrize(
    ("asked", "titles"),
    [
        ({"is_pending": "true"}, {"Late", "Nobody's", "Soon"}),
        ({"is_pending": "false"}, {"Done"}),
        ({"is_overdue": "true"}, {"Late", "Nobody's"}),
        ({"owner": "nobody"}, {"Nobody's"}),
        ({"owner": "bob", "priority": "high"}, {"Late"}),
        ({"team": "search"}, set()),
    ],
)
def test_the_list_is_narrowed(incident, alice, bob, clock, asked, titles) -> None:
    for title, facts in {
        "Late": {"owner": bob, "priority": "high"},
        "Soon": {"owner": bob, "priority": "low"},
        "Nobody's": {},
        "Done": {"owner": bob},
    }.items():
        made = reviews.add_item(incident, actor=alice, title=title, **facts)
    reviews.finish_item(made, actor=bob, evidence="x")
    clock.forward(days=10)

    found = caller(bob).get("/api/v1/action-items/", asked).json()["results"]

    assert {one["title"] for one in found} == titles


def test_a_list_from_elsewhere_comes_in_once(incident, bob) -> None:
    rows = {"source": "Jira", "items": [{"title": "Rotate", "owner": "bob"}, {"title": "Alert"}]}
    address = f"/api/v1/incidents/{incident.reference}/action-items/import/"

    first = caller(bob).send("POST", address, rows)
    again = caller(bob).send("POST", address, rows)

    assert first.status_code == again.status_code == 201
    assert [one["owner"] and one["owner"]["username"] for one in first.json()] == ["bob", None]
    assert again.json() == []
