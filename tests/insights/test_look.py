"""Once a minute the auditor looks by itself: keeps what it found, tells what is new, and beats."""

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO

import pytest
from django.core.management import call_command

from incidents.core import services as core
from incidents.insights import services
from incidents.insights.audit import run
from incidents.insights.models import AuditRun
from incidents.notifications import engine as outbox
from incidents.notifications.models import Delivery
from incidents.notifications.transports.recorder import Recorder
from incidents.timers import engine as timers
from incidents.timers.models import Heartbeat, Timer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quiet_phones(phones):
    """Recorders that remember nothing of other tests."""


@pytest.fixture
def minutes(clock):
    """Let minutes pass: things happen, then the auditor looks. Gives the last run."""

    def pass_by(number=1):
        made = None
        for _ in range(number):
            clock.forward(minutes=1)
            happen()
            made = services.look()
        return made

    return pass_by


@pytest.fixture
def ill(declared, clock):
    """Nobody will be asked about this incident any more."""
    happen()
    Recorder.reset()

    def fall_ill():
        Timer.objects.pending().of(declared).filter(kind="escalation.step").delete()
        return declared

    return fall_ill


def happen():
    while timers.tick() + outbox.dispatch(wait=True):
        pass


def told():
    happen()
    return [sent for sent in Recorder.to("duty") if "TOCSIN" in sent.subject]


# --- What it does ---------------------------------------------------------------------------------


def test_it_keeps_what_it_found(declared, minutes):
    made = minutes()

    assert made.has_passed
    assert made.looked_at["open incidents"] == 1
    assert services.latest_run() == made


def test_an_empty_house_is_not_called_well(clock):
    assert run.audit(run.Scope(clock.at)).saw_nothing

    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("audit", stdout=out)

    assert end.value.code == 2
    assert "nothing to look at" in out.getvalue()


def test_it_looks_once_a_minute_however_often_it_is_asked(declared, clock):
    assert services.look()
    clock.forward(seconds=59)
    assert services.look() is None
    clock.forward(seconds=1)

    assert services.look()
    assert AuditRun.objects.count() == 2


def test_of_two_that_look_at_once_one_has_the_say(ill, clock, monkeypatch):
    ill()
    beat_to_it = services._audit

    def slow(scope, trouble):
        report = beat_to_it(scope, trouble)
        AuditRun.objects.create(slot=clock.at, at=clock.at, took_ms=1, has_passed=True)
        return report

    monkeypatch.setattr(services, "_audit", slow)

    assert services.look() is None
    assert told() == []


def test_yesterdays_audits_are_forgotten(declared, clock):
    services.look()
    clock.forward(days=1, minutes=1)

    made = services.look()

    assert list(AuditRun.objects.all()) == [made]


def test_a_later_audit_looks_at_what_has_happened_since(ill, declared, minutes, monkeypatch):
    seen = []
    real = run.audit

    def audit(scope, **also):
        seen.append(scope.since)
        return real(scope, **also)

    monkeypatch.setattr(run, "audit", audit)
    marks = [minutes().mark]
    core.note(declared, text="Something happened", actor=None)
    marks += [minutes().mark for _ in range(11)]

    assert marks[0] < marks[1] == marks[2]
    assert seen[0] is None  # the first one looks at everything
    assert seen[1:11] == [marks[0]] * 10  # what is younger than ten minutes is looked at again
    assert seen[11] == marks[1]


# --- Who hears of it ------------------------------------------------------------------------------


def test_the_last_resort_is_told_once(ill, minutes):
    incident = ill()
    minutes()

    (message,) = told()
    assert message.subject == "TOCSIN IS ILL: no silent incident"
    assert f"{incident.reference}: nobody has it, and nobody will be asked." in message.body
    assert "Escalate or page somebody" in message.body

    minutes(5)
    assert len(told()) == 1


def test_another_incident_is_other_news(ill, service, minutes):
    ill()
    minutes()
    other = core.declare(title="Another", service=service, severity="SEV1")
    Timer.objects.pending().of(other).filter(kind="escalation.step").delete()

    minutes()

    assert len(told()) == 2


