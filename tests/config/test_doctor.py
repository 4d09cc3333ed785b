"""What the doctor finds, what he advises, and with which code he leaves."""

import json
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from django.core.management import call_command
from django.db import DatabaseError

from config import doctor
from config.doctor import Finding, Verdict, Wish
from incidents.core.models import Organisation
from incidents.insights.models import AuditRun
from incidents.notifications import engine as outbox
from incidents.notifications import services as notifications
from incidents.notifications.models import Delivery
from incidents.notifications.transports.recorder import Recorder
from incidents.oncall import services as oncall
from incidents.timers import engine, heart
from incidents.timers.models import Heartbeat, Timer
from tests.escalation.conftest import take_phone
from tests.notifications.smtp_sink import smtp_sink

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(monkeypatch, settings):
    """A worker that works whenever the doctor waits, and nothing that is set."""
    settings.SMTP_HOST, settings.REDIS_URL, settings.LAST_RESORT = "", "", []
    settings.PUBLIC_URL = "http://127.0.0.1:9"  # nothing listens there
    monkeypatch.setattr(doctor, "pause", lambda _seconds: work())


@pytest.fixture
def idle(monkeypatch):
    """Nobody works, and the doctor does not wait long."""
    monkeypatch.setattr(doctor, "pause", lambda _seconds: None)
    monkeypatch.setattr(doctor, "PATIENCE", 0.05)
    monkeypatch.setattr(doctor, "SENDING_PATIENCE", 0.05)


def work():
    engine.tick()
    outbox.dispatch(wait=True)


def found(check, **wish):
    return [one for one in doctor.examine(Wish(**wish)) if one.check == check]


def only(check, **wish):
    (finding,) = found(check, **wish)
    return finding


# --- what can be seen -----------------------------------------------------------------------------


def test_a_database_that_is_there_is_ok(db):
    assert only("Database").verdict == Verdict.OK


def test_a_database_that_is_away_ends_the_examination(monkeypatch):
    class Away:
        vendor = "postgresql"

        def cursor(self):
            raise DatabaseError("connection refused")

    monkeypatch.setattr(doctor, "connection", Away())

    (finding,) = doctor.examine(Wish())

    assert finding.verdict == Verdict.FAULT
    assert "connection refused" in finding.said
    assert "DATABASE_URL" in finding.advice


def test_missing_migrations_are_a_fault(monkeypatch):
    monkeypatch.setattr(
        doctor.MigrationExecutor, "migration_plan", lambda *_args, **_kwargs: [("a", False)]
    )

    (finding,) = doctor.examine(Wish())

    assert finding.said == "1 migrations are missing."
    assert "migrate" in finding.advice


def test_every_required_step_of_the_first_run_is_a_finding(db):
    findings = {one.check: one for one in doctor.examine(Wish())}

    assert findings["A team"].verdict == Verdict.FAULT
    assert findings["A team"].advice == "http://127.0.0.1:9/admin/incidents/team/add/?timezone=UTC"
    assert findings["Page me now"].verdict == Verdict.WARNING


def test_whoever_cannot_be_reached_is_named(policy, service, bob):
    take_phone(bob)

    assert only("People").said == "Bob is to be paged by some level, and cannot be reached."
    assert only("Escalation").said.startswith("Level 1 of Payments would ask nobody")
    assert only("Escalation").verdict == Verdict.WARNING


def test_a_policy_that_reaches_nobody_is_a_fault(policy, service, bob, alice, dana):
    for person in [bob, alice, dana]:
        take_phone(person)

    assert only("Escalation").verdict == Verdict.FAULT


def test_a_gap_is_told_once(policy, service, bob):
    take_phone(bob)

    told = {finding.check for finding in doctor.examine(Wish())}

    assert {"Escalation", "People"} <= told
    assert not {"An escalation policy", "Contacts that work"} & told


def test_ladders_that_reach_somebody_are_ok(policy, service):
    assert only("Escalation").verdict == Verdict.OK


def until_wednesday(schedule, bob, clock):
    """Monday now; Bob has it for two days, and nobody afterwards."""
    schedule.rotations.all().delete()
    times = {"starts_at": clock.at - timedelta(days=1), "ends_at": clock.at + timedelta(days=2)}
    return oncall.add_override(schedule, user=bob, actor=bob, **times)


