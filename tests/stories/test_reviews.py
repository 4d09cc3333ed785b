"""What happens after an incident under each of the five runbooks, until its review is closed.

By the API and on the virtual clock, weekends and holidays included. Every message about the review,
its steps and its action items is asserted with its moment: what is not in a list was not sent.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incidents.core import services as core
from incidents.core.models import Organisation, Service
from incidents.notifications import engine as outbox
from incidents.notifications.transports.recorder import Recorder
from incidents.runbooks import services as runbooks
from incidents.timers import engine as timers
from incidents.timers.models import Timer
from tests.escalation import conftest as escalation
from tests.escalation.rulebook import person

pytestmark = pytest.mark.django_db

schedule, last_resort, phones = escalation.schedule, escalation.last_resort, escalation.phones

FUNCTIONS = {"engineering-lead": "lena", "product-owner": "otto", "team-lead": "tom"}
OURS = (
    *("Review ", "Invitation", "Cancelled: review", "No review", "Worth a review"),
    *("To do ", "Overdue after", "Action items", "Yours to do", "Week of"),
)
Told = list[tuple[str, str, str]]


class Afterwards:
    """One incident that is over, and what people do about it over the API."""

    def __init__(self, client: Any, clock: Any) -> None:
        self.client, self.clock, self.tokens = client, clock, {}
        self.twice: set[tuple[str, str, str]] = set()

    def ends(self, service: Any, at: str, severity: str, bob: Any) -> None:
        """Somebody resolves it at that moment (UTC)."""
        self.clock.at = datetime.fromisoformat(at).replace(tzinfo=UTC) - timedelta(hours=1)
        service = Service.objects.get(pk=service.pk)  # with the runbook that was chosen
        incident = core.declare(title="Payments fail", service=service, severity=severity)
        core.acknowledge(incident, actor=bob)
        core.assign_role(incident, role="commander", user=bob, actor=bob)
        self.clock.forward(hours=1)
        core.resolve(
            incident,
            suspected_cause="The disk was full",
            root_cause="Nothing rotates the logs of the ledger",
            mitigation="Deleted old logs",
            kind="other",
            resolution="Payments work",
            override_reason="It is seen to work.",
            actor=bob,
        )
        self.reference = incident.reference

    def does(
        self, user: Any, verb: str, method: str = "post", status: int = 0, **facts: Any
    ) -> Any:
        """A verb of its review."""
        path = f"reviews/{self.reference}/" + (f"{verb}/" if verb else "")
        return self._call(user, method, path, status, facts)

    def item(self, user: Any, **facts: Any) -> int:
        path = f"incidents/{self.reference}/action-items/"
        return self._call(user, "post", path, 0, facts)["id"]

    def finishes(self, user: Any, item: int) -> None:
        self._call(user, "post", f"action-items/{item}/finish/", 0, {"evidence": "It is deployed"})

    def sees(self, user: Any) -> dict[str, Any]:
        return self._call(user, "get", f"reviews/{self.reference}/", 0, {})

    def steps_done(self, user: Any, *titles: str) -> None:
        for plan in self.sees(user)["follow_ups"]:
            for step in plan["steps"]:
                if plan["title"] in titles and step["done_at"] is None:
                    self.does(user, f"steps/{step['id']}/finish", note="Seen")

    def writes(self, user: Any, **facts: Any) -> None:
        """All that publishing asks for."""
        said = {
            "version": self.sees(user)["version"],
            "impact": "Nobody could pay for an hour",
            "users_affected": 1_200,
            "revenue_lost": "4000.00",
            "currency": "EUR",
            "data_lost": "none",
            "root_cause": "Nothing rotates the logs of the ledger",
            "contributing_factors": "Nothing watches its disk",
            "timeline_checked": True,
        }
        self.does(user, "", "patch", **(said | facts))

    def unmet(self, user: Any, verb: str) -> set[str]:
        return {one["code"] for one in self.does(user, verb, status=409)["unmet"]}

    def until(self, moment: str) -> Told:
        """(moment, person, beginning of the subject) of all that people hear by then (UTC)."""
        end = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        told: Told = []
        while True:
            told += self._heard()
            if self.clock.at >= end:
                return told
            due = Timer.objects.pending().filter(due_at__gt=self.clock.at, due_at__lte=end)
            following = due.order_by("due_at").values_list("due_at", flat=True).first()
            self.clock.at = following or end

    def _heard(self) -> Told:
        while timers.tick() + outbox.dispatch(wait=True):
            pass
        found = [one for one in Recorder.sent if one.subject.startswith(OURS)]
        Recorder.sent.clear()
        for one in found:
            letter = (one.address, one.subject, one.text)
            if one.subject.startswith("Week of"):  # a digest may well be the same as last week's
                continue
            assert letter not in self.twice, f"{one.address} was told the same thing twice"
            self.twice.add(letter)
        moment = f"{self.clock.at:%a %d %b %H:%M}"
        return sorted((moment, one.address, one.subject.partition(": ")[0]) for one in found)

    def _call(self, user: Any, method: str, path: str, status: int, facts: dict[str, Any]) -> Any:
        if user not in self.tokens:
            _, self.tokens[user] = core.issue_token(user, name="story", scope="manage")
        headers = {"Authorization": f"Bearer {self.tokens[user]}"}
        body = {} if method == "get" else {"data": facts, "content_type": "application/json"}
        answer = getattr(self.client, method)(f"/api/v1/{path}", headers=headers, **body)
        good = answer.status_code == status if status else answer.status_code < 300
        assert good, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
def after(client, clock) -> Afterwards:
    return Afterwards(client, clock)


@pytest.fixture
def live_by(schedule, last_resort, phones, team, alice, clock) -> Callable[[str], None]:
    """The team chooses a shipped runbook; everybody has a phone; the office is in Berlin."""

    def choose(slug: str) -> None:
        for function, name in FUNCTIONS.items():
            person(name, function, team="payments")
        runbooks.adopt(slug, team=team, actor=alice)
        Organisation.objects.update_or_create(
            pk=1, defaults={"timezone": "Europe/Berlin", "country": "DE"}
        )

    return choose


def but_items(told: Told) -> Told:
    """Without what is told of action items, which a story of their own asserts."""
    return [one for one in told if not one[2].startswith(("Action items", "Yours", "Week of"))]


def test_tps_reviews_after_easter_and_its_manager_hears_what_nobody_did(
    live_by, after, service, alice, bob
):
    """24 to 72 hours after Wednesday afternoon: that is Easter Saturday, so it is Tuesday."""
    live_by("tps")
    after.ends(service, "2026-04-01 15:00", "SEV2", bob)
    review = after.sees(bob)
    assert (review["earliest_at"], review["latest_at"], review["length"]) == (
        "2026-04-02T15:00:00Z",
        "2026-04-07T15:00:00Z",
        3600,
    )
    assert [point["title"] for point in review["agenda"]][1] == "Root cause"

    assert after.until("2026-04-09 08:00") == [
        ("Wed 01 Apr 15:00", "bob", "Review to be held"),
        ("Tue 07 Apr 07:00", "bob", "Review due soon"),
        ("Tue 07 Apr 15:00", "bob", "Review due"),
        ("Wed 08 Apr 15:00", "alice", "Review overdue"),
    ]
    after.does(bob, "schedule", at="2026-04-10T09:00:00Z", reason="After the holidays.")
    assert after.until("2026-04-10 09:50") == [
        ("Thu 09 Apr 08:00", "alice", "Invitation"),
        ("Thu 09 Apr 08:00", "bob", "Invitation"),
        ("Thu 09 Apr 10:00", "bob", "Review due soon"),
    ]

    after.does(bob, "hold", came=["alice", "bob"])
    disk = after.does(bob, "whys", ask="Why did payments fail?", answer="The disk was full")
    after.does(bob, "whys", ask="Why was it full?", parent=disk["id"], answer="A human error")
    behind = after.sees(bob)["whys"][-1]
    assert "What in the system" in behind["ask"]
    after.does(bob, f"whys/{behind['id']}", "patch", version=1, answer="Nothing tests it")
    after.writes(bob, downtime_minutes=None)
    assert after.unmet(bob, "publish") == {"downtime_minutes", "actions"}
    item = after.item(
        bob, title="Test the rotation", owner="bob", is_required=True, why=behind["id"]
    )
    after.writes(bob, downtime_minutes=60)
    after.does(bob, "publish")
    assert after.unmet(alice, "close") == {"action_item"}

    told = after.until("2026-05-04 08:00")
    assert [one for one in told if one[2].startswith("Review")] == [
        ("Fri 10 Apr 09:50", "alice", "Review published"),
    ]
    after.finishes(bob, item)
    assert after.does(alice, "close")["state"] == "closed"
    assert [one for one in after.until("2026-06-01 10:00") if one[2].startswith("Review")] == []


def test_saas_wants_evidence_within_two_hours_and_the_review_within_two_days(
    live_by, after, service, alice, bob
):
    live_by("saas")
    after.ends(service, "2026-03-02 10:00", "SEV1", bob)
    commands = after.sees(bob)["follow_ups"][0]["commands"]
    assert commands[0] == f"manage.py incident export --id {after.reference}"

    assert after.until("2026-03-03 12:30") == [
        ("Mon 02 Mar 10:00", "bob", "Review to be held"),
        ("Mon 02 Mar 12:00", "bob", "To do now"),
        ("Tue 03 Mar 10:00", "bob", "Review due soon"),
        ("Tue 03 Mar 10:00", "bob", "To do soon"),
        ("Tue 03 Mar 12:00", "alice", "Overdue after an incident"),
    ]
    after.steps_done(bob, "Preserve what happened")
    after.does(bob, "schedule", at="2026-03-04T09:00:00Z", length=1800, place="Room 7")
    assert after.until("2026-03-04 09:30") == [
        ("Tue 03 Mar 12:30", "alice", "Invitation"),
        ("Tue 03 Mar 12:30", "bob", "Invitation"),
        ("Tue 03 Mar 12:30", "otto", "Invitation"),
        ("Wed 04 Mar 09:30", "bob", "Review due"),
    ]

    after.does(bob, "hold")
    open_steps = [
        one["text"] for one in after.sees(bob)["follow_ups"][1]["steps"] if not one["done_at"]
    ]
    assert "Hold a blameless post-mortem" not in open_steps
    after.writes(bob, no_actions_reason="The rotation was repaired while it was down.")
    after.does(bob, "publish")
    assert after.unmet(bob, "close") == {"step"}
    assert after.until("2026-03-06 08:00") == [
        ("Wed 04 Mar 09:30", "alice", "Review published"),
        ("Wed 04 Mar 09:30", "otto", "Review published"),
        ("Wed 04 Mar 10:00", "bob", "To do now"),
        ("Thu 05 Mar 08:00", "bob", "Review due soon"),
        ("Thu 05 Mar 10:00", "alice", "Overdue after an incident"),
        ("Thu 05 Mar 16:00", "bob", "Review due"),
    ]

    after.steps_done(bob, "Learn from it")
    assert after.does(bob, "close")["state"] == "closed"
    assert after.until("2026-04-06 10:00") == []


def test_schedgen_goes_through_its_steps_for_two_weeks_and_reviews_its_action_items(
    live_by, after, service, alice, bob
):
    """Resolved on a Friday afternoon: 48 hours later is Sunday, so it is due on Monday evening."""
    live_by("schedgen")
    after.ends(service, "2026-03-06 14:00", "SEV2", bob)
    review = after.sees(bob)
    assert {one["user"]["name"]: one["role"] for one in review["attendees"]} == {
        "Bob": "Incident commander",
        "Lena": "Engineering lead",
        "Otto": "Product owner",
    }
    assert (review["facilitator"]["name"], review["length"]) == ("Bob", 55 * 60)

    assert after.until("2026-03-06 15:00") == [
        ("Fri 06 Mar 14:00", "bob", "Review to be held"),
        ("Fri 06 Mar 15:00", "bob", "To do now"),
    ]
    after.steps_done(bob, "Right after the resolution")
    after.does(bob, "schedule", at="2026-03-09T13:00:00Z")
    assert after.until("2026-03-09 14:00") == [
        ("Fri 06 Mar 15:00", "bob", "Invitation"),
        ("Fri 06 Mar 15:00", "lena", "Invitation"),
        ("Fri 06 Mar 15:00", "otto", "Invitation"),
        ("Mon 09 Mar 08:00", "bob", "Review due soon"),
        ("Mon 09 Mar 13:55", "bob", "Review due"),
    ]
    after.does(bob, "hold", came=["bob", "lena"])
    item = after.item(bob, title="Rotate the logs", owner="lena", priority="high")
    after.writes(bob)
    after.does(bob, "publish")

    assert but_items(after.until("2026-03-16 12:00")) == [
        ("Mon 09 Mar 14:00", "lena", "Review published"),
        ("Mon 09 Mar 14:00", "otto", "Review published"),
        ("Thu 12 Mar 14:00", "bob", "To do soon"),
        ("Fri 13 Mar 14:00", "bob", "To do now"),
        ("Mon 16 Mar 08:00", "alice", "Overdue after an incident"),
    ]
    after.finishes(bob, item)
    after.steps_done(bob, "Implement the fixes", "Update the documentation")
    assert but_items(after.until("2026-03-23 07:00")) == [
        ("Thu 19 Mar 14:00", "bob", "To do soon"),
        ("Fri 20 Mar 14:00", "bob", "To do now"),
    ]
    after.steps_done(bob, "Share what was learned", "Review the action items")
    assert after.does(bob, "close")["state"] == "closed"
    assert [one for one in after.until("2026-04-20 10:00") if "Review" in one[2]] == []


def test_fintech_reviews_within_a_day_but_not_at_the_weekend_and_an_owner_leaves(
    live_by, after, service, alice, bob, charlie
):
    """Resolved on Friday at 22:00. On Monday Bob is gone: his manager takes over."""
    live_by("fintech")
    after.ends(service, "2026-03-06 22:00", "SEV1", bob)
    assert after.until("2026-03-09 07:00") == [("Fri 06 Mar 22:00", "bob", "Review to be held")]

    root = person("root", "administrator", team="office")
    root.is_superuser = True
    root.save()
    core.deactivate_person(bob, actor=root)
    assert after.until("2026-03-10 10:00") == [
        ("Mon 09 Mar 07:00", "alice", "Review handed over to you"),
        ("Mon 09 Mar 08:00", "alice", "Review due soon"),
        ("Mon 09 Mar 16:00", "alice", "Review due"),
    ]

    after.does(alice, "hold")
    after.item(alice, title="Watch the disk", owner="tom", is_required=False)
    after.writes(alice)
    after.does(alice, "publish")
    assert after.unmet(alice, "close") == {"step"}
    told = after.until("2026-03-18 15:00")
    assert [one for one in told if one[1] == "alice" and "Review" in one[2]] == [
        ("Mon 16 Mar 16:00", "alice", "Review due soon"),
        ("Tue 17 Mar 16:00", "alice", "Review due"),
    ]
    after.steps_done(alice, "Tickets for the action items", "Error budget")
    assert after.does(alice, "close")["state"] == "closed"


def test_tars_requires_it_of_p1_and_encourages_it_of_p2(live_by, after, service, alice, bob):
    """Resolved before the First of May, a Friday: 48 hours later is Saturday."""
    live_by("tars")
    after.ends(service, "2026-04-30 10:00", "SEV2", bob)
    assert after.until("2026-04-30 11:00") == [
        ("Thu 30 Apr 10:00", "bob", "Worth a review? P2 Checkout")
    ]
    after._call(bob, "post", "reviews/", 0, {"incident": after.reference, "reason": "It was odd."})
    after.does(bob, "waive", reason="It was not.")
    assert after.until("2026-05-30 10:00") == [("Thu 30 Apr 11:00", "bob", "Review to be held")]


def test_tars_p1_from_its_end_to_the_closed_review(live_by, after, service, alice, bob):
    live_by("tars")
    after.ends(service, "2026-04-30 10:00", "SEV1", bob)
    assert after.until("2026-05-05 16:00") == [
        ("Thu 30 Apr 10:00", "bob", "Review to be held"),
        ("Mon 04 May 07:00", "bob", "Review due soon"),
        ("Mon 04 May 15:00", "bob", "Review due"),
        ("Tue 05 May 15:00", "alice", "Review overdue"),
    ]

    after.does(bob, "hold")
    after.writes(bob, no_actions_reason="")
    assert after.unmet(bob, "publish") == {"actions"}
    assert after.until("2026-05-08 16:00") == [
        ("Thu 07 May 07:00", "bob", "Review due soon"),
        ("Thu 07 May 15:00", "bob", "Review due"),
        ("Fri 08 May 15:00", "alice", "Review overdue"),
    ]
    after.writes(bob, no_actions_reason="The rotation was repaired while it was down.")
    after.does(alice, "publish")
    assert after.does(alice, "close")["state"] == "closed"
    assert after.until("2026-06-08 16:00") == [
        ("Fri 08 May 16:00", "bob", "Review published"),
        ("Fri 08 May 16:00", "otto", "Review published"),
    ]
