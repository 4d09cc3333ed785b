"""Incidents from the terminal, with the commands that the SaaS runbook gives."""

from io import StringIO

import pytest
import yaml
from django.core.management import CommandError, call_command

from incidents.core import services as core
from incidents.core.models import Incident, Kind
from incidents.notifications.models import Delivery

pytestmark = pytest.mark.django_db

# As people write it: no quotes around the times, a bare string as an action item.
FILE = """\
incident:
  id: INC-2024-001
  severity: SEV1
  title: Payment processing outage
  service: checkout
  started_at: 2024-01-15T14:15:00Z
  detected_by: monitoring_alert
  resolved_at: 2024-01-15T15:45:00Z

  impact:
    users_affected: 15000
    revenue_lost: $45000
    duration_minutes: 90

  timeline:
    - time: 14:15
      event: Alert triggered
    - time: 14:18
      event: IC assigned

  action_items:
    - Add monitoring for connection pool
    - Update runbook
"""


def run(*arguments):
    out = StringIO()
    call_command("incident", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "outage.yaml"
    path.write_text(FILE)
    return path


def test_it_starts_acknowledges_and_resolves(service, bob, clock):
    said = run("start", "--service", "checkout", "--title", "Database down", "--severity", "SEV4")
    incident = Incident.objects.get()
    assert said == f"{incident.reference} SEV4 Database down\n"
    assert incident.declared_via == "terminal"

    assert run("acknowledge", "--id", incident.reference, "--by", "bob").startswith("Bob has")
    run(
        *("resolve", "--id", incident.reference, "--by", "bob", "--suspected-cause", "A leak"),
        *("--mitigation", "Restarted it", "--kind", "restart", "--resolution", "Restarted"),
    )

    resolved = Incident.objects.get()
    assert (resolved.status, resolved.resolution) == ("resolved", "Restarted")
    assert resolved.timeline.get(kind=Kind.RESOLVED).actor == bob


def test_it_publishes_an_update(incident, bob):
    said = run("update", "--id", incident.reference, "--by", "bob", "--status", "Disk is full")

    assert said == f"The internal update on {incident.reference} is published.\n"
    entry = incident.timeline.get(kind=Kind.UPDATE_PUBLISHED)
    assert entry.actor == bob
    assert "Disk is full" in entry.summary


def test_it_lists_what_is_missing(incident, bob):
    with pytest.raises(CommandError) as refusal:
        run("resolve", "--id", incident.reference, "--by", "bob")

    assert "  - Write down the root cause." in str(refusal.value)
    assert Incident.objects.get().status == "investigating"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["start", "--service", "nothing", "--title", "x"], "There is no service 'nothing'"),
        (["acknowledge", "--id", "INC-0", "--by", "bob"], "There is no incident INC-0."),
        (["report", "--id", "CANARY"], "There is no incident CANARY."),
        (["start", "--service", "checkout", "--title", "x", "--by", "zoe"], "no person 'zoe'"),
        (["import", "/nowhere.yaml"], "/nowhere.yaml: cannot be read"),
    ],
)
def test_it_says_what_is_wrong_in_one_line(service, bob, clock, arguments, told):
    with pytest.raises(CommandError) as refusal:
        run(*arguments)

    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not Incident.objects.without_canary().exists()


def test_a_file_goes_in_and_out_and_in_without_loss(service, file, tmp_path, clock):
    assert run("import", str(file)) == "INC-2024-001 is imported.\n"
    assert not Delivery.objects.exists()
    copy = tmp_path / "copy.yaml"

    run("export", "--id", "INC-2024-001", "--to", str(copy))

    assert "time: '14:15'" in copy.read_text()
    again = run("import", str(copy))
    assert again == "INC-2024-001 was imported before; nothing changed.\n"
    assert yaml.safe_load(copy.read_text())["incident"]["action_items"] == [
        "Add monitoring for connection pool",
        "Update runbook",
    ]
    assert list(yaml.safe_load(copy.read_text())["incident"]) == [
        *("id", "severity", "title", "service", "started_at", "detected_by", "resolved_at"),
        *("impact", "timeline", "action_items"),
    ]


def test_it_never_writes_over_a_file(incident, file):
    with pytest.raises(CommandError, match="is there already"):
        run("export", "--id", incident.reference, "--to", str(file))

    assert file.read_text() == FILE


def test_the_report_is_the_export(incident, bob):
    core.note(incident, text="Looking", actor=bob)

    report = yaml.safe_load(run("report", "--id", incident.reference))["incident"]

    assert report["id"] == incident.reference
    assert [entry["event"] for entry in report["timeline"]][-1] == "Looking"


def test_a_file_that_is_wrong_says_where(service, tmp_path, clock):
    path = tmp_path / "bad.yaml"
    path.write_text(FILE.replace("SEV1", "bad").replace("14:18", "teatime"))

    with pytest.raises(CommandError) as refusal:
        run("import", str(path))

    assert f"{path}: incident.severity:" in str(refusal.value)
    assert f'{path}: incident.timeline[1].time: "teatime" is no time' in str(refusal.value)
    assert not Incident.objects.without_canary().exists()


@pytest.mark.parametrize(
    "verb", ["start", "acknowledge", "update", "resolve", "report", "export", "import"]
)
def test_every_verb_has_an_example(verb, capsys):
    with pytest.raises(SystemExit):
        call_command("incident", verb, "--help")

    assert f"manage.py incident {verb}" in capsys.readouterr().out
