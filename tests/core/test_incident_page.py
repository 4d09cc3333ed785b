"""The page of an incident: each verb from it, two people at once, constant queries."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from incidents.core import services, story
from incidents.core.models import Incident, Kind, Status, TimelineEntry
from tests.factories import ServiceFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, alice, incident):
    """Alice, who manages the team, at the incident's page."""
    client.force_login(alice)
    return client


def url(incident, name=""):
    if not name:
        return reverse("admin:incidents_incident_change", args=[incident.pk])
    return reverse("admin:incidents_incident_verb", args=[incident.pk, name])


def shown(page, incident, query=""):
    answer = page.get(url(incident) + query)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def said(answer):
    """The last sentence that was said."""
    return str(list(answer.wsgi_request._messages)[-1])


# --- What it shows --------------------------------------------------------------------------------


def test_the_banner_tells_where_it_stands(page, incident, bob, clock):
    services.acknowledge(incident, actor=bob)
    services.assign_role(incident, role="commander", user=bob, actor=bob)
    clock.forward(minutes=12)

    text = re.sub(r"<[^>]+>", "", shown(page, incident))

    assert "Bob has it" in text
    assert "Commander: Bob" in text
    assert "Open for 12 min" in text
    assert "Find the cause: due in 18 min" in text


def test_the_present_state_is_marked(page, incident, bob):
    services.identify(incident, suspected_cause="Disk", actor=bob)

    assert re.search(r'aria-current="step"><span>Identified<', shown(page, incident))


def test_a_missed_target_is_told_in_red(page, incident, clock):
    clock.forward(minutes=6)

    assert re.search(r't-late">Respond: target missed', shown(page, incident))


def test_nobody_is_late_while_it_works_again(page, incident, bob, clock):
    services.mark_recovered(incident, actor=bob)
    clock.forward(hours=5)

    assert "Resolve it: target missed" not in shown(page, incident)


def test_from_when_it_may_be_resolved_is_told_while_it_is_observed(page, incident, bob, clock):
    def told():
        return re.findall(
            r"may be resolved from <strong>.*?(\d\d:\d\d:\d\d)<", shown(page, incident)
        )

    before = told()
    services.mark_recovered(incident, actor=bob)
    local = timezone.localtime(clock.at + timedelta(minutes=10))
    observed = told()
    clock.forward(minutes=10)

    assert (before, observed, told()) == ([], [f"{local:%H:%M:%S}"], [])


def test_the_primary_button_is_the_next_move(page, incident, bob, clock):
    def primary():
        return re.findall(r't-btn t-btn-primary"[^>]*>([^<]+)<', shown(page, incident))[0]

    moves = [primary()]
    services.acknowledge(incident, actor=bob)
    moves.append(primary())
    services.identify(incident, suspected_cause="Disk", actor=bob)
    moves.append(primary())
    services.start_mitigating(incident, mitigation="Roll back", kind="rollback", actor=bob)
    moves.append(primary())
    services.mark_recovered(incident, actor=bob)
    moves.append(primary())

    assert moves == [
        *("Acknowledge", "Identified", "Start mitigating", "It works again", "Resolve")
    ]


def test_what_stands_in_the_way_is_shown_before_it_is_pressed(page, incident):
    text = shown(page, incident)

    assert "Before it can be resolved:" in text
    assert "Write down the root cause." in text


def test_the_timeline_can_be_narrowed(page, incident, bob):
    services.note(incident, text="The disk is full", actor=bob)
    services.acknowledge(incident, actor=bob)

    notes = shown(page, incident, "?fragment=timeline&show=notes")
    people = shown(page, incident, "?fragment=timeline&show=people")

    assert "The disk is full" in notes
    assert "acknowledged it" not in notes
    assert "acknowledged it" in people
    assert "declared" not in people


def test_a_long_story_is_cut_and_can_be_had_whole(page, incident, bob):
    for number in range(105):
        services.note(incident, text=f"Note {number} ends", actor=bob)

    total = incident.timeline.count()
    assert "Note 0 ends" not in shown(page, incident)
    assert f"Show all {total}" in shown(page, incident)
    assert "Note 0 ends" in shown(page, incident, "?all=1")


def test_times_are_the_readers_with_utc_beside(page, incident, alice):
    alice.timezone = "Europe/Berlin"
    alice.save()

    assert 'title="2026-03-02 10:00:00 UTC">11:00:00</time>' in shown(page, incident)


