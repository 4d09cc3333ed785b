import re

import pytest
from django.test import Client
from django.urls import reverse

from incidents.core.models import User
from incidents.notifications import services
from incidents.notifications.models import ContactMethod, Delivery, LastResortAddress
from tests.factories import UserFactory
from tests.notifications.conftest import page, post

pytestmark = pytest.mark.django_db

SURE = {"confirmed": "yes"}


def door(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def root(db) -> Client:
    return door(UserFactory(username="root", is_staff=True, is_superuser=True))


@pytest.fixture
def staff(bob) -> Client:
    bob.is_staff = True
    bob.save()
    return door(bob)


def test_the_list_shows_fates_and_costs_the_same_for_many(
    root, incident, bob, reach, django_assert_max_num_queries
):
    reach(bob, "phone")
    for number in range(12):
        page(incident, bob, f"cause {number}")
    post()

    with django_assert_max_num_queries(8):
        answer = root.get(reverse("admin:notifications_delivery_changelist"))

    assert answer.status_code == 200
    assert "Sent" in answer.text


def test_a_delivery_shows_its_attempts_and_cannot_be_changed(root, incident, bob, reach):
    reach(bob, "phone")
    delivery = page(incident, bob)
    post()
    url = reverse("admin:notifications_delivery_change", args=[delivery.pk])

    shown = root.get(url)
    changed = root.post(url, {"subject": "Never mind", "state": "cancelled"})

    assert "Acknowledge it." in shown.text
    assert changed.status_code == 403
    delivery.refresh_from_db()
    assert (delivery.state, delivery.subject) == ("sent", "Checkout is down")


def test_a_delivery_shows_no_secret_address(root, incident, bob, reach):
    method = reach(bob, "tgram://123456789:AAbbccddeeffgghhiijjkkllmmnnooppqqr/42/", "apprise")
    delivery = page(incident, bob)

    pages = [
        root.get(reverse("admin:notifications_delivery_change", args=[delivery.pk])),
        root.get(reverse("admin:notifications_contactmethod_change", args=[method.pk])),
        root.get(reverse("admin:notifications_contactmethod_changelist")),
    ]

    assert all(shown.status_code == 200 for shown in pages)
    assert not any("AAbbccdd" in shown.text for shown in pages)


def test_a_delivery_about_a_private_incident_is_not_for_everybody(staff, incident, alice, reach):
    reach(alice, "phone")
    delivery = page(incident, alice)
    type(incident).objects.filter(pk=incident.pk).update(is_private=True)

    answer = staff.get(reverse("admin:notifications_delivery_change", args=[delivery.pk]))

    assert answer.status_code == 302


def test_a_contact_method_is_added_and_verified_through_the_admin(root, bob, wire):
    root.post(
        reverse("admin:notifications_contactmethod_add"),
        {
            "user": bob.pk,
            "kind": "recorder",
            "address": "phone",
            "rules-TOTAL_FORMS": 0,
            "rules-INITIAL_FORMS": 0,
        },
    )
    method = ContactMethod.objects.get(user=bob)

    root.post(
        reverse("admin:notifications_contactmethod_verb", args=[method.pk, "send-verification"]),
        SURE,
    )
    post()
    code = re.findall(r"\d{8}", wire.sent[0].body)[0]
    verb = reverse("admin:notifications_contactmethod_verb", args=[method.pk, "verify"])
    refused = root.post(verb, {"code": "0"})
    root.post(verb, {"code": code})

    assert "not the code" in refused.text
    method.refresh_from_db()
    assert method.is_verified
    assert method.verification_tries == 1


def test_a_wrong_address_is_refused_in_words(root, bob):
    answer = root.post(
        reverse("admin:notifications_contactmethod_add"),
        {
            "user": bob.pk,
            "kind": "webhook",
            "address": "http://10.0.0.1/",
            "rules-TOTAL_FORMS": 0,
            "rules-INITIAL_FORMS": 0,
        },
    )

    assert "A webhook is an https:// address." in answer.text
    assert not ContactMethod.objects.exists()


def test_nobody_vouches_for_others_but_an_administrator(staff, alice):
    method = services.add_contact_method(alice, kind="recorder", address="phone", actor=alice)

    for verb in ("vouch", "send-verification", "remove"):
        url = reverse("admin:notifications_contactmethod_verb", args=[method.pk, verb])
        assert staff.post(url, SURE).status_code == 302

    method.refresh_from_db()
    assert (method.is_active, method.is_verified) == (True, False)
    assert not Delivery.objects.exists()


def test_a_last_resort_is_added_and_tried(root, wire):
    root.post(
        reverse("admin:notifications_lastresortaddress_add"),
        {"name": "Duty phone", "kind": "recorder", "address": "duty", "is_active": "on"},
    )
    address = LastResortAddress.objects.get()

    root.post(
        reverse("admin:notifications_lastresortaddress_changelist"),
        {"action": "send_test", "_selected_action": [address.pk]},
    )
    post()

    assert [sent.address for sent in wire.sent] == ["duty"]


def test_whoever_may_only_look_sees_no_secret_of_the_last_resort(staff):
    address = services.add_last_resort(
        name="Hook", kind="webhook", address="https://example.org/token-in-path", actor=None
    )

    shown = staff.get(reverse("admin:notifications_lastresortaddress_change", args=[address.pk]))

    assert shown.status_code == 200
    assert "token-in-path" not in shown.text
    assert address.secret not in shown.text


def test_the_incidents_page_shows_who_was_told(root, incident, bob, reach):
    reach(bob, "bobs-phone")
    page(incident, bob)
    post()

    shown = root.get(reverse("admin:incidents_incident_change", args=[incident.pk]))

    assert "bobs-phone" in shown.text
