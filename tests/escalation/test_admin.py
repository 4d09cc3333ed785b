import re
from datetime import timedelta

import pytest
from django.urls import reverse

from incidents.core import services as core
from incidents.escalation import services as escalation
from incidents.escalation.models import EscalationPolicy, Page, PolicyAssignment
from tests.escalation.stage import settle
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

LISTS = ["escalationpolicy", "policyassignment", "escalation", "page"]


@pytest.fixture
def root(client):
    user = UserFactory(username="root", is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


@pytest.fixture
def manager(client, alice):
    alice.is_staff = True
    alice.save()
    client.force_login(alice)
    return alice


def page_of(client, name, *args):
    answer = client.get(reverse(f"admin:escalation_{name}", args=args))
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def filled(client, url):
    """What the form at `url` would send as it stands, by the context of its page."""
    context = client.get(url).context_data
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
        for row in inline.formset.forms:
            for nested in row.nested_formsets:
                forms += [nested.formset.management_form, *nested.formset.forms]
    data = {}
    for form in forms:
        for field in form:
            value = field.value()
            data[field.html_name] = "" if value is None or value is False else value
    return data


@pytest.mark.parametrize("name", LISTS)
def test_lists_take_the_same_number_of_queries_for_one_row_and_for_many(
    client, root, policy, service, dana, name, django_assert_max_num_queries
):
    def queries():
        with django_assert_max_num_queries(60) as captured:
            page_of(client, f"{name}_changelist")
        return len(captured)

    def another(number):
        core.declare(title=f"Number {number}", service=service, severity="SEV1")
        level = {"timeout": timedelta(minutes=1), "targets": [{"kind": "person", "user": dana}]}
        other = escalation.create_policy(name=f"Policy {number}", levels=[level], actor=root)
        place = [{"severity": "SEV2"}, {"severity": "SEV3"}, {"service": service}, {}, {}][number]
        escalation.assign_policy(other, **place, actor=root)

    another(0)
    few = queries()
    for number in range(1, 5):
        another(number)

    assert queries() == few


def test_the_list_of_policies_shows_ladders(client, root, policy):
    text = page_of(client, "escalationpolicy_changelist")

    assert "1. on call of the owning team, 5 min → 2. managers of the owning team" in text


def test_the_list_of_escalations_shows_who_is_asked_and_what_comes_next(client, root, declared):
    text = page_of(client, "escalation_changelist")

    assert "Asking" in text
    assert "Bob" in text
    assert "2026-03-02 10:05:00" in text


def test_the_list_of_pages_shows_what_became_of_them(client, root, declared):
    settle()

    assert "Recorder (tests): sent" in page_of(client, "page_changelist")


def test_pages_of_private_incidents_are_not_shown_to_others(client, manager, policy, service, bob):
    core.declare(title="Leak", service=service, severity="SEV1", is_private=True, audience=[bob])

    assert "Leak" not in page_of(client, "page_changelist")
    assert "Leak" not in page_of(client, "escalation_changelist")


@pytest.mark.parametrize("name", ["escalation", "page"])
def test_history_cannot_be_changed(client, root, declared, name):
    pk = declared.pk if name == "escalation" else Page.objects.get().pk
    url = reverse(f"admin:escalation_{name}_change", args=[pk])

    assert client.get(url).status_code == 200
    assert client.post(url, {"state": "ended", "reason": "x"}).status_code == 403
    assert client.get(reverse(f"admin:escalation_{name}_add")).status_code == 403


def test_the_digest_of_a_link_is_shown_nowhere(client, root, declared):
    page = Page.objects.get()

    assert page.link_digest not in page_of(client, "page_change", page.pk)


def test_levels_are_written_with_the_policy(client, manager, policy, bob):
    url = reverse("admin:escalation_escalationpolicy_change", args=[policy.pk])
    data = filled(client, url)
    # The first level becomes the last, and has somebody else.
    data |= {"levels-0-position": "9", "levels-0-timeout": "00:07:00", "repeats": "3"}
    data |= {"levels-0-targets-0-kind": "person", "levels-0-targets-0-user": str(bob.pk)}

    answer = client.post(url, data)

    assert answer.status_code == 302, answer.context_data["errors"]
    changed = EscalationPolicy.objects.with_ladder().get()
    assert changed.ladder_text == (
        "1. managers of the owning team, 10 min → 2. Dana, 10 min → 3. Bob, 7 min"
    )
    assert changed.repeats == 3


def test_saving_without_a_change_changes_nothing(client, manager, policy):
    before = list(policy.levels.order_by("pk").values())
    url = reverse("admin:escalation_escalationpolicy_change", args=[policy.pk])

    assert client.post(url, filled(client, url)).status_code == 302

    assert list(policy.levels.order_by("pk").values()) == before


def test_a_level_that_asks_nobody_is_refused_with_a_sentence(client, manager, policy):
    url = reverse("admin:escalation_escalationpolicy_change", args=[policy.pk])
    data = filled(client, url) | {"levels-0-targets-0-DELETE": "on"}

    answer = client.post(url, data, follow=True)

    assert "Level 1 asks nobody" in answer.content.decode()
    assert policy.levels.count() == 3


def test_a_target_without_its_person_is_refused_at_the_form(client, manager, policy):
    url = reverse("admin:escalation_escalationpolicy_change", args=[policy.pk])
    data = filled(client, url) | {"levels-0-targets-0-kind": "person"}

    answer = client.post(url, data)

    assert answer.status_code == 200
    assert "Name the person." in answer.content.decode()


def test_a_new_policy_with_levels(client, root, schedule, team):
    url = reverse("admin:escalation_escalationpolicy_add")
    data = filled(client, url) | {
        "name": "Night",
        "slug": "night",
        "repeats": "0",
        "team": str(team.pk),
        "is_active": "on",
        "levels-TOTAL_FORMS": "1",
        "levels-0-position": "1",
        "levels-0-timeout": "00:05:00",
        "levels-0-targets-TOTAL_FORMS": "1",
        "levels-0-targets-INITIAL_FORMS": "0",
        "levels-0-targets-0-kind": "schedule",
        "levels-0-targets-0-schedule": str(schedule.pk),
    }

    answer = client.post(url, data)

    assert answer.status_code == 302, answer.context_data["errors"]
    made = EscalationPolicy.objects.with_ladder().get()
    assert made.ladder_text == "1. on call of Payments, 5 min"
    assert made.team == team


def test_a_manager_changes_the_own_policies_only(client, manager, policy):
    own = reverse("admin:escalation_escalationpolicy_change", args=[policy.pk])
    data = filled(client, own)
    EscalationPolicy.objects.update(team=None)

    assert client.post(own, data).status_code == 403


def test_an_assignment_is_made_and_removed(client, manager, policy, service):
    add = reverse("admin:escalation_policyassignment_add")
    answer = client.post(add, {"policy": policy.pk, "service": service.pk, "severity": "SEV1"})
    assert answer.status_code == 302, answer.context_data["errors"]
    made = PolicyAssignment.objects.get(service=service)

    remove = reverse("admin:escalation_policyassignment_verb", args=[made.pk, "remove"])
    client.post(remove, {"sure": "yes"})

    assert not PolicyAssignment.objects.filter(service=service).exists()


def test_everything_is_assigned_by_administrators_only(client, manager, policy):
    add = reverse("admin:escalation_policyassignment_add")

    answer = client.post(add, {"policy": policy.pk})

    assert answer.status_code == 200
    assert PolicyAssignment.objects.count() == 1


def test_the_page_of_an_incident_offers_the_verbs(client, manager, declared, dana, phones):
    settle()
    phones.take()
    page = client.get(reverse("admin:incidents_incident_change", args=[declared.pk]))
    for label in ["Escalate", "Page somebody", "Reroute"]:
        assert f">{label}</a>" in page.content.decode()

    verb = reverse("admin:incidents_incident_verb", args=[declared.pk, "page"])
    answer = client.post(verb, {"user": dana.pk, "reason": "You know it"})
    settle()

    assert answer.status_code == 302
    assert phones.paged() == ["dana"]
