import pytest

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.core.signals import entry_recorded
from incidents.escalation import services as escalation
from incidents.escalation.models import Escalation, Page
from incidents.notifications.models import Delivery
from incidents.notifications.transports.recorder import Recorder
from incidents.timers.models import Timer
from tests.escalation.conftest import FIVE, give_phone, take_phone
from tests.escalation.rulebook import runbook
from tests.escalation.stage import link_in, settle

pytestmark = pytest.mark.django_db


def kinds(incident):
    return [entry.kind for entry in incident.timeline.order_by("pk")]


def test_it_pages_the_first_level(declared, phones):
    settle()

    assert phones.paged() == ["bob"]
    assert declared.escalation.state == Escalation.State.RUNNING
    assert kinds(declared) == [Kind.DECLARED, Kind.PAGED]


def test_incident_page_message_and_next_step_are_committed_together(declared, bob, clock):
    page = Page.objects.get()
    delivery = Delivery.objects.get()

    assert (page.incident, page.user, page.level) == (declared, bob, 1)
    assert (delivery.cause, delivery.paging_epoch) == (page.cause, declared.paging_epoch)
    step = Timer.objects.pending().of(declared).get(kind="escalation.step")
    assert (step.due_at, step.epoch) == (clock.at + FIVE, declared.paging_epoch)


def test_nothing_of_it_stays_when_the_declaration_is_undone(policy, service):
    def refuse(_entry, _incident):
        raise RuntimeError("a receiver that may undo the verb")

    entry_recorded.connect(refuse, kinds={Kind.DECLARED}, essential=True)
    try:
        with pytest.raises(RuntimeError):
            core.declare(title="Undone", service=service, severity="SEV1")
    finally:
        entry_recorded.disconnect(refuse)

    assert not Incident.objects.exists()
    assert not Page.objects.exists()
    assert not Delivery.objects.exists()
    assert not Timer.objects.filter(kind__startswith="escalation.").exists()


def test_the_message_says_what_and_where_to_acknowledge(declared):
    settle()

    (sent,) = Recorder.sent
    assert sent.subject == f"SEV1 Checkout: Checkout is down ({declared.reference})"
    assert sent.body.splitlines() == [
        "Checkout is down",
        "Checkout, since 2026-03-02 10:00 UTC, just now",
        "Level 1 of 3 of Payments.",
    ]
    assert [link.title for link in sent.links] == ["Acknowledge", "Open the incident"]
    assert len(sent.links[0].url.split("/a/")[1].strip("/")) == 43


def test_the_message_and_its_page_name_the_type_as_the_runbook_calls_it(
    policy, service, client, clock
):
    kind = {"title": "Data loss", "definition": "Items vanish.", "severity": "SEV1"}
    runbook(types={"data-loss": kind})

    for title in ["Orders vanish", "DATA LOSS in orders", "x" * 300]:
        core.declare(title=title, service=service, incident_type="data-loss")

    pages = Delivery.objects.order_by("incident_id")
    named, said_already, long = [page.subject for page in pages]
    references = Incident.objects.order_by("pk").values_list("reference", flat=True)
    assert named == f"SEV1 Checkout: Orders vanish · Data loss ({references[0]})"
    assert said_already == f"SEV1 Checkout: DATA LOSS in orders ({references[1]})"
    assert long == f"SEV1 Checkout: {'x' * 119}… · Data loss ({references[2]})"
    settle()
    page = client.get(link_in(Recorder.sent[0])).content.decode()
    assert "<dt>Type</dt><dd>Data loss</dd>" in page


def test_only_the_digest_of_the_link_is_kept(declared):
    token = Delivery.objects.get().links[0]["url"].rstrip("/").rpartition("/")[2]
    settle()

    page = Page.objects.get()
    assert len(page.link_digest) == 64
    assert token not in str(list(Page.objects.values())) + str(list(Delivery.objects.values()))


def test_everybody_of_a_level_is_paged_once(policy, service, team, alice, bob, phones):
    escalation.set_levels(
        policy,
        levels=[
            {
                "timeout": FIVE,
                "targets": [
                    {"kind": "schedule"},
                    {"kind": "team_members", "team": team},
                    {"kind": "person", "user": bob},
                ],
            }
        ],
        actor=None,
    )

    core.declare(title="Checkout is down", service=service, severity="SEV1")
    settle()

    assert phones.paged() == ["alice", "bob"]


def test_a_level_with_nobody_is_skipped_at_once_and_noted(policy, service, bob, phones):
    bob.is_active = False
    bob.save()

    incident = core.declare(title="Checkout is down", service=service, severity="SEV1")
    settle()

    assert phones.paged() == ["alice"]
    skipped = incident.timeline.get(kind=Kind.LEVEL_SKIPPED)
    assert skipped.summary == "Level 1 of Payments was skipped: nobody is on call."


