"""The auditor finds what is broken, names it and nothing else; what is well it leaves alone."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from incidents.core import services as core
from incidents.core.models import Incident
from incidents.insights.audit import run
from incidents.insights.audit.kinds import Scope
from incidents.insights.audit.run import audit
from incidents.timers import clock as house_clock
from tests.browser import world as stage
from tests.conftest import MONDAY
from tests.insights import planting
from tests.proof.report import note

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def built(django_db_setup, django_db_blocker):
    """One organisation for all tests of this file; each undoes what it did to it."""
    with django_db_blocker.unblock():
        atomic = transaction.atomic()
        atomic.__enter__()
        house_clock.use(house_clock.VirtualClock(MONDAY))
        world = stage.build()
        now = house_clock.now()
        house_clock.use(None)
    yield world, now
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        atomic.__exit__(None, None, None)


@pytest.fixture
def world(built, db):
    world, now = built
    house_clock.use(house_clock.VirtualClock(now))
    yield world
    house_clock.use(None)


def look(**scope):
    return audit(Scope(house_clock.now(), **scope))


def named(report):
    return {finding.name: finding for finding in report.findings}


def subject_of(row):
    return row if isinstance(row, str) else f"{row._meta.model_name}:{row.pk}"


def command(*arguments):
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("audit", *arguments, stdout=out)
    return end.value.code, out.getvalue()


# --- What is well ---------------------------------------------------------------------------------


def test_where_everything_is_well_it_finds_nothing(world):
    planting.exhausted()  # a service without policy: the last resort knows

    report = look()

    assert report.findings == []
    assert report.has_passed
    assert report.looked_at["open incidents"] >= 8


# --- What is broken -------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "since"])
@pytest.mark.parametrize("planted", planting.PLANTED, ids=str)
def test_it_finds_what_was_planted_and_nothing_else(world, planted, whole):
    before = look()

    subject = subject_of(planted.plant(world))
    report = look() if whole else look(since=0)

    assert before.findings == []
    assert list(named(report)) == [planted.name]
    assert subject in {offence.subject for offence in report.findings[0].offences}


def test_every_invariant_has_been_broken_once():
    names = {invariant.name for invariant in run.INVARIANTS}

    planted = {planted.name for planted in planting.PLANTED}

    note("Invariants broken on purpose and found", len(planted), len(names), met=planted == names)
    assert planted == names


def test_what_cannot_be_looked_at_counts_as_broken(world, monkeypatch):
    def fail(_scope):
        raise DatabaseError("canceling statement due to statement timeout")
        yield

    broken = run.Invariant("I99", "x", "It is looked at.", "", fail)
    nothing = run.Invariant("I98", "y", "It answers.", "", lambda _scope: None)
    monkeypatch.setattr(run, "INVARIANTS", [broken, nothing, *run.INVARIANTS])

    found = named(look())

    assert list(found) == ["I99", "I98"]
    assert "statement timeout" in found["I99"].error
    assert "NoneType" in found["I98"].error


def test_an_old_silent_incident_is_found_however_far_it_looks_back(world):
    planting.a_step_that_is_gone(world)
    newest = look().mark

    assert list(named(look(since=newest))) == ["I2"]


def test_what_is_long_over_is_looked_at_again_only_on_demand(world):
    planting.a_beginning_that_is_gone(world)
    newest = look().mark

    assert list(named(look())) == ["I13"]
    assert look(since=newest).has_passed


def test_more_time_is_given_after_a_restart(world):
    planting.a_timer_that_nobody_works_off(world)

    assert list(named(look())) == ["I3"]
    assert look(late=timedelta(minutes=1)).has_passed


# --- It only reads, and little --------------------------------------------------------------------


def test_it_cannot_write(world, monkeypatch):
    def write(_scope):
        Incident.objects.update(title="The auditor was here")
        return []

    monkeypatch.setattr(run, "INVARIANTS", [run.Invariant("I99", "x", "It writes.", "", write)])

    (finding,) = look().findings

    words = ("readonly", "read-only")
    assert any(word in finding.error for word in words), finding.error
    assert not Incident.objects.filter(title="The auditor was here").exists()
    core.note(world.incidents["new"], text="Others still can", actor=world.bob)


def test_the_number_of_queries_does_not_grow(world):
    with CaptureQueriesContext(connection) as before:
        look(since=0)
    for number in range(5):
        core.declare(title=f"More {number}", service=world.service, severity="SEV2")
    stage.settle()
    with CaptureQueriesContext(connection) as after:
        assert look(since=0).has_passed

    assert len(after) == len(before) <= 60


# --- The command ----------------------------------------------------------------------------------


def test_the_command_says_that_everything_holds(world):
    code, said = command()

    assert code == 0
    assert "Everything holds." in said


def test_the_command_says_what_is_broken_and_what_to_do(world):
    planting.a_step_that_is_gone(world)

    code, said = command()

    assert code == 1
    words = " ".join(said.replace("│", " ").split())
    assert "nobody has it, and nobody will be asked" in words
    assert "Escalate or page somebody" in words


def test_scripts_get_json(world):
    planting.a_step_that_is_gone(world)

    code, said = command("--json")

    told = json.loads(said)
    assert (code, told["passed"], told["whole"]) == (1, False, True)
    assert told["findings"][0]["name"] == "I2"


def test_a_ledger_is_compared_with_what_is_there(world, tmp_path):
    ledger = tmp_path / "accepted.jsonl"
    ledger.write_text('{"dedup_key": "5xx", "status": 202}\nlatency\nlatency\n')
    assert command("--ledger", str(ledger))[0] == 0

    ledger.write_text("5xx\nlatency\nlatency\nlatency\nnever-heard-of\n")
    code, said = command("--ledger", str(ledger), "--json")

    assert code == 1
    (finding,) = json.loads(said)["findings"]
    assert finding["name"] == "I8"
    assert finding["offences"] == [
        ["key:latency", "3 were accepted, 2 are there."],
        ["key:never-heard-of", "1 were accepted, 0 are there."],
    ]


def test_a_ledger_that_cannot_be_read_is_refused(world, tmp_path):
    ledger = tmp_path / "accepted.jsonl"
    ledger.write_text('{"status": 202}\n')

    with pytest.raises(Exception, match="Line 1 has no dedup_key"):
        call_command("audit", "--ledger", str(ledger))
