"""When and where people meet, who is invited, and that it was held."""

import email
from datetime import timedelta
from email import policy

import icalendar
import pytest

from incidents.core import services as core
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.models import Incident, Kind, User
from incidents.notifications import services as notifications
from incidents.notifications.models import Delivery
from incidents.notifications.transports import email as mail
from incidents.notifications.transports.base import Outgoing
from incidents.reviews import services as reviews
from incidents.reviews.models import Review
from incidents.timers.clock import VirtualClock
from tests.escalation.conftest import give_phone
from tests.factories import UserFactory
from tests.reviews.stage import heard, letters, review_of

pytestmark = pytest.mark.django_db

TOMORROW = timedelta(days=1, hours=4)  # Tuesday at 14:00, within the window


@pytest.fixture
def scheduled(review: Review, bob: User, clock: VirtualClock) -> Review:
    made = reviews.schedule(review, at=clock.at + TOMORROW, place="Room 7", actor=bob)
    heard()
    return made


def event_in(letter: Outgoing) -> tuple[str, icalendar.Event]:
    """The method and the event of an invitation."""
    calendar = icalendar.Calendar.from_ical(letter.calendar)
    return str(calendar["method"]), calendar.events[0]


def test_it_works(review: Review, bob: User, clock: VirtualClock):
    at = clock.at + TOMORROW

    made = reviews.schedule(review, at=at, place="Room 7", actor=bob)

    assert (made.state, made.scheduled_at, made.place) == ("scheduled", at, "Room 7")
    assert made.incident.review_due_at == at
    assert [who for who, _ in heard()] == ["alice", "bob"]
    assert made.incident.timeline.filter(kind=Kind.REVIEW_SCHEDULED).count() == 1


def test_everybody_gets_an_invitation_that_a_calendar_understands(
    review: Review, bob: User, clock: VirtualClock, settings
):
    at = clock.at + TOMORROW
    reviews.schedule(review, at=at, length=timedelta(minutes=45), place="Room 7", actor=bob)

    letter = letters()[0]
    method, event = event_in(letter)

    assert method == "REQUEST"
    assert event["uid"] == f"review-{review.pk}@{settings.MAIL_DOMAIN}"
    assert (event.start, event.end) == (at, at + timedelta(minutes=45))
    assert (event["sequence"], event["location"], event["status"]) == (1, "Room 7", "CONFIRMED")
    guests = {str(one): one.params["role"] for one in event["attendee"]}
    assert guests == {
        "mailto:bob@example.org": "CHAIR",
        "mailto:alice@example.org": "REQ-PARTICIPANT",
    }
    assert "Tuesday 3 March 2026, 14:00 UTC, 45 min" in letter.text
    assert "Where: Room 7" in letter.text
    assert "Everybody did their best" in letter.text


def test_a_mail_carries_it_as_mail_programs_expect(
    review: Review, bob: User, clock: VirtualClock, settings
):
    reviews.schedule(review, at=clock.at + TOMORROW, actor=bob)
    letter = letters()[0]

    written = mail._message(letter).message().as_bytes()
    read = email.message_from_bytes(written, policy=policy.default)
    (part,) = [one for one in read.walk() if one.get_content_type() == "text/calendar"]

    assert part.get_param("method") == "REQUEST"
    assert part.get_filename() == "invite.ics"
    assert b"BEGIN:VEVENT\r\n" in part.get_payload(decode=True)


def test_an_invitation_goes_by_mail_where_somebody_likes_something_else_better(
    review: Review, bob: User, clock: VirtualClock, settings
):
    settings.SMTP_HOST = "mail.example.org"
    second = notifications.add_contact_method(
        bob, kind="email", address="bob@example.org", actor=None
    )
    notifications.vouch_for(second, actor=None)

    reviews.schedule(review, at=clock.at + TOMORROW, actor=bob)

    (invited,) = Delivery.objects.filter(recipient=bob).exclude(calendar="")
    assert (invited.transport, invited.address) == ("email", "bob@example.org")


def test_the_same_again_invites_nobody_twice(scheduled: Review, bob: User):
    reviews.schedule(scheduled, at=scheduled.scheduled_at, place="Room 7", actor=bob)

    assert heard() == []
    assert review_of(scheduled.incident).sequence == 1


def test_it_moves_in_everybodys_calendar(scheduled: Review, bob: User):
    later = scheduled.scheduled_at + timedelta(hours=3)

    reviews.schedule(scheduled, at=later, actor=bob)

    moved = letters()
    assert {one.subject.partition(":")[0] for one in moved} == {"Review moved"}
    method, event = event_in(moved[0])
    assert (method, event["sequence"], event.start) == ("REQUEST", 2, later)


def test_it_is_cancelled_in_everybodys_calendar(scheduled: Review, bob: User, clock: VirtualClock):
    review = reviews.cancel(scheduled, reason="Bob is ill.", actor=bob)

    assert (review.state, review.scheduled_at) == ("due", None)
    cancelled = letters()
    assert {one.address for one in cancelled} == {"alice", "bob"}
    method, event = event_in(cancelled[0])
    assert (method, event["status"], event["sequence"]) == ("CANCEL", "CANCELLED", 2)
    assert "Bob is ill." in cancelled[0].text
    assert review.incident.review_due_at == review.latest_at


