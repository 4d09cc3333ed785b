"""A runbook is read again: by the calendar and after major incidents, and asked for once each."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from incidents.core import services as core
from incidents.core.errors import Forbidden
from incidents.core.models import Incident, Organisation, RunbookRevision, Service, Team, User
from incidents.notifications.transports.recorder import Recorder
from incidents.runbooks import document, loading, services
from incidents.runbooks.library import shipped
from incidents.runbooks.models import Upkeep
from incidents.timers.clock import VirtualClock
from incidents.timers.models import Timer
from tests.escalation.conftest import give_phone
from tests.escalation.stage import Phones, settle
from tests.factories import MembershipFactory, TeamFactory, UserFactory

QUARTER = timedelta(weeks=13)


@pytest.fixture
def phones(db: None) -> Phones:
    return Phones()


@pytest.fixture
def kept(clock: VirtualClock, team: Team, alice: User, bob: User, phones: Phones) -> Upkeep:
    """The team of Alice (manager) and Bob has chosen schedgen: quarterly, and after a SEV1."""
    for user in [alice, bob]:
        give_phone(user)
    services.adopt("schedgen", actor=alice, team=team)
    return Upkeep.objects.get()


def edited(old: str, new: str, slug: str = "schedgen") -> document.Runbook:
    text = shipped()[slug].read_text()
    assert old in text
    return document.parse(loading.read(text.replace(old, new, 1)))


def messages(phones: Phones) -> list[str]:
    """Subjects of what is about a runbook; that none of it is a page is asserted."""
    found = [one for one in Recorder.sent if "review" in one.subject]
    assert {one.urgency for one in found} <= {"message"}
    phones.take()
    return [f"{one.address}: {one.subject}" for one in found]


ASKED = "alice: To be reviewed: the runbook “Schedule generator”"


def resolved(service: Service, by: User, severity: str = "SEV1", **facts: object) -> Incident:
    chosen = Service.objects.get(pk=service.pk)  # of a team that has chosen since
    incident = core.declare(title="It is down", service=chosen, severity=severity, **facts)
    core.acknowledge(incident, actor=by)
    answers = {"root_cause": "A leak", "mitigation": "Restarted", "kind": "restart"}
    core.resolve(incident, **answers, override_reason="A test", actor=by)
    settle()
    return incident


def test_a_quarter_later_its_manager_is_told_once_and_not_paged(kept, clock, phones):
    assert kept.due_at == clock.at + QUARTER
    clock.forward(seconds=QUARTER.total_seconds() - 1)
    settle()
    assert messages(phones) == []

    clock.forward(seconds=1)
    settle()

    (letter,) = Recorder.sent
    assert letter.text.startswith("It is read every 13 weeks. Is everything in the runbook")
    revision = RunbookRevision.objects.get()
    assert letter.links[0].url.endswith(f"/admin/incidents/runbookrevision/{revision.pk}/change/")
    assert messages(phones) == [ASKED]
    clock.forward(days=400)
    settle()
    services.apply(services.load("schedgen"), actor=None)
    settle()
    assert messages(phones) == []


def test_whoever_read_it_says_so_and_the_next_quarter_begins(kept, clock, phones, alice, bob):
    clock.forward(seconds=QUARTER.total_seconds())
    settle()
    phones.take()
    clock.forward(days=2)

    with pytest.raises(Forbidden):
        services.mark_reviewed("schedgen", actor=bob)
    upkeep = services.mark_reviewed("schedgen", actor=alice)

    assert (upkeep.reviewed_by, upkeep.reviewed_at) == (alice, clock.at)
    assert upkeep.due_at == clock.at + QUARTER
    clock.forward(seconds=QUARTER.total_seconds())
    settle()
    assert messages(phones) == [ASKED]


def test_a_major_incident_brings_it_forward_once(kept, clock, phones, service, alice):
    first = resolved(service, alice)

    assert messages(phones) == [ASKED]
    kept.refresh_from_db()
    assert (kept.after, kept.due_at) == (first.reference, clock.at)
    clock.forward(days=1)
    resolved(service, alice)  # asked for already
    clock.forward(seconds=QUARTER.total_seconds())
    settle()
    assert messages(phones) == []

    services.mark_reviewed("schedgen", actor=alice)
    resolved(service, alice)
    assert messages(phones) == [ASKED]


def test_lesser_dismissed_and_practised_incidents_do_not(kept, clock, phones, service, alice):
    resolved(service, alice, "SEV2")
    chosen = Service.objects.get(pk=service.pk)
    false = core.declare(title="Nothing", service=chosen, severity="SEV1")
    core.dismiss(false, reason="Nothing was wrong", actor=alice)
    drill = core.declare(title="A drill", service=chosen, severity="SEV1")
    Incident.objects.filter(pk=drill.pk).update(is_drill=True)
    core.acknowledge(drill, actor=alice)
    answers = {"root_cause": "Us", "mitigation": "Stopped", "kind": "other"}
    core.resolve(drill, **answers, override_reason="A test", actor=alice)
    settle()

    assert messages(phones) == []
    kept.refresh_from_db()
    assert (kept.after, kept.told_at) == ("", None)


def test_the_reference_of_a_private_incident_is_told_to_nobody(kept, service, alice):
    resolved(service, alice, is_private=True, audience=[alice])

    kept.refresh_from_db()
    assert kept.after == "a private incident"


def test_another_cycle_counts_from_the_last_review_and_none_ends_it(kept, clock, alice):
    clock.forward(days=1)
    read = services.mark_reviewed("schedgen", actor=alice).reviewed_at
    clock.forward(days=1)

    services.apply(edited("every: 13 weeks", "every: 4 weeks"), actor=None)
    kept.refresh_from_db()
    assert kept.due_at == read + timedelta(weeks=4)
    assert Timer.objects.pending().of(kept).get().due_at == kept.due_at

    services.apply(edited("every: 13 weeks, ", ""), actor=None)
    kept.refresh_from_db()
    assert kept.due_at is None
    assert not Timer.objects.pending().of(kept).exists()


def test_the_owner_it_names_is_told_or_whoever_can_be_reached(kept, clock, phones, alice):
    root = UserFactory(username="root", is_superuser=True)
    give_phone(root)
    olga = UserFactory(username="olga")
    give_phone(olga)
    office = TeamFactory(name="Engineering Team", slug="engineering")
    MembershipFactory(team=office, user=olga, role="manager")

    resolved_by_clock(clock)
    assert [line.partition(":")[0] for line in messages(phones)] == ["olga"]

    services.apply(edited("owner: Engineering team", "owner: alice"), actor=None)
    services.mark_reviewed("schedgen", actor=alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    Organisation.objects.update_or_create(pk=1, defaults={"runbook": "schedgen"})
    resolved_by_clock(clock)
    assert [line.partition(":")[0] for line in messages(phones)] == ["root"]


def resolved_by_clock(clock: VirtualClock) -> None:
    clock.forward(seconds=QUARTER.total_seconds())
    settle()


# --- Where people see it and say it ---------------------------------------------------------------


def test_the_page_shows_when_and_has_the_button(kept, clock, client, alice, bob):
    client.force_login(alice)
    revision = RunbookRevision.objects.get()
    page = reverse("admin:incidents_runbookrevision_change", args=[revision.pk])
    assert '<dt>Review due</dt><dd><span><time datetime="2026-06-01T10:00' in client.get(page).text

    clock.forward(weeks=14)
    late = client.get(page).text
    assert '<span class="t-late"><time datetime="2026-06-01T10:00' in late
    assert "Mark as reviewed" in late
    done = reverse("admin:incidents_runbookrevision_verb", args=[revision.pk, "reviewed"])
    answer = client.post(done, follow=True).text
    assert "“Schedule generator” is marked as reviewed. It is due again on 2026-09-07." in answer
    assert " by Alice</dd>" in answer

    MembershipFactory(team=TeamFactory(slug="other"), user=bob, role="manager")
    client.force_login(bob)
    assert "Mark as reviewed" not in client.get(page).text
    client.post(done)
    assert Upkeep.objects.get().reviewed_by == alice


def test_only_the_current_edition_has_the_button(kept, client, alice):
    old = RunbookRevision.objects.get()
    services.apply(edited("every: 13 weeks", "every: 4 weeks"), actor=None)
    client.force_login(alice)

    page = client.get(reverse("admin:incidents_runbookrevision_change", args=[old.pk]))

    assert "Mark as reviewed" not in page.text


def test_the_command_marks_it_and_the_list_shows_when(kept, clock, alice):
    clock.forward(weeks=1)

    assert run("reviewed", "schedgen", "--by", "alice") == (
        "schedgen: is marked as reviewed, and is due again on 2026-06-08.\n"
    )
    assert "2026-06-08" in run("list")
    assert Upkeep.objects.get().reviewed_by == alice
    with pytest.raises(CommandError, match="no runbook 'saas'"):
        run("reviewed", "saas")
    with pytest.raises(CommandError, match="no person 'nobody'"):
        run("reviewed", "schedgen", "--by", "nobody")


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("runbook", *arguments, stdout=out)
    return out.getvalue()