def test_a_gap_within_the_week_ahead_is_a_warning_with_its_beginning(policy, schedule, bob, clock):
    until_wednesday(schedule, bob, clock)

    finding = only("On call")

    assert finding.verdict == Verdict.WARNING
    assert finding.said == "Nobody is on call in Payments from Wed 04 Mar 10:00 UTC on."


def test_the_end_of_a_gap_is_told_where_it_is_seen(policy, schedule, bob, clock):
    first = until_wednesday(schedule, bob, clock)
    again, end = first.ends_at + timedelta(hours=3), clock.at + timedelta(days=30)
    oncall.add_override(schedule, user=bob, starts_at=again, ends_at=end, actor=bob)

    said = only("On call").said
    assert said.endswith("from Wed 04 Mar 10:00 UTC to Wed 04 Mar 13:00 UTC.")


def test_a_week_that_is_covered_is_not_mentioned(policy, schedule):
    assert found("On call") == []


def test_a_schedule_that_nobody_uses_may_have_gaps(policy, schedule, team, bob, clock):
    spare = oncall.create_schedule(name="Spare", team=team, timezone="UTC", actor=None)
    until_wednesday(spare, bob, clock)

    assert found("On call") == []


def test_engines_that_are_silent_are_a_fault(db):
    assert {one.verdict for one in found("Engines")} == {Verdict.FAULT}
    for name in heart.ENGINES:
        Heartbeat.objects.create(name=name, process="host:1", at=doctor.clock.now())

    assert only("Engines").verdict == Verdict.OK


def test_a_red_audit_is_a_fault(db):
    now = doctor.clock.now()
    for name in heart.ENGINES:
        Heartbeat.objects.create(name=name, process="host:1", at=now)
    finding = {"title": "no silent incident", "error": "", "count": 1, "advice": "Page somebody."}
    AuditRun.objects.create(
        slot=now,
        at=now,
        took_ms=7,
        has_passed=False,
        findings=[{**finding, "offences": [["incident:1", "Nobody is asked."]]}],
    )

    (told,) = found("Audit")

    assert told.verdict == Verdict.FAULT
    assert "“No silent incident” does not hold. Nobody is asked." in told.said


# --- what must be tried ---------------------------------------------------------------------------


def test_a_worker_that_works_does_the_probe(db):
    finding = only("Worker")

    assert finding.verdict == Verdict.OK
    assert Timer.objects.get(kind=doctor.PROBE).state == Timer.State.DONE


def test_no_worker_is_a_fault_and_the_probe_is_taken_back(idle):
    finding = only("Worker")

    assert finding.verdict == Verdict.FAULT
    assert Timer.objects.get(kind=doctor.PROBE).state == Timer.State.CANCELLED


@pytest.fixture
def mailbox(settings):
    with smtp_sink() as sink:
        settings.SMTP_HOST, settings.SMTP_PORT = "127.0.0.1", sink.port
        settings.SMTP_USER = settings.SMTP_PASSWORD = ""
        settings.SMTP_STARTTLS = settings.SMTP_SSL = False
        yield sink


def test_no_mail_server_is_a_warning(db):
    assert only("Mail").verdict == Verdict.WARNING


def test_a_mail_server_is_greeted_and_gets_no_mail(db, mailbox):
    assert only("Mail").verdict == Verdict.OK
    assert mailbox.mails == []


def test_a_mail_is_sent_where_it_is_asked_for(db, mailbox):
    finding = only("Mail", send_to="me@example.org")

    assert "me@example.org" in finding.said
    assert len(mailbox.mails) == 1


def test_a_mail_server_that_is_away_is_a_fault(db, settings):
    settings.SMTP_HOST, settings.SMTP_PORT = "127.0.0.1", 9

    finding = only("Mail")

    assert finding.verdict == Verdict.FAULT
    assert "ConnectionRefusedError" in finding.said


def test_a_mail_server_without_tls_is_a_fault_where_tls_is_asked_for(db, mailbox, settings):
    settings.SMTP_STARTTLS = True

    assert only("Mail").verdict == Verdict.FAULT


