"""The admin's door: it shows everything, and verbs do the rest."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from incidents.core import services
from incidents.core.models import ApiToken, Incident, Kind, Status
from tests.factories import ServiceFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db):
    return UserFactory(username="root", is_staff=True, is_superuser=True)


@pytest.fixture
def manager(alice):
    alice.is_staff = True
    alice.save()
    return alice


@pytest.fixture
def as_manager(client, manager):
    client.force_login(manager)
    return client


def verb_url(incident, name):
    return reverse("admin:incidents_incident_verb", args=[incident.pk, name])


def page_url(incident):
    return reverse("admin:incidents_incident_change", args=[incident.pk])


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=lambda model: model._meta.label))
def test_every_list_opens(client, root, model):
    client.force_login(root)
    name = f"{model._meta.app_label}_{model._meta.model_name}"

    listing = client.get(reverse(f"admin:{name}_changelist"))
    adding = client.get(reverse(f"admin:{name}_add"))

    assert listing.status_code == 200
    assert adding.status_code in {200, 403}


def test_people_who_are_no_staff_are_sent_to_the_login(client, bob):
    client.force_login(bob)

    answer = client.get(reverse("admin:incidents_incident_changelist"))

    assert answer.status_code == 302
    assert reverse("admin:login") in answer["Location"]


def test_an_incident_shows_its_story_and_the_legal_next_moves(as_manager, incident):
    page = as_manager.get(page_url(incident)).content.decode()

    assert incident.reference in page
    assert "SEV1 declared" in page
    assert verb_url(incident, "identify") in page
    assert verb_url(incident, "start-mitigating") not in page
    assert verb_url(incident, "reopen") not in page


def test_a_verb_asks_for_what_it_needs_and_does_it(as_manager, incident, manager):
    form = as_manager.get(verb_url(incident, "identify"))
    done = as_manager.post(verb_url(incident, "identify"), {"suspected_cause": "Full disk"})

    assert "suspected_cause" in form.content.decode()
    assert done["Location"] == page_url(incident)
    assert Incident.objects.get().status == Status.IDENTIFIED
    assert incident.timeline.get(kind=Kind.IDENTIFIED).actor == manager


def test_a_refused_verb_shows_the_unmet_criteria_and_changes_nothing(as_manager, incident):
    answer = as_manager.post(verb_url(incident, "resolve"), {"root_cause": "x"})

    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Say what is being done about it." in page
    assert "It does not work again yet" in page
    assert Incident.objects.get().status == Status.INVESTIGATING


def test_a_move_that_somebody_else_made_first_is_not_made_twice(as_manager, incident, bob):
    services.identify(incident, suspected_cause="First", actor=bob)

    answer = as_manager.post(verb_url(incident, "identify"), {"suspected_cause": "Second"})

    assert answer.status_code == 409
    assert "Bob marked it identified 0 s ago. Identified: First" in answer.content.decode()
    assert Incident.objects.get().suspected_cause == "First"


def test_nobody_sees_the_hash_of_a_password_but_who_may_set_it(as_manager, root):
    root.set_password("something long enough")
    root.save()

    page = as_manager.get(reverse("admin:incidents_user_change", args=[root.pk]))

    assert page.status_code == 200
    assert root.password not in page.content.decode()


def test_an_administrator_makes_a_token_for_somebody_else(client, root, bob):
    client.force_login(root)

    client.post(
        reverse("admin:incidents_apitoken_add"), {"user": bob.pk, "name": "x", "scope": "respond"}
    )

    assert ApiToken.objects.get().user == bob


def test_an_unknown_verb_is_refused(as_manager, incident):
    assert as_manager.post(verb_url(incident, "explode")).status_code == 404


def test_a_viewer_sees_and_does_nothing(client, incident, team):
    viewer = UserFactory(username="vera", is_staff=True)
    client.force_login(viewer)

    page = client.get(page_url(incident))
    answer = client.post(verb_url(incident, "identify"), {"suspected_cause": "x"})

    assert page.status_code == 200
    assert verb_url(incident, "identify") not in page.content.decode()
    assert answer.status_code == 302
    assert Incident.objects.get().status == Status.INVESTIGATING


def test_a_private_incident_is_seen_by_its_audience_only(client, service, manager, bob):
    incident = services.declare(title="Leak", service=service, is_private=True, audience=[bob])
    client.force_login(manager)

    listing = client.get(reverse("admin:incidents_incident_changelist"))

    assert "Leak" not in listing.content.decode()
    assert client.get(page_url(incident)).status_code == 302
    assert client.post(verb_url(incident, "acknowledge")).status_code == 404


def test_adding_an_incident_is_declaring_it(as_manager, service, manager):
    answer = as_manager.post(
        reverse("admin:incidents_incident_add"),
        {"title": "Payments fail", "service": service.pk, "severity": "SEV2"},
    )

    incident = Incident.objects.get()
    assert answer["Location"] == page_url(incident)
    assert (incident.severity, incident.declared_by) == ("SEV2", manager)


def test_a_manager_changes_the_own_teams_services_only(as_manager, service):
    foreign = ServiceFactory(name="Other")

    own = as_manager.get(reverse("admin:incidents_service_change", args=[service.pk]))
    other = as_manager.get(reverse("admin:incidents_service_change", args=[foreign.pk]))

    assert 'name="_save"' in own.content.decode()
    assert 'name="_save"' not in other.content.decode()


def test_a_token_is_shown_once(as_manager, manager):
    made = as_manager.post(
        reverse("admin:incidents_apitoken_add"), {"name": "ci", "scope": "read"}, follow=True
    )

    token = ApiToken.objects.get()
    assert token.user == manager
    assert f"{token.prefix}" in made.content.decode()
    assert "Copy it now" in made.content.decode()
    assert "Copy it now" not in as_manager.get(reverse("admin:index")).content.decode()


def test_a_longer_list_costs_no_more_queries(
    as_manager, service, django_assert_max_num_queries, clock
):
    counts = []
    for _ in range(2):
        for number in range(4):
            services.declare(title=f"Outage {number}", service=service)
        with django_assert_max_num_queries(30) as captured:
            as_manager.get(reverse("admin:incidents_incident_changelist"))
        counts.append(len(captured))

    assert counts[0] == counts[1]


def test_every_model_has_a_page_or_stands_on_one():
    shown = set(admin.site._registry)
    waiting = [inline for page in admin.site._registry.values() for inline in page.inlines]
    while waiting:
        inline = waiting.pop()
        shown.add(inline.model)
        waiting += getattr(inline, "inlines", [])
    rooms = {"timers", "incidents", "oncall", "notifications", "escalation", "alerts", "drills"}

    hidden = [
        model._meta.label
        for model in apps.get_models()
        if model._meta.app_label in rooms and model not in shown
    ]

    assert set(hidden) <= {
        # Changed by verbs and shown on their schedule's page as panels.
        *("oncall.Rotation", "oncall.Participant", "oncall.TeamSchedule"),
        # Changed by verbs and shown on the page of their incident.
        *("incidents.RoleAssignment", "incidents.ChecklistItem", "incidents.Attestation"),
        # Links above the list that they narrow; the throttle's memory of a day.
        *("incidents.SavedView", "incidents.LoginAttempt"),
        # A field of the contact methods that it is about.
        "notifications.NotificationRule",
        # Shown on the page of their source; the cockpit tells which process lives.
        *("alerts.IntakeRequest", "timers.Heartbeat"),
        # Tokens that say nothing but that something was configured.
        "incidents.ConfigurationChange",
        "alerts.Burst",
    }
