"""Somebody is shut out in the middle of it: whoever is left is asked."""

import pytest
from django.test import Client
from django.urls import reverse

from incidents.core import services as core
from incidents.core.errors import DomainError, Forbidden
from incidents.core.models import Access, ApiToken, Incident, Kind, User
from incidents.notifications.models import Delivery
from incidents.notifications.transports.recorder import Recorder
from tests.escalation.stage import link_in, settle
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(db):
    return UserFactory(username="root", is_staff=True, is_superuser=True)


@pytest.fixture
def taken(declared, bob):
    """Bob has it, and commands it."""
    settle()
    core.acknowledge(declared, actor=bob)
    core.assign_role(declared, role="commander", user=bob, actor=bob)
    return declared


def page_of(user, verb=""):
    if verb:
        return reverse("admin:incidents_user_verb", args=[user.pk, verb])
    return reverse("admin:incidents_user_change", args=[user.pk])


# --- What happens to open incidents ---------------------------------------------------------------


def test_what_somebody_holds_is_given_back_and_others_are_paged(taken, bob, root, phones, clock):
    phones.take()
    core.deactivate_person(bob, actor=root)
    settle()

    taken.refresh_from_db()
    assert not taken.is_acknowledged
    entry = taken.timeline.get(kind=Kind.UNACKNOWLEDGED)
    assert entry.summary == "No longer with Bob: Bob was deactivated."
    assert entry.actor == root
    # Bob is still the only one on the schedule: the managers are asked at once.
    assert phones.paged() == ["alice"]


def test_open_roles_become_vacant(taken, bob, root):
    core.deactivate_person(bob, actor=root)

    assert not taken.roles.filter(until=None).exists()
    entry = taken.timeline.filter(kind=Kind.ROLE_ASSIGNED).last()
    assert entry.summary.endswith("is vacant.")
    assert entry.actor == root


def test_what_others_hold_stays_with_them(taken, alice, bob, root, phones):
    core.deactivate_person(alice, actor=root)
    phones.take()
    settle()

    taken.refresh_from_db()
    assert taken.acknowledged_by == bob
    assert phones.take() == []


def test_what_is_resolved_stays_as_it_was(taken, bob, root):
    core.dismiss(taken, reason="A false alarm", actor=bob)
    before = taken.timeline.count()

    core.deactivate_person(bob, actor=root)

    taken.refresh_from_db()
    assert taken.acknowledged_by == bob
    assert taken.timeline.count() == before


def test_a_page_that_has_not_left_goes_to_the_next_at_once(declared, bob, root, phones, clock):
    """Shut out between the decision to page and the sending."""
    core.deactivate_person(bob, actor=root)
    settle()

    assert phones.paged() == ["alice"]
    assert not Delivery.objects.pages().filter(recipient=bob, state="sent").exists()


def test_after_a_page_that_has_left_the_next_is_asked_in_time(declared, bob, root, phones, clock):
    settle()
    assert phones.paged() == ["bob"]
    core.deactivate_person(bob, actor=root)

    clock.forward(minutes=5)
    settle()

    assert phones.paged() == ["alice"]


def test_a_request_that_was_under_way_takes_nothing_any_more(declared, bob, root):
    """It knows Bob as he was before; what it takes would wait for nobody."""
    core.deactivate_person(User.objects.get(pk=bob.pk), actor=root)
    assert bob.is_active

    with pytest.raises(DomainError, match="Bob is deactivated"):
        core.acknowledge(declared, actor=bob)
    with pytest.raises(DomainError, match="Bob is deactivated"):
        core.assign_role(declared, role="commander", user=bob, actor=bob)


def test_the_link_in_an_older_page_answers_nothing(declared, bob, root, phones, client):
    settle()
    (page,) = Recorder.sent
    from_page = link_in(page)
    core.deactivate_person(bob, actor=root)

    client.post(from_page)

    declared.refresh_from_db()
    assert not declared.is_acknowledged


# --- The account ----------------------------------------------------------------------------------