def test_what_is_still_so_after_an_hour_is_told_again_only_when_it_was_gone(ill, minutes):
    ill()
    minutes(61)
    assert len(told()) == 1

    Timer.objects.all().delete()  # still the same incident
    minutes(2)
    assert len(told()) == 1


def test_an_audit_that_fails_is_told_as_well(policy, declared, minutes, monkeypatch):
    def fail(*_args, **_also):
        raise RuntimeError("no space left on device")

    monkeypatch.setattr(run, "audit", fail)
    made = minutes()

    assert not made.has_passed
    (message,) = told()
    assert "The audit itself failed: RuntimeError: no space left on device" in message.body


def test_a_canary_that_cannot_start_is_told(policy, declared, minutes, monkeypatch):
    def fail():
        raise RuntimeError("the cage is locked")

    monkeypatch.setattr(services.canary, "begin_round", fail)
    made = minutes()

    (fault,) = made.faults
    assert fault.startswith(
        "“The watch is awake” does not hold. "
        "The canary could not be sent on its way: RuntimeError: the cage is locked "
    )


def test_a_canary_that_does_not_arrive_is_told(declared, clock):
    services.look()
    clock.forward(seconds=125)  # and no engine runs
    Timer.objects.exclude(kind=services.canary.ROUND).update(due_at=clock.at)

    assert any("under way since" in fault for fault in services.look().faults)


def test_from_outside_one_sees_that_the_auditor_sleeps(declared, clock):
    services.look()
    clock.forward(minutes=3, seconds=1)
    happen()
    Heartbeat.objects.create(name="clock", process="x:1", at=clock.at)

    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("audit", stdout=out)

    assert end.value.code == 1
    assert "I14" in out.getvalue()
    assert "the last audit was made at" in " ".join(out.getvalue().replace("│", " ").split())


def test_after_a_night_without_engines_nobody_is_alarmed(declared, minutes, clock):
    minutes(3)
    clock.forward(hours=9)
    happen()  # the engines are back, and take one step

    assert services.look().has_passed
    assert told() == []


# --- The outgoing heartbeat -----------------------------------------------------------------------


@pytest.fixture
def outside(settings):
    """Somebody who waits for a sign of life; `asked`: what he heard."""
    asked = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["User-Agent"]))
            self.send_response(200 if "down" not in self.path else 500)
            self.end_headers()

        def log_message(self, *_args):
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    settings.HEARTBEAT_URL = f"http://127.0.0.1:{server.server_port}/ping/secret"
    settings.WEBHOOK_ALLOW_PRIVATE = True
    yield asked
    server.shutdown()
    server.server_close()


def test_it_beats_once_a_minute_while_all_is_well(declared, minutes, outside):
    minutes()
    assert outside == []  # the canary is on its way for the first time

    minutes(3)

    assert outside == [("/ping/secret", "Tocsin")] * 3
    assert services.latest_run().heartbeat == "sent"


def test_it_stops_when_the_audit_fails(ill, minutes, outside):
    minutes(2)
    assert len(outside) == 1
    ill()

    made = minutes()

    assert len(outside) == 1
    made.refresh_from_db()
    assert made.heartbeat == "kept back: the audit failed"


def test_it_stops_when_the_canary_stays_away(declared, minutes, outside, clock):
    minutes(2)
    assert len(outside) == 1
    clock.forward(minutes=1)
    happen()
    Delivery.objects.filter(transport="sandbox").update(sent_at=clock.at - timedelta(minutes=4))

    made = services.look()

    assert len(outside) == 1
    made.refresh_from_db()
    assert made.has_passed
    assert made.heartbeat == "kept back: the canary has not come through"


def test_a_heartbeat_that_is_refused_is_noted_and_harms_nobody(
    declared, minutes, outside, settings
):
    minutes()
    settings.HEARTBEAT_URL += "/down"

    made = minutes()

    made.refresh_from_db()
    assert made.has_passed
    assert made.heartbeat.startswith("failed: 500")


def test_it_goes_only_where_webhooks_may(declared, minutes, outside, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = False
    minutes(2)

    assert outside == []
    assert "A webhook is an https:// address" in services.latest_run().heartbeat
