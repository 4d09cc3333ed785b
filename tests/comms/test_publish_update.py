"""Publishing an update: written by the runbook, sent to the lists, told on the timeline."""

from datetime import timedelta

import pytest

from incidents.comms import services as comms
from incidents.comms.models import Stakeholders, StatusUpdate
from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind, Service, Team, User
from incidents.escalation.models import EscalationPolicy
from incidents.notifications.models import Delivery
from incidents.notifications.services import Address
from incidents.timers.clock import VirtualClock
from tests.comms.conftest import Publish, sent_to
from tests.escalation.stage import Phones, settle
from tests.factories import ServiceFactory, TeamFactory

pytestmark = pytest.mark.django_db


def test_it_tells_the_list_in_plain_text_and_html_and_the_timeline(
    taken: Incident, desk: Stakeholders, bob: User
):
    update = comms.publish_update(
        taken,
        actor=bob,
        audience="internal",
        known="The pool is <exhausted>.",
        done="Restarted one node.",
        next="Restart the others.",
        eta="14:00",
    )
    settle()

    (mail,) = sent_to("desk")
    assert mail.subject == "[SEV1] Checkout: Checkout is down"
    for words in ["The pool is <exhausted>.", "Done: Restarted one node.", "Next: Restart"]:
        assert words in mail.body
    assert "Commander" not in mail.body  # nobody commands: nothing is said about it
    assert "&lt;exhausted&gt;" in mail.html and "<exhausted>" not in mail.html
    assert [link.title for link in mail.links] == ["Open the incident"]
    entry = taken.timeline.get(kind=Kind.UPDATE_PUBLISHED)
    assert entry.summary == "Internal update 1: The pool is <exhausted>."
    assert (entry.actor, entry.data["recipients"]) == (bob, 1)
    assert update.number == 1


def test_a_second_press_tells_nobody_twice_but_the_end_is_told(
    taken: Incident, desk: Stakeholders, bob: User, alice: User, clock: VirtualClock
):
    def tell(who: User) -> StatusUpdate:
        return comms.publish_update(taken, actor=who, audience="internal", known="It works.")

    assert tell(bob) == tell(bob)
    assert tell(bob) != tell(alice)
    first = tell(bob)
    core.dismiss(taken, reason="It works.", actor=bob)
    assert tell(bob).occasion == "resolution"
    clock.forward(minutes=2)
    assert tell(bob).number > first.number + 2


def test_times_are_in_the_zone_of_the_audience_with_utc(
    taken: Incident, desk: Stakeholders, customers: Stakeholders, bob: User
):
    for audience in ["internal", "external"]:
        comms.publish_update(taken, actor=bob, audience=audience, known="Down.")
    settle()

    assert "Next update: 2026-03-02 11:15 CET (10:15 UTC)" in sent_to("desk")[0].body
    assert "Next update: 2026-03-02 05:30 EST (10:30 UTC)" in sent_to("merchant")[0].body


def test_the_words_of_the_runbook_are_used_and_numbered(
    policy: EscalationPolicy,
    service: Service,
    runbook: Publish,
    desk: Stakeholders,
    bob: User,
):
    letter = {"subject": "[{severity}] Update: {title}", "body": "UPDATE #{number}\nETA: {eta}"}
    runbook({"templates": {"update": {"internal": letter}}})
    incident = core.declare(title="Down", service=service, severity="SEV1")
    settle()
    sent_to("desk")

    comms.publish_update(incident, actor=bob, audience="internal", known="x")
    settle()

    (mail,) = sent_to("desk")
    assert (mail.subject, mail.body) == (
        "[SEV1] Update: Down",
        "UPDATE #2\nETA: not known yet\n\nx",
    )


