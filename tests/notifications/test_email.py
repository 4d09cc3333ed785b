import pytest

from incidents.notifications import services
from incidents.notifications.models import Delivery
from tests.chaos.servers import free_port
from tests.notifications.conftest import page, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailed(bob, reach):
    return reach(bob, "bob@example.org", kind="email")


def test_it_works(incident, bob, mailed, mailbox, settings):
    link = services.Link("Acknowledge", "https://example.org/ack?a=1&b=2")
    delivery = page(incident, bob, body="Checkout <b>is</b> down", links=[link])

    post()

    mail = mailbox.mails[0]
    assert (mail["To"], mail["Subject"]) == ("bob@example.org", "Checkout is down")
    assert mail["Message-ID"] == f"<{delivery.pk}@{settings.MAIL_DOMAIN}>"
    assert mail["Auto-Submitted"] == "auto-generated"
    plain, html = (mail.get_body([kind]).get_content() for kind in ("plain", "html"))
    assert "Acknowledge: https://example.org/ack?a=1&b=2" in plain
    assert "&lt;b&gt;" in html
    assert 'href="https://example.org/ack?a=1&amp;b=2"' in html


def test_a_template_that_raises_leaves_the_plain_text(
    incident, bob, mailed, mailbox, settings, tmp_path
):
    (tmp_path / "notifications").mkdir()
    (tmp_path / "notifications" / "email.html").write_text("{% nonsense %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]

    page(incident, bob)
    post()

    assert mailbox.mails[0].get_content_type() == "text/plain"
    assert "Acknowledge it." in mailbox.mails[0].get_content()


@pytest.mark.parametrize(
    ("command", "answer", "state"),
    [
        ("RCPT", "550 no such mailbox", "failed"),
        ("RCPT", "451 greylisted", "pending"),
        ("MAIL", "553 not from here", "failed"),
        (".", "554 looks like spam", "failed"),
        (".", "452 disk full", "pending"),
        ("DATA", "421 going down", "pending"),
    ],
)
def test_it_tells_for_ever_from_for_now(
    incident, bob, mailed, mailbox, command: str, answer: str, state: str
):
    mailbox.answers[command] = answer
    delivery = page(incident, bob)

    post()

    delivery.refresh_from_db()
    assert delivery.state == state
    assert answer in delivery.tries.get().detail
    assert mailbox.mails == []


def test_a_bad_farewell_is_no_failure(incident, bob, mailed, mailbox):
    mailbox.answers["QUIT"] = "500 what?"
    delivery = page(incident, bob)

    post()

    delivery.refresh_from_db()
    assert delivery.state == "sent"


def test_a_server_that_is_away_is_tried_again(incident, bob, mailed, mailbox, settings):
    settings.SMTP_PORT = free_port()
    delivery = page(incident, bob)

    post()

    delivery.refresh_from_db()
    assert delivery.state == "pending"


def test_without_a_server_it_says_so(incident, bob, mailed, settings, given_up):
    settings.SMTP_HOST = ""
    delivery = page(incident, bob)

    post()

    delivery.refresh_from_db()
    assert delivery.state == "failed"
    assert delivery.last_error == "No mail server is set up here (SMTP_HOST)."
    assert len(given_up) == 1
    assert Delivery.objects.count() == 1