@pytest.fixture
def web(settings):
    """A web server that says what it is told to say."""

    class Handler(BaseHTTPRequestHandler):
        said = b"<title>Tocsin</title>"

        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.said)

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    settings.PUBLIC_URL = f"http://127.0.0.1:{server.server_port}"
    yield Handler
    server.shutdown()
    server.server_close()


def test_the_public_address_that_is_tocsin_is_ok(db, web):
    assert only("Public address").verdict == Verdict.OK


def test_somebody_elses_page_at_the_public_address_is_a_fault(db, web):
    web.said = b"Welcome to nginx!"

    assert "it is not Tocsin" in only("Public address").said


def test_a_public_address_that_does_not_answer_is_a_fault(db):
    assert only("Public address").verdict == Verdict.FAULT


def test_a_public_address_that_was_never_set_is_a_warning_too(db, web, settings):
    settings.LOCAL_URL = settings.PUBLIC_URL

    assert [one.verdict for one in found("Public address")] == [Verdict.WARNING, Verdict.OK]


def test_redis_is_looked_at_where_it_is_used(db, settings):
    assert found("Redis") == []
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    assert only("Redis").verdict == Verdict.WARNING  # the clock works without it


def test_the_last_resort_is_tried_only_when_asked(db):
    Recorder.reset()
    notifications.add_last_resort(name="Duty", kind="recorder", address="duty", actor=None)
    assert only("Last resort").said == "done"  # the step
    assert Recorder.sent == []

    step, tried = found("Last resort", send_test=True)

    assert (step.verdict, tried.verdict) == (Verdict.OK, Verdict.OK)
    assert [sent.address for sent in Recorder.sent] == ["duty"]


def test_a_last_resort_that_does_not_take_it_is_a_fault(idle):
    notifications.add_last_resort(name="Duty", kind="recorder", address="duty", actor=None)

    _, tried = found("Last resort", send_test=True)

    assert tried.verdict == Verdict.FAULT
    assert Delivery.objects.get().state == "pending"


def test_a_check_that_fails_itself_is_a_finding_and_the_others_go_on(db, monkeypatch):
    monkeypatch.setattr(doctor, "_mail", lambda _wish: 1 / 0)

    findings = list(doctor.examine(Wish()))

    (mail,) = [one for one in findings if one.check == "Mail"]
    assert "ZeroDivisionError" in mail.said
    assert findings[-1].check == "Worker"


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def finding(monkeypatch):
    """Let the doctor find just this."""

    def let(*verdicts):
        findings = [Finding("Mail [x]", verdict, "said [it]", "do this") for verdict in verdicts]
        command = "config.management.commands.doctor.examine"
        monkeypatch.setattr(command, lambda _wish: iter(findings))

    return let


@pytest.mark.parametrize(
    ("verdicts", "options", "code"),
    [
        (["ok"], [], 0),
        (["ok"], ["--strict"], 0),
        (["ok", "warning"], [], 0),
        (["ok", "warning"], ["--strict"], 1),
        (["warning", "fault"], [], 2),
        (["fault"], ["--strict"], 2),
    ],
)
def test_the_exit_code_is_for_scripts(finding, capsys, verdicts, options, code):
    finding(*(Verdict(verdict) for verdict in verdicts))

    with pytest.raises(SystemExit) as left:
        call_command("doctor", *options)

    assert left.value.code == code


def test_the_table_says_what_to_do(finding, capsys):
    finding(Verdict.FAULT)
    with pytest.raises(SystemExit):
        call_command("doctor")

    said = capsys.readouterr().out
    for text in ["Mail [x]", "fault", "said [it]", "do this", "1 fault, 0 warnings."]:
        assert text in said


def test_json_is_nothing_but_json(finding, capsys):
    finding(Verdict.WARNING)
    with pytest.raises(SystemExit):
        call_command("doctor", "--json")

    told = json.loads(capsys.readouterr().out)

    assert told["counts"] == {"ok": 0, "warning": 1, "fault": 0}
    assert told["findings"] == [
        {"check": "Mail [x]", "verdict": "warning", "said": "said [it]", "advice": "do this"}
    ]


def test_it_leaves_nothing_but_the_probe_behind(db):
    list(doctor.examine(Wish()))

    assert Organisation.objects.count() == 1
    assert not Delivery.objects.exists()
