"""Invitations, forgotten passwords, and changing one's own."""

import re

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.test import Client
from django.urls import reverse

from incidents.core import services
from incidents.core.errors import DomainError, Forbidden
from incidents.core.models import Access, User
from incidents.notifications.models import Delivery
from tests.factories import TeamFactory, UserFactory

pytestmark = pytest.mark.django_db
SECRET = "correct horse battery"
FACTS = {"username": "newt", "email": "newt@example.org"}


@pytest.fixture
def root(db):
    user = UserFactory(username="root", is_staff=True, is_superuser=True, timezone="Europe/Berlin")
    user.set_password(SECRET)
    user.save()
    return user


@pytest.fixture
def mails(settings):
    """A mail server is set up."""
    settings.SMTP_HOST = "mail.example.org"


def path_of(link):
    return link.removeprefix("http://127.0.0.1:8000")


def link_in(delivery):
    (link,) = delivery.as_links
    return re.search(r"/welcome/\S+/", link.url).group()


def choose(client, path, **facts):
    return client.post(
        path,
        {"new_password1": SECRET, "new_password2": SECRET, "timezone": "Europe/Paris", **facts},
    )


# --- Inviting -------------------------------------------------------------------------------------


def test_an_invitation_leaves_by_mail_and_is_kept_from_others(root, team, mails):
    invited = services.invite_person(**FACTS, team=team, actor=root)

    delivery = Delivery.objects.get()
    assert invited.link is None
    assert (delivery.address, delivery.is_confidential) == ("newt@example.org", True)
    assert delivery.subject == "Root invites you to Tocsin"
    assert "3 days" in delivery.body
    assert not invited.user.has_usable_password()
    assert invited.user.roles == {team.pk: "responder"}