def test_a_corrected_milestone_shows_its_old_value_struck_through(page, incident, alice, clock):
    services.correct_milestone(
        incident,
        milestone="detected",
        at=clock.at - timedelta(minutes=7),
        reason="Support saw it",
        actor=alice,
    )

    text = shown(page, incident)

    assert re.search(r"09:53:00</time> <s [^>]*>.*?10:00:00</time></s>", text)
    assert 'title="Support saw it"' in text


def test_a_fragment_is_just_the_fragment(page, incident):
    for fragment in ["banner", "timeline", "facts"]:
        assert "<html" not in shown(page, incident, f"?fragment={fragment}")


def test_a_private_relative_is_not_named(page, incident, service, bob):
    secret = services.declare(
        title="Leak of keys", service=service, is_private=True, audience=[bob]
    )
    services.merge(secret, into=incident, actor=bob)

    assert "Leak of keys" not in shown(page, incident)


def test_markup_in_what_people_write_stays_text(page, incident, bob):
    services.note(incident, text="<script>alert(1)</script>", actor=bob)

    text = shown(page, incident)

    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_viewer_gets_the_story_and_no_button(client, incident):
    client.force_login(UserFactory(username="vera", is_staff=True))

    text = shown(client, incident)

    assert incident.title in text
    assert "/do/" not in text


def test_it_is_not_a_form(page, incident):
    assert page.post(url(incident), {"title": "x"}).status_code == 405


# --- Each verb from the page ----------------------------------------------------------------------


def do(page, incident, name, **facts):
    return page.post(url(incident, name), {"seen": story.newest(incident), **facts})


def test_acknowledging_needs_no_page_between(page, incident, alice):
    text = shown(page, incident)
    answer = do(page, incident, "acknowledge")

    assert f'formaction="{url(incident, "acknowledge")}"' in text
    assert answer["Location"] == url(incident)
    assert said(answer) == "You have it."
    assert Incident.objects.get().acknowledged_by == alice


def test_who_comes_second_joins_and_is_told_so(page, incident, alice, bob):
    seen = story.newest(incident)
    services.acknowledge(incident, actor=bob)

    answer = page.post(url(incident, "acknowledge"), {"seen": seen})

    assert said(answer) == "You joined: Bob has it."
    assert Incident.objects.get().acknowledged_by == bob
    assert incident.timeline.get(kind=Kind.JOINED).actor == alice


def test_the_way_to_resolved(page, incident, clock):
    do(page, incident, "identify", suspected_cause="Full disk")
    do(page, incident, "start-mitigating", mitigation="Clean up", kind="other")
    do(page, incident, "mark-recovered")
    clock.forward(minutes=11)
    answer = do(page, incident, "resolve", root_cause="Logs were kept for ever")

    assert said(answer) == "It is resolved."
    assert Incident.objects.get().status == Status.RESOLVED


def test_of_what_kind_the_cure_is_is_never_taken_for_granted(page, incident):
    do(page, incident, "identify", suspected_cause="Full disk")
    asked = page.get(url(incident, "start-mitigating")).content.decode()
    answer = do(page, incident, "start-mitigating", mitigation="Clean up", kind="")

    assert re.search(r'<option value="" selected>—</option>', asked)
    assert "Choose of what kind that is." in answer.content.decode()
    assert Incident.objects.get().status == Status.IDENTIFIED


def test_severity_is_changed_in_place(page, incident):
    text = shown(page, incident)
    answer = do(page, incident, "change-severity", severity="SEV2", reason="One region")

    assert f'action="{url(incident, "change-severity")}"' in text
    assert said(answer) == "Severity is SEV2 now."


def test_the_same_severity_is_refused_kindly(page, incident):
    answer = do(page, incident, "change-severity", severity="SEV1", reason="Sure")

    assert "It is SEV1 already" in answer.content.decode()
    assert not incident.timeline.filter(kind=Kind.SEVERITY_CHANGED).exists()


def test_a_role_is_given_and_left_vacant_in_place(page, incident, bob):
    given = do(page, incident, "assign-role", role="commander", user=bob.pk)
    left = do(page, incident, "assign-role", role="commander", user="")

    assert said(given) == "Bob is commander now."
    assert said(left) == "Commander is vacant."


