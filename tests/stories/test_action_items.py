"""What is agreed after an outage, until it is shown to hold: ten weeks on the virtual clock.

Under the schedgen runbook, in Germany, over Easter (Good Friday is 3 April 2026). People work over
the API; everything that anybody hears of an action item on the way is asserted, in order.
"""

from datetime import UTC, datetime

import pytest

from incidents.core import services as core
from incidents.core.models import Organisation, Service
from incidents.runbooks import services as runbooks
from tests.factories import MembershipFactory, UserFactory
from tests.reviews.desk import heard, live_until, over, reachable

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls(client):
    """`calls(user, "POST", path, **facts)`: over the API, with a token of this person."""
    tokens = {}

    def call(user, method, path, /, **facts):
        if user not in tokens:
            _, tokens[user] = core.issue_token(user, name="story", scope="manage")
        headers = {"Authorization": f"Bearer {tokens[user]}"}
        body = {"data": facts, "content_type": "application/json"} if method == "POST" else facts
        answer = getattr(client, method.lower())(f"/api/v1/{path}", headers=headers, **body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    return call


def april(day, hour=12):
    return datetime(2026, 4, day, hour, tzinfo=UTC)


@pytest.fixture
def house(team, service, alice, bob, clock):
    """Alice manages Payments, Bob and Carol work there; the outage is on Monday, 30 March."""
    clock.at = datetime(2026, 3, 30, 10, tzinfo=UTC)
    carol = UserFactory(username="carol")
    MembershipFactory(team=team, user=carol)
    reachable(alice, bob, carol)
    runbooks.adopt("schedgen", team=team, actor=alice)
    Organisation.objects.update_or_create(pk=1, defaults={"country": "DE"})
    return carol


def outage(title, bob):
    incident = core.declare(
        title=title,
        service=Service.objects.get(slug="checkout"),
        severity="SEV2",
        incident_type="database-down",
    )
    return over(incident, bob)


def without_weeks(told):
    return [one for one in told if not one[2].startswith("Week of")]


def test_it_is_agreed_reminded_escalated_handed_over_done_doubted_and_done_again(
    house, calls, alice, bob, clock
) -> None:
    carol = house
    first = outage("The database is down", bob)
    heard()

    # On the day of the meeting two things are agreed; one of them waits for an owner.
    clock.at = datetime(2026, 3, 31, 12, tzinfo=UTC)
    items = f"incidents/{first.reference}/action-items/"
    replica = calls(alice, "POST", items, title="Fail over by itself", priority="high", owner="bob")
    docs = calls(alice, "POST", items, title="Write down the fail-over", kind="document")
    assert replica["due_on"] == "2026-04-07"  # a week, as the runbook wants of high priority
    assert docs["due_on"] == "2026-04-14"
    assert heard() == [
        ("bob", f"Yours to do by 2026-04-07: Fail over by itself ({first.reference})")
    ]

    # The manager hears of what nobody owns. Good Friday and Easter Monday are free: two working
    # days before Tuesday the 7th are Wednesday the 1st.
    told = live_until(clock, april(7))
    assert without_weeks(told) == [
        ("Wed 01 Apr", "alice", "Action items of Payments: 1 to give"),
        ("Wed 01 Apr", "bob", "Action items of Payments: 1 due soon"),
        ("Tue 07 Apr", "bob", "Action items of Payments: 1 due"),
    ]
    # The week begins on Tuesday: everybody hears where the team stands.
    assert [(day, who) for day, who, what in told if what.startswith("Week of")] == [
        ("Tue 07 Apr", "alice"),
        ("Tue 07 Apr", "bob"),
        ("Tue 07 Apr", "carol"),
    ]
    calls(alice, "POST", f"action-items/{docs['id']}/assign/", owner="carol")
    assert [who for who, _ in heard()] == ["carol"]

    # Bob does nothing. After the grace his manager hears of it, once.
    told = without_weeks(live_until(clock, april(13, 8)))
    assert told == [
        ("Fri 10 Apr", "alice", "Action items of Payments: 1 overdue"),
        ("Fri 10 Apr", "carol", "Action items of Payments: 1 due soon"),
    ]

    # Bob leaves: what was his is his manager's, who gives it to Carol.
    core.deactivate_person(bob, actor=UserFactory(username="root"))
    assert heard() == [("alice", "Bob was deactivated: 1 action item is yours now")]
    calls(alice, "POST", f"action-items/{replica['id']}/assign/", owner="carol")
    assert [what for _, what in heard()] == [
        f"Yours to do by 2026-04-07: Fail over by itself ({first.reference})"
    ]

    # Carol does both. The action review of the runbook is two weeks after the incident, which is
    # over by then, so it is two weeks after it was done.
    clock.at = april(14, 8)
    mine = calls(carol, "GET", "action-items/", data={"owner": "me"})["results"]
    assert [one["title"] for one in mine] == ["Fail over by itself", "Write down the fail-over"]
    for one in mine:
        calls(carol, "POST", f"action-items/{one['id']}/finish/", evidence="https://git.example/7")
    assert without_weeks(live_until(clock, april(27))) == []

    # It is asked whether it helped; about what was only written down, too.
    told = without_weeks(live_until(clock, april(29)))
    assert told == [("Tue 28 Apr", "carol", "Action items of Payments: 2 to be shown to help")]
    calls(carol, "POST", f"action-items/{docs['id']}/verify/", proof="The new one could do it.")

    # It happens again. What was to prevent it is suspected; what was written down is not.
    again = outage("The database is down again", carol)
    heard()
    told = without_weeks(live_until(clock, april(30)))
    assert told == [
        ("Thu 30 Apr", "alice", "Action items of Payments: 1 to judge"),
        ("Thu 30 Apr", "carol", "Action items of Payments: 1 to judge"),
    ]
    [suspicion] = calls(carol, "GET", f"action-items/{replica['id']}/")["suspicions"]
    assert suspicion["incident"] == again.reference

    # Confirmed: it is to be done anew, and both incidents say so.
    said = calls(
        carol,
        "POST",
        f"action-items/{replica['id']}/confirm-suspicion/",
        suspicion=suspicion["id"],
        note="The replica had no room either",
    )
    assert (said["state"], said["failures"], said["due_on"]) == ("open", 1, "2026-05-07")
    for incident, other in [(first, again), (again, first)]:
        [entry] = incident.timeline.filter(kind="action_reopened")
        assert other.reference in entry.summary
        assert "The replica had no room either" in entry.summary

    # Carol does it at once, and it holds: nobody hears of it any more, but where the team stands.
    calls(carol, "POST", f"action-items/{replica['id']}/start/")
    clock.at = april(30, 15)
    calls(carol, "POST", f"action-items/{replica['id']}/finish/", evidence="https://git.example/8")
    told = without_weeks(live_until(clock, datetime(2026, 5, 18, 12, tzinfo=UTC)))
    assert told == [("Thu 14 May", "carol", "Action items of Payments: 1 to be shown to help")] or [
        what for _, _, what in told
    ] == ["Action items of Payments: 1 to be shown to help"]
    calls(carol, "POST", f"action-items/{replica['id']}/verify/", proof="It failed over on 12 May.")
    assert live_until(clock, datetime(2026, 6, 30, tzinfo=UTC)) == []