def test_nothing_that_was_written_is_lost_where_the_runbooks_words_have_no_place_for_it(
    runbook: Publish, policy: EscalationPolicy, service: Service, desk, customers, bob: User
):
    letter = {"body": "Findings: {known}\nNext update in {next_update_in}"}
    page = {"external": {"body": "We know: {known}"}}
    templates = {"initial": {"internal": letter, "external": letter}, "status_page": page}
    cadence = [{"every": "30 min"}, {"audience": "external", "every": "1 h"}]
    runbook({"cadence": cadence, "templates": templates})
    incident = core.declare(title="Slow", service=service, severity="SEV2")
    settle()
    sent_to("desk")

    words = {"known": "A leak.", "done": "Restarted.", "next": "A fix.", "occasion": "initial"}
    comms.publish_update(incident, actor=bob, audience="internal", **words)
    told = comms.publish_update(incident, actor=bob, audience="external", **words)
    settle()

    body = "Findings: A leak.\nNext update in {}\n\nDone: Restarted.\n\nNext: A fix."
    assert sent_to("desk")[0].body == body.format("30 minutes")
    assert sent_to("merchant")[0].body == body.format("1 hour")
    assert told.public_text.startswith("We know: A leak.\n\nRestarted.\n\nA fix.")


def test_colleagues_hear_of_the_declaration_and_of_the_end_by_themselves(
    policy: EscalationPolicy, service: Service, runbook: Publish, desk: Stakeholders, bob: User
):
    runbook()
    incident = core.declare(
        title="Down", description="Nobody can pay.", service=service, severity="SEV1"
    )
    settle()
    (first,) = sent_to("desk")
    core.dismiss(incident, reason="The probe was wrong.", actor=bob)
    settle()
    (last,) = sent_to("desk")

    assert "Nobody can pay." in first.body
    assert last.subject == "[Resolved] [SEV1] Down"
    assert "False alarm: The probe was wrong." in last.body
    assert [one.author for one in StatusUpdate.objects.all()] == [None, None]


def test_only_lists_of_the_service_its_team_and_the_organisation_are_told(
    taken: Incident, team: Team, service: Service, bob: User
):
    other = ServiceFactory(name="Other", slug="other", team=TeamFactory(name="Others"))
    for name, facts in {
        "organisation": {},
        "team": {"team": team},
        "service": {"service": service},
        "other service": {"service": other},
        "other team": {"team": other.team},
        "worse only": {"minimum_severity": "SEV1"},
        "off": {"is_active": False},
        "outside": {"audience": "external"},
    }.items():
        active = facts.pop("is_active", True)
        made = comms.create_stakeholders(
            name=name, addresses=[Address("recorder", name)], actor=None, **facts
        )
        comms.change_stakeholders(made, is_active=active, actor=None)

    comms.publish_update(taken, actor=bob, audience="internal", known="Down.")
    core.change_severity(taken, severity="SEV2", reason="Better.", actor=bob)
    comms.publish_update(taken, actor=bob, audience="internal", known="Slow.")
    settle()

    told = {"organisation": 2, "team": 2, "service": 2, "worse only": 1}
    for name in ["organisation", "team", "service", "other service", "other team", "off"]:
        assert len(sent_to(name)) == told.get(name, 0), name
    assert len(sent_to("worse only")) == 1
    assert sent_to("outside") == []


def test_who_is_on_two_lists_is_told_once(
    taken: Incident, team: Team, service: Service, alice: User, bob: User, phones: Phones
):
    for facts in [{"team": team}, {"service": service}]:
        comms.create_stakeholders(
            name="A list",
            people=[alice],
            addresses=[Address("recorder", "both")],
            actor=None,
            **facts,
        )
    settle()
    phones.take()

    comms.publish_update(taken, actor=bob, audience="internal", known="Down.")
    settle()

    assert phones.told() == ["alice", "both"]


def test_a_drill_is_told_to_colleagues_with_its_label_and_to_nobody_outside(
    policy: EscalationPolicy,
    service: Service,
    runbook: Publish,
    desk: Stakeholders,
    customers: Stakeholders,
    team: Team,
    alice: User,
    bob: User,
    phones: Phones,
    clock: VirtualClock,
):
    runbook()
    comms.create_stakeholders(name="People", team=team, people=[alice], actor=None)
    core.expect_signal(matchers={"dedup_key": "drill"}, until=clock.at + timedelta(hours=1))
    drill = core.declare(
        title="Drill", service=service, severity="SEV1", signal={"dedup_key": "drill"}
    )
    core.acknowledge(drill, actor=bob)
    settle()
    phones.take()

    inside = comms.publish_update(drill, actor=bob, audience="internal", known="Down.")
    update = comms.publish_update(drill, actor=bob, audience="external", known="Down.")
    settle()

    assert phones.told() == ["alice"]
    assert update.recipients == 0
    mail = Delivery.objects.get(cause=f"update:{inside.pk}")
    assert mail.subject.startswith("[DRILL]") and "[DRILL]" in mail.html


