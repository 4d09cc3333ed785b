"""Action items: agreed, given, worked on, done, shown to help, declined, handed over."""

from datetime import date

import pytest

from incidents.core import services as core
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.models import Kind
from incidents.core.services.policies import DEFAULT_POLICIES
from incidents.reviews import services as reviews
from incidents.reviews.models import ActionItem, ItemEntry, Review
from tests.factories import MembershipFactory, UserFactory
from tests.reviews.desk import days, heard, letters, over, reachable

pytestmark = pytest.mark.django_db


@pytest.fixture
def item(incident, alice, bob):
    """Of high priority and Bob's, agreed by Alice."""
    reachable(alice, bob)
    return reviews.add_item(
        incident, actor=alice, title="Rotate the logs", priority="high", owner=bob
    )


def test_it_is_agreed_with_an_owner_and_a_day(item, incident, alice, bob) -> None:
    assert (item.state, item.holder, item.is_required) == ("open", "Bob", True)
    assert item.due_on == date(2026, 3, 9)  # a week after Monday the 2nd
    assert (item.team, item.service) == (incident.service.team, incident.service)
    entry = incident.timeline.get(kind=Kind.ACTION_ADDED)
    assert entry.actor == alice
    assert entry.summary == (
        "Action item “Rotate the logs”: Prevent it (high, required), Bob, due 2026-03-09"
    )


def test_its_owner_is_told_and_whoever_takes_it_on_alone_is_not(item, incident, bob) -> None:
    reviews.add_item(incident, actor=bob, title="Alert on a full disk", owner=bob, kind="detect")

    assert heard() == [
        ("bob", f"Yours to do by 2026-03-09: Rotate the logs ({incident.reference})")
    ]


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"title": "  "}, "title"),
        ({"title": "x", "kind": "wish"}, "kind"),
        ({"title": "x", "priority": "asap"}, "priority"),
        ({"title": "x", "due_on": date.max}, "due_on"),
        ({"title": "x", "due_on": date(1999, 12, 31)}, "due_on"),
    ],
)
def test_it_refuses_what_nobody_could_do(incident, alice, facts, field) -> None:
    with pytest.raises(DomainError) as refusal:
        reviews.add_item(incident, actor=alice, **facts)

    assert refusal.value.field == field
    assert not ActionItem.objects.exists()


def test_a_person_and_a_team_are_not_both_the_owner(incident, alice, team) -> None:
    with pytest.raises(DomainError, match="not to both"):
        reviews.add_item(incident, actor=alice, title="x", owner=alice, owning_team=team)


def test_a_day_on_which_nobody_works_moves_to_the_next_working_day(incident, alice) -> None:
    made = reviews.add_item(incident, actor=alice, title="x", due_on=date(2026, 3, 14))

    assert made.due_on == date(2026, 3, 16)


