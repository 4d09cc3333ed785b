"""Logging in: one door, where guessing is slow and the on-call is never locked out by strangers."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import hashers
from django.db import connection
from django.test import Client
from django.urls import reverse

from incidents.core.models import LoginAttempt
from incidents.core.services import throttle
from incidents.core.visitors import address_of
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
SECRET = "correct horse battery"
LOGIN = "/login/"


@pytest.fixture
def nina(clock):
    user = UserFactory(username="nina", email="nina@example.org")
    user.set_password(SECRET)
    user.save()
    return user


@pytest.fixture
def hashing(monkeypatch):
    """How often a password was looked at."""
    looked = []
    genuine = hashers.MD5PasswordHasher.encode

    def encode(self, password, salt):
        looked.append(password)
        return genuine(self, password, salt)

    monkeypatch.setattr(hashers.MD5PasswordHasher, "encode", encode)
    return looked


def log_in(client, who="nina", password=SECRET, address="203.0.113.7", **facts):
    return client.post(LOGIN, {"username": who, "password": password, **facts}, REMOTE_ADDR=address)


def guess(times, **facts):
    """As a stranger who has never logged in; gives the last answer."""
    for number in range(times):
        answer = log_in(Client(), password=f"guess {number}", **facts)
    return answer


@pytest.mark.parametrize("typed", ["nina", "nina@example.org", "Nina@Example.org", " nina "])
def test_it_lets_in_by_username_or_e_mail(client, nina, typed):
    answer = log_in(client, who=typed)

    assert answer["Location"] == reverse("front")
    assert client.session["_auth_user_id"] == str(nina.pk)
    assert not LoginAttempt.objects.exists()


def test_a_wrong_password_and_an_unknown_name_are_told_the_same(client, nina):
    wrong = log_in(client, password="wrong")
    unknown = log_in(client, who="nobody")

    sentence = "This is not the right password, or there is no such person."
    assert sentence in wrong.content.decode()
    assert sentence in unknown.content.decode()
    assert (wrong.status_code, unknown.status_code) == (200, 200)


def test_both_cost_one_look_at_a_password(client, nina, hashing):
    log_in(client, password="wrong")
    known = len(hashing)
    log_in(client, who="nobody")

    assert (known, len(hashing) - known) == (1, 1)


def test_the_session_is_a_new_one(client, nina):
    client.get(LOGIN)
    session = client.session
    session["kept"] = "x"
    session.save()
    before = session.session_key

    log_in(client)

    assert client.session.session_key != before


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/i/", "/i/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("incident", "/"),
        ("/login/?next=/login/", "/login/?next=/login/"),
    ],
)
def test_it_goes_on_to_where_one_was_going_on_this_host(client, nina, target, leads_to):
    assert log_in(client, next=target)["Location"] == leads_to


def test_somebody_who_may_not_open_the_admin_is_told_so(client, nina):
    entered = log_in(client, next="/admin/incidents/incident/")
    client.force_login(nina)
    sent = client.get("/admin/incidents/incident/", follow=True)

    assert (entered.status_code, sent.status_code) == (403, 403)
    assert len(sent.redirect_chain) <= 2
    assert 'href="/i/"' in sent.content.decode()


def test_whoever_is_logged_in_is_sent_on(client, alice):
    client.force_login(alice)

    assert client.get("/login/?next=/admin/")["Location"] == "/admin/"
    assert client.get("/login/")["Location"] == "/"


def test_logging_out_is_a_post(client, nina):
    client.force_login(nina)

    assert client.get("/logout/").status_code == 405
    assert "_auth_user_id" in client.session
    assert client.post("/logout/")["Location"] == "/login/"
    assert "_auth_user_id" not in client.session


def test_the_admins_logout_ends_at_the_login(client, alice):
    client.force_login(alice)

    assert client.post("/admin/logout/")["Location"] == "/login/"
    assert "_auth_user_id" not in client.session


def test_a_deactivated_person_is_not_let_in(client, nina):
    nina.is_active = False
    nina.save()

    assert "no such person" in log_in(client).content.decode()
    assert "_auth_user_id" not in client.session


# --- The throttle ---------------------------------------------------------------------------------


def test_the_eleventh_guess_at_an_account_is_refused_unseen(nina, hashing, clock):
    for number in range(10):
        assert guess(1, address=f"203.0.113.{number}").status_code == 200
    looked = len(hashing)

    clock.forward(minutes=5)
    refused = log_in(Client(), address="198.51.100.1")

    assert refused.status_code == 429
    assert refused["Retry-After"] == str(10 * 60 + 1)
    assert "Try again in 10 minutes." in refused.content.decode()
    assert "_auth_user_id" not in refused.client.session
    assert len(hashing) == looked


def test_an_unknown_account_is_refused_the_same(nina, clock):
    known = [guess(1, address=f"203.0.113.{n}").status_code for n in range(11)]
    unknown = [guess(1, address=f"203.0.113.{n}", who="nobody").status_code for n in range(11)]

    assert known == unknown == [200] * 10 + [429]


def test_a_username_and_an_e_mail_address_are_one_account(nina):
    guess(5, who="nina", address="203.0.113.1")
    guess(5, who="nina@example.org", address="203.0.113.2")

    assert log_in(Client(), address="203.0.113.3").status_code == 429


def test_the_on_call_gets_in_while_a_stranger_guesses(client, nina):
    log_in(client)
    client.post("/logout/")

    assert guess(11, address="198.51.100.1").status_code == 429
    assert log_in(client)["Location"] == "/"


def test_the_on_call_gets_in_from_the_strangers_address(client, nina):
    """E.g. from behind the company's one address."""
    log_in(client, address="198.51.100.1")
    client.post("/logout/")
    for number in range(20):
        guess(1, who=f"name{number}", address="198.51.100.1")

    assert guess(1, who="another", address="198.51.100.1").status_code == 429
    assert log_in(client, address="198.51.100.1")["Location"] == "/"