def test_without_a_mail_server_the_link_is_handed_over(root, team):
    invited = services.invite_person(**FACTS, team=team, actor=root)

    assert "/welcome/" in invited.link
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"team": None}, "team"),
        ({"team": "foreign"}, "team"),
        ({"access": Access.STAFF}, "access"),
        ({"access": Access.ADMINISTRATOR}, "access"),
    ],
)
def test_a_manager_gives_no_more_than_a_role_in_the_own_team(alice, team, facts, field):
    if facts.get("team") == "foreign":
        facts = {"team": TeamFactory(name="Search", slug="search")}

    with pytest.raises(Forbidden) as refused:
        services.invite_person(**{**FACTS, "team": team, **facts}, actor=alice)

    assert refused.value.field == field
    assert not User.objects.filter(username="newt").exists()


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"email": "ALICE@example.org"}, "email"),
        ({"email": "no address"}, "email"),
        ({"username": "alice"}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "Alice@Example.org"}, "username"),
        ({"username": ""}, "username"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"role": "king"}, "role"),
        ({"access": "king"}, "access"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(root, alice, team, facts, field):
    with pytest.raises(DomainError) as refused:
        services.invite_person(**{**FACTS, "team": team, **facts}, actor=root)

    assert refused.value.field == field


def test_a_manager_invites_on_the_page_of_people(client, alice, team, mails):
    client.force_login(alice)
    page = client.get(reverse("admin:incidents_user_add")).content.decode()
    answer = client.post(
        reverse("admin:incidents_user_add"),
        {**FACTS, "timezone": "Europe/Oslo", "team": team.pk, "role": "viewer"},
    )

    newt = User.objects.get(username="newt")
    assert "Administrator: may change everything" not in page
    assert answer["Location"] == reverse("admin:incidents_user_change", args=[newt.pk])
    assert newt.roles == {team.pk: "viewer"}
    assert Delivery.objects.count() == 1


def test_the_page_shows_the_link_once_where_it_cannot_be_mailed(client, root, team):
    client.force_login(root)
    facts = {**FACTS, "timezone": "UTC", "team": team.pk, "role": "viewer", "access": "member"}
    shown = client.post(reverse("admin:incidents_user_add"), facts, follow=True).content.decode()
    again = client.get(
        reverse("admin:incidents_user_change", args=[User.objects.get(username="newt").pk])
    ).content.decode()

    assert re.search(r'<code class="t-code t-copy" x-ref="link">http://\S+/welcome/', shown)
    assert "/welcome/" not in again
    assert "invited, not here yet" in client.get(reverse("admin:incidents_user_changelist")).text


def test_a_bad_address_is_said_at_its_field_and_nobody_is_made(client, root, team):
    client.force_login(root)
    facts = {"username": "x", "email": "root@example.org", "timezone": "UTC"}
    page = client.post(
        reverse("admin:incidents_user_add"), {**facts, "role": "viewer", "access": "member"}
    )

    assert "Somebody has this e-mail address already." in page.content.decode()
    assert not User.objects.filter(username="x").exists()


# --- Following the link ---------------------------------------------------------------------------


@pytest.fixture
def invited(root, team):
    return services.invite_person(**FACTS, team=team, actor=root)


def test_looking_at_the_link_changes_nothing(client, invited):
    path = path_of(invited.link)

    for _ in range(3):
        assert client.get(path).status_code == 200
        assert client.head(path).status_code == 200

    invited.user.refresh_from_db()
    assert not invited.user.has_usable_password()
    assert "_auth_user_id" not in client.session


def test_the_invited_person_chooses_password_and_zone_and_is_in(client, invited):
    answer = choose(client, path_of(invited.link))

    invited.user.refresh_from_db()
    assert answer["Location"] == reverse("profile")
    assert client.session["_auth_user_id"] == str(invited.user.pk)
    assert invited.user.timezone == "Europe/Paris"
    assert invited.user.check_password(SECRET)


def test_a_link_works_once(client, invited):
    choose(client, path_of(invited.link))
    again = choose(Client(), path_of(invited.link), new_password1="another long one")

    invited.user.refresh_from_db()
    assert again.status_code == 410
    assert invited.user.check_password(SECRET)


def test_a_link_is_not_for_ever(client, invited, settings):
    settings.PASSWORD_RESET_TIMEOUT = -1

    assert client.get(path_of(invited.link)).status_code == 410


@pytest.mark.parametrize(
    "path", ["/welcome/MQ/x-y/", "/welcome/!!/x/", "/welcome/OTk5OTk5OTk/a-b/"]
)
def test_a_made_up_link_is_void(client, root, path):
    assert client.get(path).status_code == 410
    assert choose(client, path).status_code == 410


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"new_password1": "short", "new_password2": "short"}, "at least 12 characters"),
        ({"new_password2": "something else"}, "match"),
        ({"new_password1": "newt@example.org", "new_password2": "newt@example.org"}, "similar"),
        ({"timezone": "Mars/Olympus"}, "Select a valid choice"),
    ],
)
def test_a_bad_password_is_refused_and_the_link_lives(client, invited, facts, told):
    page = choose(client, path_of(invited.link), **facts).content.decode()

    assert told in page
    assert choose(client, path_of(invited.link)).status_code == 302


def test_whoever_followed_a_mailed_link_can_be_paged_there(client, root, team, mails):
    user = services.invite_person(**FACTS, team=team, actor=root).user
    choose(client, link_in(Delivery.objects.get()))

    method = user.contact_methods.get()
    assert (method.kind, method.address, method.is_verified) == ("email", user.email, True)


def test_a_link_handed_over_proves_no_address(client, invited):
    choose(client, path_of(invited.link))

    assert not invited.user.contact_methods.exists()


def test_who_never_logged_in_is_invited_again(client, alice, root, team, mails):
    user = services.invite_person(**FACTS, team=team, actor=root).user
    client.force_login(alice)
    url = reverse("admin:incidents_user_verb", args=[user.pk, "invite-again"])

    client.post(url)

    assert Delivery.objects.filter(subject="Alice invites you to Tocsin").count() == 1


