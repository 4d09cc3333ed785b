import re
from datetime import timedelta

import pytest

from incidents.core.errors import DomainError
from incidents.notifications import services
from incidents.notifications.models import Delivery
from tests.notifications.conftest import post

pytestmark = pytest.mark.django_db


@pytest.fixture
def method(bob, clock):
    return services.add_contact_method(bob, kind="recorder", address="phone", actor=bob)


def code_of(wire) -> str:
    return re.findall(r"\d{8}", wire.sent[-1].body)[0]


def test_a_code_that_was_read_verifies(method, bob, wire):
    services.send_verification(method, actor=bob)
    post()

    verified = services.verify(method, code=code_of(wire), actor=bob)

    assert verified.is_verified
    assert wire.sent[0].address == "phone"


def test_a_code_is_kept_nowhere_after_it_was_sent(method, bob, wire):
    services.send_verification(method, actor=bob)
    post()

    method.refresh_from_db()
    assert code_of(wire) not in method.verification_digest
    assert code_of(wire) not in Delivery.objects.get().body


def test_a_wrong_code_is_refused_and_counted(method, bob, wire):
    services.send_verification(method, actor=bob)
    post()
    wrong = f"{(int(code_of(wire)) + 1) % 10**8:08}"

    for _ in range(5):
        with pytest.raises(DomainError, match="not the code"):
            services.verify(method, code=wrong, actor=bob)
    with pytest.raises(DomainError, match="Too many") as refused:
        services.verify(method, code=code_of(wire), actor=bob)

    assert refused.value.code == "too_many_tries"
    method.refresh_from_db()
    assert not method.is_verified


def test_a_code_is_good_for_half_an_hour(method, bob, wire, clock):
    services.send_verification(method, actor=bob)
    post()
    clock.forward(minutes=30)

    with pytest.raises(DomainError) as refused:
        services.verify(method, code=code_of(wire), actor=bob)

    assert refused.value.code == "code_expired"


def test_a_code_is_good_once(method, bob, wire):
    services.send_verification(method, actor=bob)
    post()
    services.verify(method, code=code_of(wire), actor=bob)

    with pytest.raises(DomainError) as refused:
        services.verify(method, code=code_of(wire), actor=bob)

    assert refused.value.code == "no_code"


def test_a_newer_code_replaces_the_older_after_a_minute(method, bob, wire, clock):
    services.send_verification(method, actor=bob)
    with pytest.raises(DomainError) as refused:
        services.send_verification(method, actor=bob)
    post()
    older = code_of(wire)
    clock.forward(minutes=1)

    services.send_verification(method, actor=bob)
    post()

    assert refused.value.code == "too_soon"
    with pytest.raises(DomainError):
        services.verify(method, code=older, actor=bob)
    services.verify(method, code=code_of(wire), actor=bob)


def test_a_code_never_goes_to_another_address(method, bob, reach, wire):
    reach(bob, "other")
    services.send_verification(method, actor=bob)
    services.remove_contact_method(method, actor=bob)

    post()

    assert wire.sent == []


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("email", "not an address"),
        ("webhook", "http://example.org/"),
        ("webhook", "https://user:pw@example.org/"),
        ("webhook", "https://example.org:25/"),
        ("webhook", "ftp://example.org/"),
        ("webhook", "https://example.org:99999/"),
        ("apprise", "nonsense://x"),
        ("apprise", "json://example.org/"),
        ("apprise", "mailto://u:p@example.org?smtp=10.0.0.1"),
        ("file", "../../etc/cron.d/x"),
        ("file", "/etc/cron.d/x"),
        ("pigeon", "loft 4"),
        ("recorder", " "),
    ],
)
def test_an_address_to_which_nothing_could_be_sent_is_refused(bob, kind, address):
    with pytest.raises(DomainError):
        services.add_contact_method(bob, kind=kind, address=address, actor=bob)

    assert not bob.contact_methods.exists()


def test_transports_for_demos_are_refused_in_earnest(bob, settings):
    settings.DEMO_TRANSPORTS = False

    with pytest.raises(DomainError, match="DEMO_TRANSPORTS"):
        services.add_contact_method(bob, kind="console", address="x", actor=bob)


def test_a_webhook_gets_a_secret_of_its_own(bob):
    urls = ["https://example.org/a", "https://example.org/b"]

    methods = [
        services.add_contact_method(bob, kind="webhook", address=url, actor=bob) for url in urls
    ]

    assert all(method.secret.startswith("whsec_") for method in methods)
    assert methods[0].secret != methods[1].secret
    assert [method.position for method in methods] == [0, 1]


def test_an_address_is_added_once(method, bob):
    again = services.add_contact_method(bob, kind="recorder", address=" phone ", actor=bob)

    assert again == method


def test_an_address_that_comes_back_is_verified_anew(method, bob):
    services.vouch_for(method, actor=bob)
    services.remove_contact_method(method, actor=bob)

    back = services.add_contact_method(bob, kind="recorder", address="phone", actor=bob)

    assert back.pk == method.pk
    assert back.is_active
    assert not back.is_verified


def test_rules_use_ones_own_methods_and_one_of_them_at_once(method, alice, bob):
    minute = timedelta(minutes=1)
    for user, rules in [
        (alice, [(method, timedelta(0))]),
        (bob, [(method, minute)]),
        (bob, [(method, timedelta(0)), (method, minute)]),
    ]:
        with pytest.raises(DomainError):
            services.set_rules(user, urgency="page", rules=rules, actor=user)

    services.set_rules(bob, urgency="page", rules=[(method, timedelta(0))], actor=bob)
    services.set_rules(bob, urgency="page", rules=[], actor=bob)

    assert not bob.notification_rules.exists()


def test_it_names_those_who_could_not_be_paged(alice, bob, charlie, reach, settings):
    settings.SMTP_HOST = ""
    reach(alice, "alice")
    reach(charlie, "charlie")
    charlie.is_active = False

    assert services.unreachable([alice, bob, charlie]) == [bob, charlie]


def test_a_test_message_goes_to_an_address_that_is_not_verified(method, bob, wire):
    delivery = services.send_test(method, actor=bob)
    post()

    delivery.refresh_from_db()
    assert delivery.state == "sent"
    assert "test" in wire.sent[0].subject


def test_nobody_floods_a_phone_with_tests(method, bob, clock):
    services.send_test(method, actor=bob)

    with pytest.raises(DomainError, match="wait a minute"):
        services.send_test(method, actor=bob)
    clock.forward(minutes=1, seconds=1)
    services.send_test(method, actor=bob)

    assert Delivery.objects.filter(cause__startswith="test:").count() == 2