def test_it_goes_from_open_to_verified(item, incident, alice, bob, clock) -> None:
    reviews.start_item(item, actor=bob)
    clock.forward(days=1)
    reviews.finish_item(item, actor=bob, evidence="https://git.example.org/42")
    done = reviews.verify_item(item, actor=alice, proof="No full disk for a month")

    item.refresh_from_db()
    assert (item.state, item.done_by, item.verified_by) == ("verified", bob, alice)
    assert done.evidence == "https://git.example.org/42"
    kinds = list(item.entries.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["agreed", "started", "done", "verified"]
    told = incident.timeline.filter(kind__startswith="action_").values_list(
        "data__event", flat=True
    )
    assert sorted(told) == ["agreed", "done", "verified"]


@pytest.mark.parametrize(
    ("way", "refused"),
    [
        (["finish"], "start"),
        (["finish"], "finish"),
        (["finish"], "decline"),
        ([], "verify"),
        (["finish", "verify"], "verify"),
        ([], "reopen"),
        (["start"], "start"),
    ],
)
def test_it_moves_in_order_only(item, alice, way, refused) -> None:
    verbs = {
        "start": lambda: reviews.start_item(item, actor=alice),
        "finish": lambda: reviews.finish_item(item, actor=alice, evidence="Seen"),
        "verify": lambda: reviews.verify_item(item, actor=alice, proof="Seen"),
        "decline": lambda: reviews.decline_item(item, actor=alice, reason="No"),
        "reopen": lambda: reviews.reopen_item(item, actor=alice, reason="No"),
    }
    for verb in way:
        verbs[verb]()
    entries = ItemEntry.objects.count()

    with pytest.raises(Refused) as refusal:
        verbs[refused]()

    assert refusal.value.allowed
    assert ItemEntry.objects.count() == entries


def test_done_needs_something_that_shows_it(item, bob) -> None:
    with pytest.raises(DomainError) as refusal:
        reviews.finish_item(item, actor=bob, evidence=" ")

    assert refusal.value.field == "evidence"


def test_only_a_manager_of_its_team_declines_it_with_a_reason(item, alice, bob) -> None:
    with pytest.raises(Forbidden):
        reviews.decline_item(item, actor=bob, reason="Too much work")

    declined = reviews.decline_item(item, actor=alice, reason="The disk is going away")
    assert (declined.state, declined.decline_reason) == ("declined", "The disk is going away")


def test_only_a_manager_moves_the_day_of_what_is_required(item, alice, bob) -> None:
    with pytest.raises(Forbidden):
        reviews.change_item(item, actor=bob, due_on=date(2026, 4, 1))
    with pytest.raises(Forbidden):
        reviews.change_item(item, actor=bob, is_required=False)

    moved = reviews.change_item(item, actor=alice, due_on=date(2026, 4, 1))
    assert moved.due_on == date(2026, 4, 1)
    assert item.entries.filter(kind="changed").get().text == "Due: 2026-03-09 → 2026-04-01"


def test_changing_nothing_records_nothing(item, bob) -> None:
    reviews.change_item(item, actor=bob, title="Rotate the logs")

    assert not item.entries.filter(kind="changed").exists()


def test_whoever_begins_what_nobody_owns_owns_it(incident, alice, bob) -> None:
    item = reviews.add_item(incident, actor=alice, title="Rotate the logs")
    assert item.waits_since == date(2026, 3, 2)

    begun = reviews.start_item(item, actor=bob)

    assert (begun.owner, begun.waits_since) == (bob, None)


def test_it_is_given_to_somebody_else_who_hears_of_it_once(item, alice, bob, charlie) -> None:
    reachable(charlie)
    heard()
    reviews.assign_item(item, owner=charlie, actor=alice)
    reviews.assign_item(item, owner=charlie, actor=alice)

    assert [who for who, _ in heard()] == ["charlie"]
    assert item.entries.filter(kind="assigned").get().text == "Bob → Charlie"


def test_nobody_is_given_anything_who_is_deactivated(item, alice) -> None:
    gone = UserFactory(username="gone", is_active=False)

    with pytest.raises(DomainError, match="deactivated"):
        reviews.assign_item(item, owner=gone, actor=alice)


def test_of_a_private_incident_nobody_owns_anything_who_may_not_see_it(
    service, alice, bob, charlie, clock
) -> None:
    affair = core.declare(title="A leak", service=service, is_private=True, audience=[alice, bob])

    with pytest.raises(DomainError, match="may not see"):
        reviews.add_item(affair, actor=alice, title="Hush", owner=charlie)

    assert reviews.add_item(affair, actor=alice, title="Hush", owner=bob).owner == bob
    assert not ActionItem.objects.visible_to(charlie).exists()
    assert ActionItem.objects.visible_to(bob).exists()


def test_a_viewer_who_could_not_work_on_it_is_not_given_it(item, incident, team, alice) -> None:
    viewer = MembershipFactory(team=team, user__username="vic", role="viewer").user

    with pytest.raises(DomainError, match="only reads here") as refusal:
        reviews.assign_item(item, owner=viewer, actor=alice)
    [taken_in] = reviews.import_items(
        incident, [{"title": "Alert on it", "owner": "vic"}], actor=alice, source="Jira"
    )

    assert refusal.value.field == "owner"
    assert (taken_in.owner, taken_in.detail) == (None, "Owner, as imported: vic")


def test_a_comment_is_kept_with_its_author(item, bob) -> None:
    reviews.comment_item(item, actor=bob, text="Waiting for **ops**.")

    entry = item.entries.get(kind="comment")
    assert (entry.text, entry.actor) == ("Waiting for **ops**.", bob)


def test_reopened_it_is_due_anew(item, alice, bob, clock) -> None:
    reviews.finish_item(item, actor=bob, evidence="Seen")
    clock.forward(weeks=3)

    again = reviews.reopen_item(item, actor=alice, reason="It was switched off again")

    assert (again.state, again.evidence, again.done_at) == ("open", "", None)
    assert again.due_on == date(2026, 3, 30)


def test_what_is_required_stands_in_the_way_until_it_is_done(item, incident, alice, bob) -> None:
    reviews.add_item(incident, actor=alice, title="Nice to have", owner=bob, priority="low")

    assert reviews.standing_in_the_way(incident.action_items.all()) == [
        "“Rotate the logs” is required and not done yet (Bob, due 2026-03-09)."
    ]

    reviews.finish_item(item, actor=bob, evidence="Seen")
    assert reviews.standing_in_the_way(incident.action_items.all()) == []


# --- Somebody leaves ------------------------------------------------------------------------------


def test_what_somebody_owned_who_is_deactivated_passes_to_the_manager(
    item, incident, alice, bob, clock
) -> None:
    second = reviews.add_item(incident, actor=alice, title="Alert on it", owner=bob)
    letters()
    root = UserFactory(username="root")

    core.deactivate_person(bob, actor=root)

    for one in [item, second]:
        one.refresh_from_db()
        assert (one.owner, one.waits_since) == (alice, None)
        assert one.entries.get(kind="assigned").text == "Bob → Alice: Bob was deactivated."
    [(who, subject, text)] = letters()
    assert (who, subject) == ("alice", "Bob was deactivated: 2 action items are yours now")
    assert "Rotate the logs" in text
    assert "Alert on it" in text


def test_without_a_manager_it_waits_for_an_owner(item, team, alice, bob) -> None:
    root = UserFactory(username="root")
    team.memberships.filter(user=alice).update(role="responder")

    core.deactivate_person(bob, actor=root)

    item.refresh_from_db()
    assert (item.owner, item.waits_since) == (None, date(2026, 3, 2))


def test_a_manager_who_may_not_see_it_does_not_inherit_it(service, alice, bob, clock) -> None:
    root = UserFactory(username="root", is_superuser=True)
    affair = core.declare(title="A leak", service=service, is_private=True, audience=[bob])
    item = reviews.add_item(affair, actor=bob, title="Hush", owner=bob)

    core.deactivate_person(bob, actor=root)

    item.refresh_from_db()
    assert item.owner is None


def test_what_is_verified_or_declined_stays_with_whom_it_was(item, alice, bob) -> None:
    reviews.decline_item(item, actor=alice, reason="No")

    core.deactivate_person(bob, actor=UserFactory(username="root"))

    item.refresh_from_db()
    assert item.owner == bob


# --- Imported -------------------------------------------------------------------------------------


def test_an_imported_incident_brings_its_action_items(service, alice, clock) -> None:
    document = {
        "incident": {
            "title": "Long ago",
            "severity": "P2",
            "started_at": "2026-01-15T14:15:00Z",
            "resolved_at": "2026-01-15T15:45:00Z",
            "action_items": [
                {"title": "Rotate logs", "owner": "alice", "due": "2026-03-06", "priority": "P1"},
                {"action": "Alert on a full disk", "owner": "somebody else", "type": "detective"},
                "Write it down",
                {"title": "Restart it", "status": "done"},
                {"no": "title"},
                7,
            ],
        }
    }

    incident, _ = core.import_incident(document, actor=alice, service=service)

    found = {item.title: item for item in incident.action_items.all()}
    assert sorted(found) == ["Alert on a full disk", "Rotate logs", "Write it down"]
    mine = found["Rotate logs"]
    assert (mine.owner, mine.priority, mine.due_on) == (alice, "high", date(2026, 3, 6))
    waiting = found["Alert on a full disk"]
    assert (waiting.owner, waiting.kind) == (None, "detect")
    assert waiting.waits_since == date(2026, 3, 2)
    assert waiting.detail == "Owner, as imported: somebody else"


def test_the_same_list_again_imports_nothing_twice(incident, alice) -> None:
    rows = [{"title": "Rotate logs"}, {"title": "Rotate logs"}, {"title": "Alert"}]

    first = reviews.import_items(incident, rows, actor=alice, source="Jira")
    again = reviews.import_items(incident, rows, actor=alice, source="Jira")

    assert (len(first), again) == (2, [])


# --- The runbook ----------------------------------------------------------------------------------


def test_a_change_to_the_runbook_is_an_item_for_whoever_keeps_it(incident, alice, bob) -> None:
    MembershipFactory(team=incident.service.team, user=UserFactory(username="keeper"))
    revision = incident.revision
    revision.document = {"owner": "keeper"}
    revision.digest = "changed"
    revision.save()

    proposal = reviews.propose_runbook_change(
        incident, actor=bob, section="types.disk-full", text="Ask for the log volume first."
    )

    item = proposal.item
    assert (item.owner.username, item.kind) == ("keeper", "document")
    assert item.detail == "Ask for the log volume first."
    assert (proposal.slug, proposal.section) == (revision.slug, "types.disk-full")


def test_where_nobody_is_named_the_team_keeps_the_runbook(incident, bob) -> None:
    proposal = reviews.propose_runbook_change(
        incident, actor=bob, section="checklists", text="Add a step."
    )

    assert proposal.item.owning_team == incident.service.team


def test_an_incident_may_end_and_its_items_do_not(item, incident, bob, alice, clock) -> None:
    over(incident, bob)

    letters()

    assert [(day, who) for day, who, what in days(clock, 14) if "items of" in what] == [
        ("Thu 05 Mar", "bob"),
        ("Mon 09 Mar", "bob"),
        ("Thu 12 Mar", "alice"),
    ]


# --- By the runbook, with the review --------------------------------------------------------------


@pytest.fixture
def ruled(service, clock):
    """An incident whose runbook says how long things may take."""
    said = {
        "action_items": {"due": {"high": "3 days", "low": "8 weeks"}, "watch": "30 days"},
        "action_review": "1 week",
        "rules": [{"severities": ["SEV2"], "required": True, "latest": "48 h"}],
    }
    core.publish_revision(
        slug="default", title="Ours", policies=DEFAULT_POLICIES, document={"reviews": said}
    )
    return core.declare(title="Down", service=service, severity="SEV2")


@pytest.mark.parametrize(
    ("priority", "day"),
    [
        ("high", date(2026, 3, 5)),
        ("medium", date(2026, 3, 16)),  # not said: two weeks
        ("low", date(2026, 4, 27)),
    ],
)
def test_when_it_is_due_is_for_the_runbook_to_say(ruled, alice, priority, day) -> None:
    assert reviews.add_item(ruled, actor=alice, title="x", priority=priority).due_on == day


def test_how_long_it_is_watched_and_when_it_is_asked_about_as_well(ruled, alice, bob) -> None:
    item = reviews.add_item(over(ruled, bob), actor=alice, title="x", owner=bob)

    done = reviews.finish_item(item, actor=bob, evidence="Seen")

    assert (done.prove_on, done.watched_until) == (date(2026, 3, 9), date(2026, 4, 1))


def test_what_was_agreed_before_belongs_to_the_review_when_it_opens(ruled, alice, bob) -> None:
    item = reviews.add_item(ruled, actor=alice, title="x", owner=bob, priority="high")
    assert item.review is None

    over(ruled, bob)

    item.refresh_from_db()
    assert item.review == ruled.review
    assert reviews.standing_in_the_way(ruled.review.items.all())


def test_what_was_agreed_for_a_duplicate_goes_on_with_the_other(service, alice, bob, clock) -> None:
    first, twin = (core.declare(title="Down", service=service, severity="SEV2") for _ in range(2))
    item = reviews.add_item(twin, actor=alice, title="x", owner=bob)

    core.merge(twin, into=first, actor=bob)

    item.refresh_from_db()
    assert item.incident == first


def merged(twin, first, actor, **facts) -> ActionItem:
    """An item of the twin, which turns out to be the first one."""
    item = reviews.add_item(twin, actor=actor, title="Hush it up", **facts)
    core.merge(twin, into=first, actor=actor)
    item.refresh_from_db()
    return item


def test_a_private_incidents_items_do_not_come_to_light_by_a_merge(
    service, alice, bob, charlie, clock
) -> None:
    secret = {"service": service, "severity": "SEV2", "is_private": True}
    known, narrow, wide = (
        core.declare(title="A leak", **{**secret, **more})
        for more in [
            {"is_private": False},
            {"audience": [alice, bob]},
            {"audience": [alice, bob, charlie]},
        ]
    )

    left = merged(core.declare(title="Twin", audience=[bob], **secret), known, bob, owner=bob)
    stays = merged(core.declare(title="Twin", audience=[bob], **secret), narrow, bob, owner=bob)
    moved = merged(wide, narrow, bob, owner=bob)

    assert left.incident.is_private
    assert stays.incident != narrow
    assert moved.incident == narrow
    assert not ActionItem.objects.visible_to(charlie).exists()


def test_what_moves_to_a_private_incident_is_owned_by_those_who_see_it(
    service, alice, bob, charlie, clock
) -> None:
    affair, hidden = (
        core.declare(title="A leak", service=service, is_private=True, audience=audience)
        for audience in [[alice, bob], [bob]]
    )
    reachable(alice, charlie)

    mine, nobodys = (
        merged(core.declare(title="Twin", service=service), into, bob, owner=charlie)
        for into in [affair, hidden]
    )

    assert (mine.incident, mine.owner, mine.waits_since) == (affair, alice, None)
    assert (nobodys.owner, nobodys.waits_since) == (None, date(2026, 3, 2))
    told = mine.entries.get(kind="assigned").text
    assert told == f"Charlie → Alice: {affair.reference} is private."
    assert [who for who, what in heard() if affair.reference in what] == ["alice"]


def test_nothing_is_required_of_a_review_that_is_closed(ruled, alice, bob) -> None:
    incident = over(ruled, bob)
    Review.objects.filter(incident=incident).update(state="closed")

    with pytest.raises(Refused, match="leave it as not required"):
        reviews.add_item(incident, actor=alice, title="x", is_required=True)
    late = reviews.add_item(incident, actor=alice, title="x", priority="high", owner=bob)
    with pytest.raises(Refused, match="leave it as not required"):
        reviews.change_item(late, actor=alice, is_required=True)

    assert not late.is_required
    assert reviews.standing_in_the_way(incident.action_items.all()) == []


def test_the_incident_is_reopened_and_its_items_stay(ruled, alice, bob) -> None:
    item = reviews.add_item(over(ruled, bob), actor=alice, title="x", owner=bob)

    core.reopen(ruled, reason="It is down again", actor=bob)

    item.refresh_from_db()
    assert (item.state, item.incident, item.review) == ("open", ruled, ruled.review)