def test_a_known_device_has_a_count_of_its_own(client, nina):
    log_in(client)
    client.post("/logout/")

    for number in range(10):
        log_in(client, password=f"guess {number}")

    assert log_in(client).status_code == 429
    assert log_in(Client()).status_code == 302


def test_a_device_is_known_to_one_account_only(client, nina):
    """Whoever has an account of their own does not guess at others by it."""
    other = UserFactory(username="otto")
    other.set_password(SECRET)
    other.save()
    log_in(client, who="otto")
    client.post("/logout/")
    guess(10, address="198.51.100.1")

    assert log_in(client).status_code == 429


def test_a_made_up_device_is_not_known(client, nina):
    log_in(client)
    client.post("/logout/")
    (name,) = [name for name in client.cookies if name.startswith("device_")]
    guess(10, address="198.51.100.1")
    stranger = Client()
    stranger.cookies[name] = "made-up:signature"

    assert log_in(stranger).status_code == 429


def test_the_mark_of_a_device_is_well_kept(client, nina, settings):
    settings.SESSION_COOKIE_SECURE = True
    answer = log_in(client)

    (mark,) = [cookie for name, cookie in answer.cookies.items() if name.startswith("device_")]
    assert (mark["httponly"], mark["samesite"], mark["secure"]) == (True, "Lax", True)
    assert mark["max-age"] == 365 * 24 * 3600
    assert "nina" not in mark.value


def test_getting_it_right_forgets_what_this_browser_got_wrong(client, nina):
    for number in range(9):
        log_in(client, password=f"guess {number}")
    log_in(client)

    assert not LoginAttempt.objects.exists()


def test_getting_it_right_does_not_help_a_stranger(client, nina):
    guess(10, address="198.51.100.1")
    LoginAttempt.objects.order_by("pk").first().delete()
    log_in(client)

    guess(1, address="198.51.100.1")
    assert guess(1, address="198.51.100.2").status_code == 429


def test_it_opens_again_after_a_quarter_of_an_hour(nina, clock):
    guess(11)
    clock.forward(minutes=15)

    assert log_in(Client()).status_code == 302


def test_refused_tries_do_not_prolong_it(nina, clock):
    guess(10)
    clock.forward(minutes=14)
    assert guess(5).status_code == 429
    clock.forward(minutes=1)

    assert log_in(Client()).status_code == 302


def test_old_attempts_are_forgotten(client, nina, clock):
    guess(3, who="somebody")
    clock.forward(hours=25)
    log_in(client)

    assert not LoginAttempt.objects.exists()


def test_what_was_typed_is_not_kept(nina):
    guess(1, who="my-password-in-the-wrong-field")

    kept = str(LoginAttempt.objects.values().get())
    assert "my-password" not in kept
    assert "guess" not in kept


# --- Behind proxies -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "1.1.1.1", "10.0.0.9"),  # anybody can write the header
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        (2, "1.1.1.1", "10.0.0.9"),
        (1, "", "10.0.0.9"),
        (1, "nonsense", "10.0.0.9"),
        (1, "1.1.1.1:4711", "1.1.1.1"),
        (1, "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::"),
        (1, "2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        (1, "::ffff:1.2.3.4", "1.2.3.4"),
    ],
)
def test_the_address_is_the_one_that_the_outermost_own_proxy_saw(
    rf, settings, proxies, forwarded, address
):
    settings.TRUSTED_PROXIES = proxies

    request = rf.get("/", REMOTE_ADDR="10.0.0.9", headers={"X-Forwarded-For": forwarded})

    assert address_of(request) == address


def test_who_has_no_address_is_counted_by_account_only(nina):
    assert guess(10, address="").status_code == 200
    assert log_in(Client(), address="").status_code == 429
    assert guess(1, address="", who="other").status_code == 200


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_guesses_at_once_are_judged_like_many_in_a_row():
    user = UserFactory(username="nina")
    visitor = throttle.Visitor(throttle.account_key(user, ""), "203.0.113.7")

    def attempt(_number):
        try:
            throttle.begin_attempt(visitor)
        except throttle.TooMany:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        admitted = list(pool.map(attempt, range(40)))

    assert 0 < sum(admitted) <= throttle.ON_ACCOUNT
    assert LoginAttempt.objects.count() == sum(admitted)


@pytest.mark.django_db
def test_a_counted_attempt_is_one_of_ten():
    visitor = throttle.Visitor("a" * 64, None)
    for _ in range(10):
        throttle.begin_attempt(visitor)

    with pytest.raises(throttle.TooMany):
        throttle.begin_attempt(visitor)
    assert LoginAttempt.objects.count() == 10