def test_outside_of_its_window_it_needs_a_reason(
    review: Review, bob: User, charlie: User, clock: VirtualClock
):
    with pytest.raises(DomainError, match="wants it after 2026-03-03 10:00 UTC and by 2026-03-05"):
        reviews.schedule(review, at=clock.at + timedelta(hours=4), actor=bob)
    early = reviews.schedule(
        review, at=clock.at + timedelta(hours=4), reason="All are here today.", actor=charlie
    )
    assert early.state == "scheduled"

    week = clock.at + timedelta(days=7)
    with pytest.raises(Forbidden, match="later than its runbook asks"):
        reviews.schedule(review, at=week, reason="Holidays.", actor=charlie)
    late = reviews.schedule(review, at=week, reason="Holidays.", actor=bob)
    assert late.incident.timeline.filter(summary__contains="Holidays.").exists()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"at": timedelta(0)}, "in the future"),
        ({"at": timedelta(days=400)}, "within a year"),
        ({"length": timedelta(minutes=1)}, "between 5 minutes and 8 hours"),
        ({"length": timedelta(hours=9)}, "between 5 minutes and 8 hours"),
        ({"place": "x" * 301}, "longer than 300"),
    ],
)
def test_it_refuses_what_makes_no_sense(review: Review, bob: User, clock, facts, message):
    given = {"at": clock.at + facts.pop("at", TOMORROW), **facts}

    with pytest.raises(DomainError, match=message):
        reviews.schedule(review, actor=bob, reason="Because.", **given)

    assert heard() == []


def test_somebody_who_was_shut_out_cannot_facilitate(review: Review, bob, charlie, clock):
    core.deactivate_person(charlie, actor=UserFactory(username="root", is_superuser=True))

    with pytest.raises(DomainError, match="deactivated"):
        reviews.schedule(review, at=clock.at + TOMORROW, facilitator=charlie, actor=bob)


def test_who_comes_later_is_invited_alone_and_who_need_not_come_hears_so(
    scheduled: Review, bob: User, charlie: User
):
    give_phone(charlie)
    guest = reviews.add_attendee(scheduled, user=charlie, role="Knows the disks", actor=bob)
    assert [who for who, _ in heard()] == ["charlie"]
    assert reviews.add_attendee(scheduled, user=charlie, actor=bob) == guest
    assert heard() == []

    reviews.remove_attendee(scheduled, attendee=guest, actor=bob)

    assert [who for who, _ in heard()] == ["charlie"]
    assert not scheduled.attendees.filter(user=charlie).exists()


def test_whoever_was_taken_off_by_mistake_is_invited_again(
    scheduled: Review, bob: User, charlie: User
):
    give_phone(charlie)
    guest = reviews.add_attendee(scheduled, user=charlie, actor=bob)
    reviews.remove_attendee(scheduled, attendee=guest, actor=bob)
    reviews.add_attendee(scheduled, user=charlie, actor=bob)

    events = [event_in(one) for one in letters()]

    # Whatever order mail arrives in, calendars go by the numbers.
    assert sorted((event["sequence"], method) for method, event in events) == [
        (2, "REQUEST"),
        (3, "CANCEL"),
        (4, "REQUEST"),
    ]


def test_whoever_facilitates_stays(scheduled: Review, bob: User):
    with pytest.raises(DomainError, match="somebody else facilitate"):
        reviews.remove_attendee(scheduled, attendee=scheduled.attendees.get(user=bob), actor=bob)


def test_it_was_held_and_who_came(scheduled: Review, alice, bob, charlie, clock: VirtualClock):
    clock.forward(days=1, hours=5)

    held = reviews.hold(scheduled, came=[bob, charlie], actor=bob)

    assert (held.state, held.held_at) == ("held", clock.at)
    came = {str(one.user): one.came for one in held.attendees.select_related("user")}
    assert came == {"Bob": True, "Charlie": True, "Alice": False}
    assert held.incident.timeline.filter(kind=Kind.REVIEW_HELD).count() == 1


def test_a_meeting_that_nobody_had_scheduled_is_held_as_well(
    review: Review, bob: User, clock: VirtualClock
):
    clock.forward(hours=30)

    held = reviews.hold(review, at=clock.at - timedelta(hours=2), actor=bob)

    assert (held.state, held.scheduled_at) == ("held", held.held_at)
    assert heard() == []


def test_it_cannot_have_been_held_in_the_future_or_before_it_was_over(
    review: Review, over: Incident, bob: User, clock: VirtualClock
):
    with pytest.raises(DomainError, match="in the future"):
        reviews.hold(review, at=clock.at + timedelta(minutes=1), actor=bob)
    with pytest.raises(DomainError, match="before the incident was over"):
        reviews.hold(review, at=clock.at - timedelta(days=1), actor=bob)


def test_once_held_it_is_neither_scheduled_nor_held_again(review: Review, bob: User, clock):
    reviews.hold(review, actor=bob)

    with pytest.raises(Refused) as refused:
        reviews.schedule(review, at=clock.at + TOMORROW, actor=bob)
    assert refused.value.allowed == ["publish", "waive"]
    with pytest.raises(Refused):
        reviews.hold(review, actor=bob)
    with pytest.raises(Refused):
        reviews.add_attendee(review, user=bob, actor=bob)
