"""One's own addresses, through a browser without JavaScript."""

import re
from datetime import timedelta

import pytest

from incidents.notifications import engine, services
from incidents.notifications.models import ContactMethod, Delivery, NotificationRule
from incidents.notifications.transports.recorder import Recorder
from tests.notifications.conftest import post

pytestmark = pytest.mark.django_db


@pytest.fixture
def phone(client, bob, clock):
    client.force_login(bob)
    return client


def text(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode()))


def add(phone, address, kind="recorder"):
    return phone.post("/me/contacts/add/", {"kind": kind, "address": address}, follow=True)


def code_sent():
    post()
    return re.search(r"\b\d{8}\b", Recorder.sent[-1].text).group()


def test_who_has_no_address_is_told_so(phone):
    assert "You cannot be paged: add an address and verify it." in text(phone.get("/me/"))


@pytest.mark.django_db(transaction=True)
def test_from_nothing_to_being_paged(phone, bob):
    added = add(phone, "bobs-phone")
    method = ContactMethod.objects.get(user=bob)
    assert "A code is on its way" in text(added)
    assert "none of your addresses is verified" in text(phone.get("/me/"))

    done = phone.post(f"/me/contacts/{method.pk}/verify/", {"code": code_sent()}, follow=True)

    assert "Verified." in text(done)
    assert "You can be paged by Recorder (tests) bobs-phone (at once)." in text(done)
    assert services.unreachable([bob]) == []


@pytest.mark.django_db(transaction=True)
def test_a_wrong_code_counts_and_says_so(phone, bob):
    add(phone, "bobs-phone")
    method = ContactMethod.objects.get(user=bob)

    for _ in range(5):
        answer = phone.post(f"/me/contacts/{method.pk}/verify/", {"code": "nonsense"})
        assert answer.status_code == 400
    assert "This is not the code." in text(answer)
    right = phone.post(f"/me/contacts/{method.pk}/verify/", {"code": code_sent()})

    assert "Too many wrong codes" in text(right)
    method.refresh_from_db()
    assert not method.is_verified


def test_a_second_code_waits_a_minute(phone, bob, clock):
    add(phone, "bobs-phone")
    again = f"/me/contacts/{ContactMethod.objects.get().pk}/send-code/"

    assert "wait a minute" in text(phone.post(again, follow=True))
    clock.forward(minutes=2)
    assert "A code is on its way" in text(phone.post(again, follow=True))


def test_an_address_that_cannot_work_is_refused(phone, settings):
    settings.SMTP_HOST = "mail.example.org"
    answer = add(phone, "not an address", kind="email")

    assert "is not an e-mail address" in text(answer)
    assert not ContactMethod.objects.exists()


def test_demo_transports_are_not_offered_for_real(phone, settings):
    settings.DEMO_TRANSPORTS = False

    add(phone, "bobs-phone")

    assert not ContactMethod.objects.exists()
    assert "Console" not in text(phone.get("/me/contacts/add/"))


def test_the_secret_of_a_webhook_is_shown_once(phone, bob):
    made = add(phone, "https://example.org/hook", kind="webhook")
    method = ContactMethod.objects.get()

    assert method.secret.startswith("whsec_")
    assert method.secret in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    for path in ["/me/", f"/me/contacts/{method.pk}/"]:
        html = phone.get(path).content.decode()
        assert method.secret not in html
        assert "https://example.org/…" in html


def test_the_fate_of_a_test_message_is_seen(phone, bob, reach, monkeypatch):
    page = f"/me/contacts/{reach(bob, 'bobs-phone').pk}/"

    phone.post(f"{page}test/")
    assert "on its way" in text(phone.get(page))
    post()

    assert re.search(r"Tocsin: this is a test sent \d\d:\d\d", text(phone.get(page)))


def test_a_test_message_that_failed_says_why(phone, bob, reach):
    page = f"/me/contacts/{reach(bob, 'bobs-phone').pk}/"
    phone.post(f"{page}test/")
    Delivery.objects.update(state=Delivery.State.FAILED, last_error="410 gone")

    assert "failed 410 gone" in text(phone.get(page))