def test_a_manager_does_not_come_by_a_higher_account(alice, root, team):
    """The link may be shown: who gets it gets the account."""
    higher = services.invite_person(
        **FACTS, team=team, access=Access.ADMINISTRATOR, actor=root
    ).user
    elsewhere = UserFactory(username="else")

    assert not services.may_invite_again(alice, higher)
    assert not services.may_invite_again(alice, elsewhere)


# --- Forgotten ------------------------------------------------------------------------------------


def ask(client, who="root", address="203.0.113.7"):
    return client.post("/forgotten/", {"who": who}, REMOTE_ADDR=address)


def test_a_forgotten_password_is_set_anew_by_mail(client, root, mails):
    client.force_login(root)
    client.logout()
    ask(client)
    page = choose(
        client,
        link_in(Delivery.objects.get()),
        new_password2="a wholly new secret",
        new_password1="a wholly new secret",
    )

    root.refresh_from_db()
    assert page["Location"] == "/"
    assert root.check_password("a wholly new secret")
    assert root.timezone == "Europe/Berlin"


def test_the_answer_is_the_same_for_everybody(client, root, mails):
    gone = UserFactory(username="gone", is_active=False)
    pages = [
        re.sub(r'value="\w{64}"', "", ask(client, who).content.decode())
        for who in ["root", "nobody", gone.username, "ROOT@example.org"]
    ]

    assert len(set(pages)) == 1
    assert {delivery.recipient for delivery in Delivery.objects.all()} == {root}


def test_a_mailbox_is_not_flooded(client, root, mails):
    answers = [ask(client, address=f"203.0.113.{n}").status_code for n in range(6)]

    assert answers == [200] * 6
    assert Delivery.objects.count() == 3


def test_an_address_does_not_ask_for_everybody(client, root, mails):
    answers = [ask(client, who=f"name{n}").status_code for n in range(11)]

    assert answers == [200] * 10 + [429]


def test_asking_does_not_use_up_tries_to_log_in(client, root, mails):
    for number in range(10):
        ask(client, who=f"name{number}")
    entered = client.post(
        "/login/", {"username": "root", "password": SECRET}, REMOTE_ADDR="203.0.113.7"
    )

    assert entered.status_code == 302


def test_without_a_mail_server_it_says_whom_to_ask(client, root):
    page = ask(client).content.decode()

    assert "Ask an administrator" in page
    assert "/welcome/" not in page


# --- One's own ------------------------------------------------------------------------------------


def change(client, old=SECRET, new="a wholly new secret"):
    return client.post(
        "/me/password/", {"old_password": old, "new_password1": new, "new_password2": new}
    )


def test_changing_the_password_ends_the_other_sessions(client, root):
    elsewhere = Client()
    for browser in [client, elsewhere]:
        browser.force_login(root)

    answer = change(client)

    assert answer["Location"] == reverse("profile")
    assert client.get("/i/").status_code == 200
    assert elsewhere.get("/i/").status_code == 302


def test_it_takes_the_old_one(client, root):
    client.force_login(root)

    assert "This is not your password." in change(client, old="wrong").content.decode()
    root.refresh_from_db()
    assert root.check_password(SECRET)


def test_guessing_the_old_one_is_counted(client, root, clock):
    client.force_login(root)
    answers = [change(client, old=f"guess {n}").status_code for n in range(11)]

    assert answers == [200] * 10 + [429]
    assert change(client).status_code == 429


def test_the_admin_leads_here(client, root):
    client.force_login(root)

    assert client.get("/admin/password_change/")["Location"] == "/me/password/"


def test_a_link_made_before_is_void_after_the_change(client, root):
    link = services.password_link(root)
    client.force_login(root)
    change(client)

    assert Client().get(path_of(link)).status_code == 410
    assert not default_token_generator.check_token(root, "x-y")
