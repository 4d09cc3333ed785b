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


# --- The page of a contact method -----------------------------------------------------------------


def page_of(client, method):
    url = reverse("admin:notifications_contactmethod_change", args=[method.pk])
    return " ".join(client.get(url).text.split())


def verb_of(method, name):
    return reverse("admin:notifications_contactmethod_verb", args=[method.pk, name])


def test_the_page_says_when_pages_go_where(root, bob, reach):
    first, second = reach(bob, "phone"), reach(bob, "pager")

    text = page_of(root, second)

    assert "How pages reach Bob" in text
    assert f"{first}</a>: at once" in text
    assert f"<strong>{second}</strong>: " in text


def test_rules_are_set_by_a_verb(root, bob, reach):
    first, second = reach(bob, "phone"), reach(bob, "pager")
    form = {f"method_{first.pk}": "300", f"method_{second.pk}": "0"}

    refused = root.post(verb_of(first, "rules"), {f"method_{first.pk}": "300"})
    answer = root.post(verb_of(first, "rules"), form)

    assert "One method is used at once" in refused.text
    assert answer.status_code == 302
    assert f"{first}</strong>: after 5 min" in page_of(root, first)


def test_another_address_comes_first_by_a_verb(root, bob, reach):
    reach(bob, "phone")
    second = reach(bob, "pager")

    root.post(verb_of(second, "put-first"))

    assert ContactMethod.objects.filter(user=bob).order_by("position").first() == second
    assert "Use it first" not in page_of(root, second)


def test_a_test_message_is_sent_and_its_fate_shown(root, bob, reach, wire):
    method = reach(bob, "phone")

    root.post(verb_of(method, "send-test"))
    assert "Waiting to be sent" in page_of(root, method)
    post()

    assert ">Sent</span>" in page_of(root, method)
    assert "is testing whether messages arrive here" in wire.sent[0].body


def test_vouching_says_what_it_means(root, bob):
    method = services.add_contact_method(bob, kind="recorder", address="phone", actor=bob)

    assert (
        "You say that this person reads what arrives there"
        in root.get(verb_of(method, "vouch")).text
    )


def test_failed_messages_are_one_press_away(root, incident, bob, reach):
    reach(bob, "phone")
    page(incident, bob, "sent")
    post()
    page(incident, bob, "failed")
    Delivery.objects.filter(state="pending").update(state="failed", subject="It did not arrive")
    url = reverse("admin:notifications_delivery_changelist")

    listed = root.get(url)
    failed = root.get(f"{url}?state__exact=failed")

    assert "?state__exact=failed" in listed.text
    assert "It did not arrive" in failed.text
    assert failed.context_data["cl"].result_count == 1


# --- what may be chosen ---------------------------------------------------------------------------


def add_last_resort(client, **facts):
    url = reverse("admin:notifications_lastresortaddress_add")
    return client.post(url, {"name": "Duty", "secret": "", "is_active": "on", **facts}, follow=True)


def test_a_new_last_resort_can_be_tried_at_once(root):
    shown = add_last_resort(root, kind="webhook", address="https://example.org/pages").text

    added = LastResortAddress.objects.get()
    assert "send a test message" in shown
    assert reverse("admin:notifications_lastresortaddress_verb", args=[added.pk, "send-test"]) in (
        shown
    )
    assert "its secret stands below" in shown
    assert added.secret in shown


def test_mail_cannot_be_chosen_where_none_can_be_sent(root, settings):
    settings.SMTP_HOST = ""
    facts = {"kind": "email", "address": "duty@example.org"}
    assert "as soon as a mail server is set up" in add_last_resort(root, **facts).text
    assert not LastResortAddress.objects.exists()

    settings.SMTP_HOST = "mail.example.org"
    add_last_resort(root, **facts)

    assert LastResortAddress.objects.get().kind == "email"


def test_what_is_mail_already_can_be_changed_without_a_mail_server(root, settings):
    settings.SMTP_HOST = ""
    added = LastResortAddress.objects.create(name="Duty", kind="email", address="duty@example.org")
    url = reverse("admin:notifications_lastresortaddress_change", args=[added.pk])

    root.post(url, {"name": "Night", "kind": "email", "address": added.address, "secret": ""})

    added.refresh_from_db()
    assert added.name == "Night"


@pytest.mark.parametrize("demo", [True, False])
@pytest.mark.parametrize("model", ["lastresortaddress", "contactmethod", "delivery"])
def test_filters_name_the_transports_of_demos_only_there(root, settings, model, demo):
    settings.DEMO_TRANSPORTS = demo

    listing = root.get(reverse(f"admin:notifications_{model}_changelist")).text

    assert ("Recorder (tests)" in listing) == demo