def test_the_session_ends_at_once_and_live_pages_are_sent_to_the_login(alice, root):
    hers, his = Client(), Client()
    hers.force_login(alice)
    his.force_login(root)
    assert hers.get("/admin/incidents/incident/").status_code == 200

    his.post(page_of(alice, "deactivate"))

    live = hers.get("/admin/incidents/incident/", headers={"X-Requested-With": "live"})
    assert (live.status_code, hers.get("/i/").status_code) == (302, 302)
    assert "login" in live["Location"]
    assert hers.post("/me/tokens/new/", {"name": "x", "scope": "read"}).status_code == 302
    assert hers.get("/api/v1/me/").status_code in {401, 403}


def test_an_old_session_does_not_come_back_with_the_person(alice, root):
    hers = Client()
    hers.force_login(alice)
    core.deactivate_person(alice, actor=root)
    core.reactivate_person(User.objects.get(pk=alice.pk), actor=root)

    assert hers.get("/i/").status_code == 302


def test_tokens_stop_and_stay_stopped(client, alice, root):
    _, secret = core.issue_token(alice, name="ci", scope="read")
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.get("/api/v1/me/", headers=headers).status_code == 200

    core.deactivate_person(alice, actor=root)
    assert client.get("/api/v1/me/", headers=headers).status_code == 401

    core.reactivate_person(alice, actor=root)
    assert client.get("/api/v1/me/", headers=headers).status_code == 401
    assert ApiToken.objects.get().revoked_at is not None


def test_a_link_to_set_a_password_is_void(client, alice, root):
    link = core.password_link(alice).removeprefix("http://127.0.0.1:8000")
    core.deactivate_person(alice, actor=root)

    assert client.get(link).status_code == 410


def test_reactivating_makes_a_link_for_a_new_password(client, alice, root):
    core.deactivate_person(alice, actor=root)
    back = core.reactivate_person(alice, actor=root)

    assert back.user.is_active
    assert client.get(back.link.removeprefix("http://127.0.0.1:8000")).status_code == 200


def test_the_page_tells_beforehand_what_will_follow(client, taken, bob, root):
    core.issue_token(bob, name="ci", scope="read")
    client.force_login(root)

    told = client.get(page_of(bob, "deactivate")).content.decode()

    assert f"{taken.reference}" in told
    assert "is given back: paging starts again." in told
    assert "becomes vacant." in told
    assert "1 API token will be revoked." in told
    bob.refresh_from_db()
    assert bob.is_active


def test_nobody_deactivates_themself(root):
    UserFactory(username="second", is_superuser=True)

    with pytest.raises(DomainError, match="yourself"):
        core.deactivate_person(root, actor=root)

    root.refresh_from_db()
    assert root.is_active


def test_the_last_administrator_stays(root):
    with pytest.raises(DomainError, match="last administrator"):
        core.deactivate_person(root, actor=None)
    with pytest.raises(DomainError, match="last administrator"):
        core.set_access(root, access=Access.STAFF, actor=root)

    root.refresh_from_db()
    assert root.is_active
    assert root.is_superuser


def test_one_of_two_administrators_may_go(root):
    second = UserFactory(username="second", is_superuser=True)

    core.deactivate_person(second, actor=root)

    assert not User.objects.get(pk=second.pk).is_active


@pytest.mark.parametrize("verb", ["deactivate_person", "reactivate_person"])
def test_it_takes_an_administrator(alice, bob, root, verb):
    with pytest.raises(Forbidden):
        getattr(core, verb)(bob, actor=alice)


def test_an_administrator_who_was_shut_out_meanwhile_shuts_nobody_out(root):
    """Two deactivate each other: the second finds that he is none any more."""
    second = UserFactory(username="second", is_superuser=True)
    core.deactivate_person(second, actor=root)

    with pytest.raises(Forbidden):
        core.deactivate_person(root, actor=second)


def test_twice_changes_nothing(taken, bob, root):
    core.deactivate_person(bob, actor=root)
    before = Incident.objects.get(pk=taken.pk).timeline.count()
    core.deactivate_person(bob, actor=root)

    assert Incident.objects.get(pk=taken.pk).timeline.count() == before