def test_a_removed_address_is_used_no_more(phone, bob, reach):
    method = reach(bob, "bobs-phone")

    phone.post(f"/me/contacts/{method.pk}/remove/")

    assert services.unreachable([bob]) == [bob]
    assert phone.get(f"/me/contacts/{method.pk}/").status_code == 404


def test_the_order_is_ones_own(phone, bob, reach):
    first, second, third = (reach(bob, name) for name in ["one", "two", "three"])

    phone.post(f"/me/contacts/{third.pk}/first/")

    shown = re.findall(
        r'class="grow"[^>]*>Recorder \(tests\) (\w+)<', phone.get("/me/").content.decode()
    )
    assert shown == ["three", "one", "two"]
    assert {first.pk, second.pk, third.pk} == set(bob.contact_methods.values_list("pk", flat=True))


def test_rules_say_which_address_when(phone, bob, reach):
    push, call = reach(bob, "push"), reach(bob, "call")

    phone.post("/me/contacts/rules/", {f"method_{push.pk}": "0", f"method_{call.pk}": "300"})

    delays = NotificationRule.objects.filter(user=bob, urgency="page").order_by("delay")
    assert [(r.contact_method, r.delay.total_seconds()) for r in delays] == [(push, 0), (call, 300)]
    shown = text(phone.get("/me/"))
    assert "push (at once), Recorder (tests) call (after 5 min)" in shown


def test_rules_by_which_nobody_is_paged_at_once_are_refused(phone, bob, reach):
    method = reach(bob, "push")

    answer = phone.post("/me/contacts/rules/", {f"method_{method.pk}": "300"})

    assert "One method is used at once" in text(answer)
    assert not NotificationRule.objects.exists()


def test_a_rule_made_elsewhere_is_not_lost_by_looking_and_saving(phone, bob, reach):
    push, call = reach(bob, "push"), reach(bob, "call")
    rules = [(push, timedelta(0)), (call, timedelta(seconds=190))]
    services.set_rules(bob, urgency="page", rules=rules, actor=bob)

    html = phone.get("/me/contacts/rules/").content.decode()
    chosen = re.findall(r'<option value="(\d*)" selected', html)

    assert sorted(chosen) == ["0", "190"]


def test_addresses_of_others_are_not_there(phone, alice, reach):
    hers = reach(alice, "alices-phone")

    for verb in ["", "verify/", "send-code/", "test/", "first/", "remove/"]:
        for method in [phone.get, phone.post]:
            answer = method(f"/me/contacts/{hers.pk}/{verb}")
            assert answer.status_code in {404, 405}
    hers.refresh_from_db()
    assert hers.is_active
    assert not Delivery.objects.exists()


def test_looking_changes_and_sends_nothing(phone, bob, reach):
    method = reach(bob, "bobs-phone")
    before = list(ContactMethod.objects.values())

    for path in ["/me/", "/me/contacts/add/", "/me/contacts/rules/", f"/me/contacts/{method.pk}/"]:
        assert phone.get(path).status_code == 200
    for verb in ["verify", "send-code", "test", "first", "remove"]:
        assert phone.get(f"/me/contacts/{method.pk}/{verb}/").status_code == 405

    assert list(ContactMethod.objects.values()) == before
    assert engine.dispatch(wait=True) == 0


def test_the_profile_takes_the_same_queries_for_one_and_for_ten(
    phone, bob, reach, django_assert_max_num_queries
):
    for n in range(10):
        reach(bob, f"phone{n}")

    with django_assert_max_num_queries(11):
        phone.get("/me/")


def test_mail_is_offered_where_it_can_be_sent(client, bob, settings):
    client.force_login(bob)
    settings.SMTP_HOST = ""
    without = client.get("/me/contacts/add/").text
    settings.SMTP_HOST = "mail.example.org"

    assert 'value="email"' not in without
    assert "as soon as a mail server is set up" in without
    assert 'value="email"' in client.get("/me/contacts/add/").text
