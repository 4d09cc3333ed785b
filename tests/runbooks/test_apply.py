"""Applying a runbook: once for each change, all or nothing, and never under an open incident."""

import json
import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from jsonschema import Draft202012Validator

from incidents.core import section, services
from incidents.core.errors import DomainError, Forbidden
from incidents.core.models import Organisation, RunbookRevision, SeverityPolicy
from incidents.escalation.models import EscalationPolicy
from incidents.runbooks import document
from incidents.runbooks import services as runbooks
from incidents.runbooks.library import shipped
from incidents.runbooks.loading import read, read_file
from tests.chaos.servers import eventually
from tests.factories import UserFactory

SLUGS = ["fintech", "saas", "schedgen", "tars", "tps"]


def changed(**replaced):
    """The SaaS runbook with other words in it: old → new, as they stand in its file."""
    text = shipped()["saas"].read_text()
    for old, new in replaced.get("words", {}).items():
        assert old in text
        text = text.replace(old, new, 1)
    return document.parse(read(text))


def run(*arguments):
    out = StringIO()
    call_command("runbook", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("slug", SLUGS)
def test_it_makes_a_revision_with_its_policies(db, slug):
    book = runbooks.load(slug)

    revision = runbooks.apply(book, actor=None)

    assert (revision.slug, revision.version, revision.title) == (slug, 1, book.title)
    assert revision.reference_format == book.reference
    assert document.parse(revision.document) == book
    assert section.of(revision).severities == book.severities
    assert [policy.severity for policy in revision.severity_policies.all()] == [
        *("SEV1", "SEV2", "SEV3", "SEV4")
    ]


def test_what_the_engines_read_is_what_the_runbook_says(db):
    revision = runbooks.apply(runbooks.load("tars"), actor=None)

    policy = revision.severity_policies.get(severity="SEV1")
    assert (policy.label, policy.response) == ("P1", "page")
    assert policy.required_attestations == [
        {"fact": "error_rate", "below": 0.1, "unit": "%", "for": 600}
    ]
    assert policy.resolution_criteria == ["root_cause", "mitigation", "healthy"]
    saas = runbooks.apply(runbooks.load("saas"), actor=None).severity_policies.get(severity="SEV1")
    assert saas.respond_target == timedelta(minutes=5)
    assert saas.monitoring_window == timedelta(minutes=30)
    assert saas.required_roles == [
        *("commander", "technical_lead", "communications_lead", "scribe")
    ]


def test_the_same_again_changes_nothing(db):
    first = runbooks.apply(runbooks.load("saas"), actor=None)

    again = runbooks.apply(runbooks.load("saas"), actor=None)

    assert again == first
    assert RunbookRevision.objects.count() == 1
    assert SeverityPolicy.objects.count() == 4
    assert not runbooks.diff(runbooks.load("saas")).changes


def test_a_change_makes_a_second_version_and_an_open_incident_keeps_its_own(service):
    runbooks.apply(runbooks.load("saas"), actor=None)
    runbooks.choose("saas", actor=None, by_default=True)
    open_one = services.declare(title="Down", service=service, severity="SEV1")
    other = changed(words={"targets: {respond: 5 min}": "targets: {respond: 3 min}"})

    assert runbooks.diff(other).lines == [
        "severities.SEV1.targets.respond: 5 min → 3 min",
        "1 open incident keeps its version; new ones get version 2.",
    ]
    assert runbooks.apply(other, actor=None).version == 2

    open_one.refresh_from_db()
    later = services.declare(title="Down again", service=service, severity="SEV1")
    assert (open_one.revision.version, later.revision.version) == (1, 2)
    assert services.policy_of(open_one).respond_target == timedelta(minutes=5)
    assert services.policy_of(later).respond_target == timedelta(minutes=3)


def test_it_says_what_is_new_and_what_is_gone(db):
    runbooks.apply(runbooks.load("saas"), actor=None)
    other = changed(
        words={
            "title: Memory leak\n    definition": "title: Leaking memory\n    definition",
            '  - "Stay calm: panic makes it worse"': "  - Breathe",
            "status_page: https://status.example.org/\n": "bridge: https://meet.example.org/\n",
        }
    )

    assert runbooks.diff(other).lines == [
        "types.memory-leak.title: Memory leak → Leaking memory",
        "status_page: is gone (was https://status.example.org/)",
        'principles: "Stay calm: panic makes it worse" is gone',
        'principles: "Breathe" is new',
        "bridge: is new: https://meet.example.org/",
    ]


def test_what_is_first_in_the_file_stays_first(db):
    revision = runbooks.apply(runbooks.load("tps"), actor=None)
    revision.refresh_from_db()
    assert [*revision.document["checklists"]] == ["quick", "health", "documentation", "learning"]
    assert [*section.of(revision).procedures][:2] == [
        *("service-unavailable", "performance-degradation")
    ]
    text = shipped()["tps"].read_text()
    health, learning = text.index("\n  health:"), text.index("\n  learning:")
    quick = text.index("\n  quick:")
    swapped = text[:quick] + text[health:learning] + text[quick:health] + text[learning:]
    other = document.parse(read(swapped))

    assert runbooks.diff(other).lines == ["checklists: is in another order"]
    assert runbooks.apply(other, actor=None).version == 2
    assert runbooks.apply(other, actor=None).version == 2


def test_all_or_nothing(db, monkeypatch):
    def fail(rows, **_):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(SeverityPolicy.objects, "bulk_create", fail)

    with pytest.raises(DatabaseError):
        runbooks.apply(runbooks.load("saas"), actor=None)

    assert RunbookRevision.objects.count() == 0


def test_only_administrators_load_runbooks(alice):
    with pytest.raises(Forbidden, match="Only administrators"):
        runbooks.apply(runbooks.load("saas"), actor=alice)

    assert RunbookRevision.objects.count() == 0
    assert runbooks.apply(runbooks.load("saas"), actor=UserFactory(is_superuser=True)).version == 1


def test_a_team_and_a_service_choose_their_own(service, team, alice, bob):
    for slug in ["saas", "tps"]:
        runbooks.apply(runbooks.load(slug), actor=None)

    runbooks.choose("saas", team=team, actor=alice)
    assert services.revision_for(_fresh(service)).slug == "saas"
    runbooks.choose("tps", service=service, actor=alice)
    assert services.revision_for(_fresh(service)).slug == "tps"
    assert runbooks.users_of("saas") == ["team Payments"]
    assert runbooks.users_of("tps") == ["service Checkout"]

    with pytest.raises(Forbidden):
        runbooks.choose("saas", service=service, actor=bob)
    with pytest.raises(Forbidden):
        runbooks.choose("saas", by_default=True, actor=alice)
    assert services.revision_for(_fresh(service)).slug == "tps"


def test_a_team_keeps_the_escalation_policy_that_it_has(team, alice):
    runbooks.adopt("saas", team=team, actor=alice)
    mine = EscalationPolicy.objects.get(team=team)

    assert runbooks.choose("saas", team=team, actor=alice) is None
    runbooks.adopt("tps", team=team, actor=alice)

    assert EscalationPolicy.objects.get(team=team) == mine
    assert mine.levels.count() == 5


def test_a_team_that_has_chosen_it_already_gets_its_ladder_with_it(team):
    services.choose_runbook("saas", team=team)

    assert runbooks.diff(runbooks.load("saas")).lines == [
        "saas: is new; it becomes version 1.",
        "team Payments: has no escalation policy, and gets the runbook's.",
    ]
    runbooks.apply(runbooks.load("saas"), actor=None)

    assert EscalationPolicy.objects.get(team=team).levels.count() == 5
    assert not runbooks.diff(runbooks.load("saas")).changes


def test_a_manager_adopts_what_comes_with_tocsin(service, team, alice, bob):
    assert runbooks.adopt("saas", team=team, actor=alice).version == 1
    assert services.revision_for(_fresh(service)).slug == "saas"

    assert runbooks.adopt("default", team=team, actor=alice).slug == "default"
    with pytest.raises(DomainError, match="There is no runbook 'mine'"):
        runbooks.adopt("mine", team=team, actor=alice)
    with pytest.raises(Forbidden):
        runbooks.adopt("tps", team=team, actor=bob)
    with pytest.raises(Forbidden):
        runbooks.adopt("tps", by_default=True, actor=alice)

    assert services.revision_for(_fresh(service)).slug == "default"
    assert not RunbookRevision.objects.filter(slug="tps").exists()


def test_what_was_never_applied_cannot_be_chosen(team):
    with pytest.raises(DomainError, match="apply it first"):
        runbooks.choose("saas", team=team, actor=None)

    team.refresh_from_db()
    assert team.runbook == ""


def test_the_command_says_what_it_does(service, team):
    said = run("apply", "saas", "--team", "payments", "--default", "--yes")

    assert said.splitlines() == [
        "saas: is new; it becomes version 1.",
        "saas: becomes the runbook of team Payments.",
        "saas: becomes the runbook of everybody who has chosen no other.",
        "saas: version 1 applies.",
        "team Payments: had no escalation policy, and has the runbook's now.",
    ]
    policy = EscalationPolicy.objects.get(team=team)
    assert [level.timeout for level in policy.levels.all()] == [
        timedelta(minutes=count) for count in [5, 15, 15, 15, 15]
    ]
    assert Organisation.current().runbook == "saas"
    assert services.revision_for(_fresh(service)).slug == "saas"
    assert run("apply", "saas").splitlines() == ["saas: nothing would change."]
    again = run("apply", "saas", "--team", "payments", "--default")  # does not ask either
    assert again.splitlines() == ["saas: nothing would change."]
    assert run("diff", "saas").splitlines() == ["saas: nothing would change."]


@pytest.mark.parametrize("answer", ["", "n", "no", "perhaps"])
def test_the_command_asks_first(db, monkeypatch, answer):
    monkeypatch.setattr("builtins.input", lambda prompt: answer)

    with pytest.raises(CommandError, match="Nothing was changed"):
        run("apply", "saas")

    assert RunbookRevision.objects.count() == 0


def test_without_anybody_to_ask_nothing_is_changed(db, monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO(""))

    with pytest.raises(CommandError, match="nobody answered; --yes does not ask"):
        run("apply", "saas")

    assert RunbookRevision.objects.count() == 0


def test_commands_are_shown_as_they_are_typed(db):
    shown = run("show", "fintech", "--yaml")

    assert '        psql $DATABASE_URL -c "SELECT 1"\n' in shown
    assert shown.startswith("format: 1\nslug: fintech\n")


def test_the_command_takes_yes_for_an_answer(db, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt: "y")

    run("apply", "saas")

    assert RunbookRevision.objects.current("saas").version == 1


@pytest.mark.parametrize(
    ("wish", "line"),
    [
        (["--team", "nobody"], "There is no team 'nobody'."),
        (["--service", "nothing"], "There is no service 'nothing'."),
    ],
)
def test_a_slip_in_a_name_applies_nothing(db, wish, line):
    with pytest.raises(CommandError) as error:
        run("apply", "saas", "--yes", *wish)

    assert str(error.value) == line
    assert RunbookRevision.objects.count() == 0


def test_it_lists_what_there_is(db):
    run("apply", "saas", "--default", "--yes")

    listed = run("list")

    assert all(slug in listed for slug in SLUGS)
    assert listed.count("not applied") == 4
    assert "the organisation" in listed


@pytest.mark.parametrize("slug", SLUGS)
def test_it_shows_a_runbook_as_text_and_as_a_file(db, slug, tmp_path):
    assert runbooks.load(slug).title in run("show", slug)
    run("apply", slug, "--yes")
    shown = run("show", slug)
    assert "(version 1)" in shown

    path = tmp_path / "copy.yaml"
    path.write_text(run("show", slug, "--yaml"))

    assert run("diff", str(path)).splitlines() == [f"{slug}: nothing would change."]


def test_it_shows_the_built_in_one_too(db):
    services.ensure_default_runbook()

    assert "Built-in default (version 1)" in run("show", "default")
    with pytest.raises(CommandError, match="has no document"):
        run("show", "default", "--yaml")


def test_the_schema_knows_every_key(db):
    schema = json.loads(run("schema"))

    assert schema["title"] == "Tocsin runbook"
    assert set(schema["properties"]) == set(document.Runbook.model_fields)
    validator = Draft202012Validator(schema)
    for path in shipped().values():
        assert list(validator.iter_errors(read_file(path))) == []
    wrong = read_file(shipped()["saas"])
    wrong["severities"]["SEV1"]["targets"]["respond"] = "5"
    assert [list(error.path) for error in validator.iter_errors(wrong)] == [
        ["severities", "SEV1", "targets", "respond"]
    ]


@pytest.mark.parametrize("verb", ["list", "show", "validate", "diff", "apply", "schema"])
def test_every_verb_has_help_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as left:
        call_command("runbook", verb, "--help")

    assert left.value.code == 0
    assert f"Example: manage.py runbook {verb}" in capsys.readouterr().out


def _fresh(service):
    """As the next request reads it."""
    return type(service).objects.select_related("team").get(pk=service.pk)


def test_what_the_database_refuses_for_another_reason_is_not_tried_for_ever(db, monkeypatch):
    def refuse(**_facts):
        raise IntegrityError("CHECK constraint failed")

    monkeypatch.setattr(services, "publish_revision", refuse)

    with pytest.raises(IntegrityError):
        runbooks.apply(runbooks.load("tars"), actor=None)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("other", ["P1", "Priority 1"])
def test_two_who_apply_at_the_same_moment_make_one_edition_of_each(other):
    """The second waits for the first, and then looks at what that one has made."""
    mine = runbooks.load("tars")
    theirs = document.parse(
        read(shipped()["tars"].read_text().replace("name: P1", f"name: {other}"))
    )
    waiting = threading.Thread(target=in_a_connection_of_its_own, args=[mine])
    with transaction.atomic():
        runbooks.apply(theirs, actor=None)
        waiting.start()
        eventually(somebody_waits, within=10)
    waiting.join(10)

    versions = RunbookRevision.objects.filter(slug="tars").order_by("version")
    expected = [1] if mine == theirs else [1, 2]
    assert [revision.version for revision in versions] == expected
    assert document.parse(versions.last().document) == mine


def in_a_connection_of_its_own(runbook):
    try:
        runbooks.apply(runbook, actor=None)
    finally:
        connection.close()


def somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]