def test_a_private_incident_is_told_to_its_audience_on_the_lists_and_never_outside(
    policy: EscalationPolicy,
    service: Service,
    runbook: Publish,
    desk: Stakeholders,
    team: Team,
    alice: User,
    dana: User,
    bob: User,
    phones: Phones,
):
    runbook()
    comms.create_stakeholders(name="People", team=team, people=[alice, dana], actor=None)
    secret = core.declare(
        title="Leak", service=service, severity="SEV1", is_private=True, audience=[alice, bob]
    )
    settle()
    phones.take()

    comms.publish_update(secret, actor=bob, audience="internal", known="Contained.")
    with pytest.raises(Refused, match="private"):
        comms.publish_update(secret, actor=bob, audience="external", known="Contained.")
    settle()

    assert phones.told() == ["alice"]


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"audience": "everybody", "known": "x"}, "audience"),
        ({"audience": "internal", "known": "  "}, "known"),
        ({"audience": "internal", "known": "x" * 4_001}, "known"),
        ({"audience": "internal", "known": "x", "occasion": "party"}, "occasion"),
        ({"audience": "internal", "known": "x", "occasion": "resolution"}, "occasion"),
    ],
)
def test_it_refuses_what_makes_no_sense(taken: Incident, bob: User, facts: dict, field: str):
    with pytest.raises(DomainError) as refused:
        comms.publish_update(taken, actor=bob, **facts)

    assert refused.value.field == field
    assert not StatusUpdate.objects.exists()


def test_what_is_mitigated_and_works_again_is_monitored(
    policy: EscalationPolicy,
    service: Service,
    runbook: Publish,
    bob: User,
    clock: VirtualClock,
):
    runbook({"words": {"mitigating_recovered": "Watching"}})
    incident = core.declare(title="Down", service=service, severity="SEV1")
    core.identify(incident, suspected_cause="A bad release", actor=bob)
    core.start_mitigating(incident, mitigation="Rolled back", kind="rollback", actor=bob)
    incident.refresh_from_db()
    assert comms.preview(incident, actor=bob, audience="internal").status == "Mitigating"

    core.mark_recovered(incident, actor=bob)
    incident.refresh_from_db()

    assert comms.preview(incident, actor=bob, audience="internal").status == "Watching"


def test_a_preview_reads_like_the_update_and_changes_nothing(
    taken: Incident, desk: Stakeholders, bob: User
):
    draft = comms.preview(taken, actor=bob, audience="internal", known="Down.")
    assert not StatusUpdate.objects.exists() and not sent_to("desk")

    update = comms.publish_update(taken, actor=bob, audience="internal", known="Down.")

    assert (draft.subject, draft.text, draft.html) == (update.subject, update.text, update.html)
    assert len(draft.recipients) == update.recipients == 1


def test_an_escalation_request_is_drafted_by_the_runbooks_words(taken: Incident, bob: User):
    draft = comms.preview(
        taken,
        actor=bob,
        audience="internal",
        occasion="escalation",
        known="Nothing helps.",
        reason="The cause is unclear",
        requesting="the database administrator",
    )

    assert draft.subject == "Escalation needed: [SEV1] Checkout is down"
    assert "Reason: The cause is unclear\nRequesting: the database administrator" in draft.text


def test_after_the_end_an_apology_can_be_published(taken: Incident, customers, bob: User):
    core.dismiss(taken, reason="Over.", actor=bob)

    update = comms.publish_update(
        taken, actor=bob, audience="external", known="A release was faulty.", occasion="apology"
    )
    settle()

    assert (update.occasion, update.next_due_at) == ("apology", None)
    assert sent_to("merchant")[0].body.startswith("We are sorry")