def test_a_to_do_is_ticked_and_unticked(page, incident, alice):
    item = services.add_checklist_item(incident, text="Call support", actor=alice)

    do(page, incident, "tick", item=item.pk)
    item.refresh_from_db()
    assert item.ticked_by == alice
    do(page, incident, "untick", item=item.pk)
    item.refresh_from_db()
    assert item.ticked_at is None


@pytest.mark.parametrize(
    ("name", "facts", "kind"),
    [
        ("note", {"text": "Seen it"}, Kind.NOTE),
        ("attest", {"fact": "errors", "value": "1", "window": "00:10:00"}, Kind.ATTESTED),
        ("add-to-do", {"text": "Call support"}, Kind.CHECKLIST_ADDED),
        ("snooze", {"length": "30", "reason": "Known"}, Kind.SNOOZED),
        (
            "snooze",
            {"length": "", "until_0": "2026-03-02", "until_1": "18:00", "reason": "Known"},
            Kind.SNOOZED,
        ),
        ("dismiss", {"reason": "Noise"}, Kind.DISMISSED),
        (
            "correct-milestone",
            {"milestone": "started", "at_0": "2026-03-02", "at_1": "09:00:00", "reason": "Log"},
            Kind.MILESTONE_CORRECTED,
        ),
    ],
)
def test_a_verb_is_recorded(page, incident, name, facts, kind):
    answer = do(page, incident, name, **facts)

    assert answer.status_code == 302, answer.context_data["form"].errors
    assert incident.timeline.filter(kind=kind).exists()


def test_giving_back_merging_and_reopening(page, incident, service, alice):
    other = services.declare(title="The same", service=service)
    do(page, incident, "acknowledge")

    do(page, incident, "unacknowledge", reason="Shift ends")
    merged = do(page, incident, "merge", into=other.pk)
    do(page, incident, "reopen", reason="It was not")

    assert said(merged) == f"It ended as a duplicate of {other}."
    kinds = set(incident.timeline.values_list("kind", flat=True))
    assert {Kind.UNACKNOWLEDGED, Kind.MERGED, Kind.REOPENED} <= kinds


def test_a_snooze_until_a_moment_asks_for_it(page, incident):
    answer = do(page, incident, "snooze", length="", reason="Known")

    assert "Say until when." in answer.content.decode()


def test_milestones_have_human_names_and_their_present_value(page, incident):
    text = page.get(url(incident, "correct-milestone") + "?milestone=detected").content.decode()

    assert "Detected: 2026-03-02 10:00:00" in text
    assert 'type="date" name="at_0" value="2026-03-02"' in text
    assert "Mitigation started" not in text  # not reached, not correctable


def test_resolving_asks_for_what_the_runbook_wants(page, incident, service, alice, bob, client):
    fields = page.get(url(incident, "resolve")).context_data["form"].fields
    bob.is_staff = True
    bob.save()
    client.force_login(bob)
    of_bob = client.get(url(incident, "resolve")).context_data["form"].fields

    assert list(fields) == ["mitigation", "kind", "root_cause", "resolution", "override_reason"]
    assert "override_reason" not in of_bob  # neither commander nor manager


# --- Two people at once ---------------------------------------------------------------------------


def test_what_others_did_meanwhile_is_shown_first_and_a_second_press_goes_ahead(
    page, incident, bob, clock
):
    seen = story.newest(incident)
    services.change_severity(incident, severity="SEV2", reason="One region", actor=bob)
    clock.forward(seconds=10)

    first = page.post(url(incident, "dismiss"), {"seen": seen, "reason": "Noise"})
    text = first.content.decode()

    assert "Bob changed its severity 10 s ago. Severity SEV1 → SEV2: One region" in text
    assert "Noise" in text
    assert Incident.objects.get().is_open
    again = page.post(
        url(incident, "dismiss"), {"seen": first.context_data["seen"], "reason": "Noise"}
    )
    assert again.status_code == 302
    assert not Incident.objects.get().is_open


def test_a_move_that_became_illegal_says_who_was_faster_and_keeps_the_text(page, incident, bob):
    seen = story.newest(incident)
    services.identify(incident, suspected_cause="Disk", actor=bob)

    answer = page.post(
        url(incident, "identify"), {"seen": seen, "suspected_cause": "The network, I think"}
    )

    text = answer.content.decode()
    assert answer.status_code == 409
    assert "Bob marked it identified 0 s ago. Identified: Disk" in text
    assert "The network, I think" in text
    assert "Keep it as a note" in text