def test_a_level_that_cannot_be_reached_is_skipped_at_once_and_noted(
    policy, service, bob, alice, phones, clock
):
    take_phone(bob)

    incident = core.declare(title="Checkout is down", service=service, severity="SEV1")
    settle()

    assert phones.paged() == ["alice"]
    assert "verified way" in incident.timeline.get(kind=Kind.LEVEL_SKIPPED).summary
    assert not Page.objects.filter(user=bob).exists()
    assert incident.escalation.level == 2


def test_of_a_level_those_are_named_who_cannot_be_reached(policy, service, team, bob, phones):
    escalation.set_levels(
        policy, levels=[{"timeout": FIVE, "targets": [{"kind": "team_members"}]}], actor=None
    )
    take_phone(bob)

    incident = core.declare(title="Checkout is down", service=service, severity="SEV1")
    settle()

    assert phones.paged() == ["alice"]
    assert (
        "Without a verified way to be reached: Bob."
        in incident.timeline.get(kind=Kind.PAGED).summary
    )
    assert not incident.timeline.filter(kind=Kind.LEVEL_SKIPPED).exists()


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (lambda policy: policy.assignments.all().delete(), "no escalation policy applies"),
        (lambda policy: policy.levels.all().delete(), "has no levels"),
        (
            lambda policy: escalation.set_active(policy, is_active=False, actor=None),
            "is switched off",
        ),
        (lambda policy: (policy.assignments.all().delete(), policy.delete()), "no escalation"),
        (
            lambda policy: [level.targets.all().delete() for level in policy.levels.all()],
            "nobody on any level",
        ),
    ],
)
def test_without_a_policy_that_works_the_last_resort_is_told_at_once(
    policy, service, phones, broken, why
):
    broken(policy)

    incident = core.declare(title="Checkout is down", service=service, severity="SEV1")
    settle()

    assert phones.paged() == ["duty"]
    exhausted = incident.timeline.get(kind=Kind.EXHAUSTED)
    assert why in exhausted.summary
    assert why in Incident.objects.get().escalation.reason


def test_it_says_so_when_there_is_no_last_resort_either(service, clock):
    incident = core.declare(title="Checkout is down", service=service, severity="SEV1")

    summary = incident.timeline.get(kind=Kind.EXHAUSTED).summary
    assert "there is no last resort to tell" in summary


def test_a_private_incident_asks_only_its_audience(policy, service, alice, dana, phones):
    incident = core.declare(
        title="Leak", service=service, severity="SEV1", is_private=True, audience=[dana]
    )
    settle()

    assert phones.paged() == ["dana"]
    assert [e.data["level"] for e in incident.timeline.filter(kind=Kind.LEVEL_SKIPPED)] == [1, 2]
    assert "private" in incident.timeline.filter(kind=Kind.LEVEL_SKIPPED).first().summary


def test_a_private_incident_with_nobody_left_goes_to_its_own_last_resort(
    policy, service, charlie, phones
):
    give_phone(charlie)

    core.declare(
        title="Drill",
        service=service,
        severity="SEV1",
        is_private=True,
        audience=[charlie],
        last_resort=charlie,
    )
    settle()

    assert phones.paged() == ["charlie"]


def test_a_drill_carries_its_label_and_asks_its_audience(policy, service, bob, clock, phones):
    core.expect_signal(
        matchers={"dedup_key": "game-day"},
        until=clock.at + FIVE,
        label_before_acknowledgement="[DRILL]",
        audience=[bob],
    )

    core.declare(
        title="Checkout is down",
        service=service,
        severity="SEV1",
        signal={"dedup_key": "game-day"},
    )
    settle()

    (sent,) = Recorder.sent
    assert sent.subject.startswith("[DRILL] SEV1 Checkout: ")
    assert phones.paged() == ["bob"]


def test_a_failure_in_here_does_not_undo_the_declaration(
    policy, service, phones, monkeypatch, errors_expected
):
    from incidents.escalation import targets

    def fail(*_):
        raise RuntimeError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(targets, "gather", fail)
        incident = core.declare(title="Checkout is down", service=service, severity="SEV1")

    assert Incident.objects.filter(pk=incident.pk).exists()
    settle()
    assert phones.paged() == ["bob", "duty"]
    assert incident.timeline.filter(kind=Kind.EXHAUSTED).exists()


def test_the_whole_start_takes_a_small_and_constant_number_of_queries(
    policy, service, team, django_assert_max_num_queries
):
    from incidents.escalation import receivers

    entries = []
    entry_recorded.disconnect(receivers.follow)
    try:
        entry_recorded.connect(lambda *call: entries.append(call), kinds={Kind.DECLARED})
        incident = core.declare(title="Checkout is down", service=service, severity="SEV1")
    finally:
        entry_recorded.connections.popitem()
        entry_recorded.connect(receivers.follow, kinds=receivers.DECISIVE, essential=True)

    with django_assert_max_num_queries(40) as captured:
        receivers.follow(entries[0][0], incident)

    # Savepoints are left out: every other room that listens adds a pair of its own.
    verbs = [query["sql"].split(" ", 1)[0] for query in captured.captured_queries]
    assert len([verb for verb in verbs if verb in {"SELECT", "INSERT", "UPDATE"}]) <= 15
    assert Page.objects.count() == 1