def test_a_note_is_never_held_back(page, incident, bob):
    seen = story.newest(incident)
    services.change_severity(incident, severity="SEV2", reason="One region", actor=bob)

    page.post(url(incident, "note"), {"seen": seen, "text": "Mine"})

    assert incident.timeline.filter(kind=Kind.NOTE, summary="Mine").exists()


def test_what_one_did_oneself_holds_nothing_back(page, incident, alice):
    seen = story.newest(incident)
    services.change_severity(incident, severity="SEV2", reason="One region", actor=alice)

    page.post(url(incident, "dismiss"), {"seen": seen, "reason": "Noise"})

    assert not Incident.objects.get().is_open


def test_what_happens_by_itself_counts_where_it_changes_the_state(page, incident):
    seen = story.newest(incident)
    services.mark_recovered(incident)
    held = page.post(url(incident, "dismiss"), {"seen": seen, "reason": "Noise"})

    assert "Tocsin said that it works again" in held.content.decode()
    assert Incident.objects.get().is_open


def test_impact_of_two_people_keeps_what_both_wrote(page, incident, bob):
    form = page.get(url(incident, "record-impact")).context_data
    services.record_impact(incident, users_affected=500, actor=bob)
    # As the browser sends it: what was shown at the beginning, and what was typed.
    typed = {
        **{f"initial-{name}": "" for name in ["impact", "users_affected", "revenue_lost"]},
        **{"initial-currency": "", "initial-data_loss": "unknown", "data_loss": "unknown"},
        **{"impact": "Payments in Europe", "users_affected": ""},
    }

    held = page.post(url(incident, "record-impact"), {"seen": form["seen"], **typed})
    page.post(url(incident, "record-impact"), {"seen": held.context_data["seen"], **typed})

    assert "Now it says: 500" in held.content.decode()
    stored = Incident.objects.get()
    assert (stored.impact, stored.users_affected) == ("Payments in Europe", 500)


@pytest.mark.parametrize("mark", ["", "x", "-1", "²", "9" * 40])
def test_a_mark_that_is_none_holds_nothing_back_and_breaks_nothing(page, incident, mark, bob):
    services.change_severity(incident, severity="SEV2", reason="One region", actor=bob)

    assert page.post(url(incident, "note"), {"seen": mark, "text": "x"}).status_code == 302
    answer = page.post(url(incident, "dismiss"), {"seen": mark, "reason": "x"})
    assert answer.status_code == 302


# --- Queries --------------------------------------------------------------------------------------


def test_the_page_takes_as_many_queries_for_one_row_as_for_fifty(
    client, service, clock, django_assert_max_num_queries
):
    root = UserFactory(username="root", is_superuser=True)
    client.force_login(root)
    counts = []
    for rows in [1, 50]:
        incident = services.declare(title="Slow", service=service, severity="SEV1")
        _fill(incident, service, root, rows)
        with django_assert_max_num_queries(60) as captured:
            assert client.get(url(incident)).status_code == 200
        counts.append(len(captured))

    assert counts[0] == counts[1]


def _fill(incident, service, root, rows):
    for number in range(rows):
        actor = UserFactory(username=f"helper{number}")
        services.note(incident, text=f"Note {number}", actor=actor)
        item = services.add_checklist_item(incident, text=f"To do {number}", actor=actor)
        services.tick(item, actor=actor)
        services.attest(incident, fact="errors", value=1, window=timedelta(minutes=1), actor=actor)
        again = services.declare(title="Again", service=service, recurrence_of=incident)
        double = services.declare(title="Double", service=service)
        services.merge(double, into=incident, actor=root)
        assert again.recurrence_of == incident
    incident.affected_services.set(ServiceFactory() for _ in range(rows))


def test_five_thousand_entries_take_as_many_queries(
    page, incident, alice, clock, django_assert_max_num_queries
):
    with django_assert_max_num_queries(60) as few:
        page.get(url(incident))
    TimelineEntry.objects.bulk_create(
        TimelineEntry(incident=incident, kind=Kind.NOTE, at=clock.at, actor=alice, summary="x")
        for _ in range(5_000)
    )

    for query in ["", "?all=1"]:
        with django_assert_max_num_queries(60) as many:
            assert page.get(url(incident) + query).status_code == 200
        assert len(many) == len(few)
