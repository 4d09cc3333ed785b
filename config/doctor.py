"""Whether a page would really go out: the steps of the first run, and what only trying can tell.

Each check yields findings; one that fails by itself is a finding, too. Nothing is sent to anybody
unless that is asked for.
"""

import smtplib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import httpx
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from kombu import Connection
from kombu.exceptions import OperationalError

from config import first_run
from config.cockpit import machinery
from incidents.core.models import Organisation
from incidents.escalation import services as escalation
from incidents.escalation.models import LevelTarget
from incidents.notifications import services as notifications
from incidents.notifications.models import Delivery
from incidents.oncall import services as oncall
from incidents.oncall.models import Schedule
from incidents.timers import clock
from incidents.timers import services as timers
from incidents.timers.models import Timer

PROBE = "config.probe"
PATIENCE = 10.0  # seconds for the probe, and for what is tried over the network
SENDING_PATIENCE = 30.0
WEEK = timedelta(days=7)
MOMENT = "%a %d %b %H:%M %Z"


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """What one check found; `advice` says what to do about it."""

    check: str
    verdict: Verdict
    said: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Wish:
    """What to try beyond looking: a mail to an address, a test to every last resort."""

    send_to: str = ""
    send_test: bool = False


def examine(wish: Wish) -> Iterator[Finding]:
    """Every finding, as soon as it is known. Without its database there is nothing more to see."""
    yield (database := _database())
    if database.verdict == Verdict.FAULT:
        return
    checks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("Set-up", _set_up),
        ("Escalation", _ladders),
        ("Week ahead", _week_ahead),
        ("Mail", lambda: _mail(wish)),
        ("Public address", _public_address),
        ("Redis", _redis),
        ("Engines", _engines),
        ("Worker", _worker),
        ("Last resort", lambda: _last_resort(wish)),
    ]
    for name, check in checks:
        try:
            yield from check()
        except Exception as error:  # a doctor who faints helps nobody
            said = f"This check failed itself: {type(error).__name__}: {error}"
            yield Finding(name, Verdict.FAULT, said, "Report it with the log.")


def hear(_timer: Timer, _subject: Any, _now: datetime) -> None:
    """Handler of the probe: that it was called is all one wants to know."""


# --- What can be seen -----------------------------------------------------------------------------


def _database() -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        advice = "Start it, or correct DATABASE_URL."
        return Finding("Database", Verdict.FAULT, f"It cannot be reached: {error}".strip(), advice)
    if missing:
        said = f"{len(missing)} migrations are missing."
        return Finding("Database", Verdict.FAULT, said, "Run manage.py migrate, or manage.py up.")
    return Finding("Database", Verdict.OK, f"{connection.vendor}, with all its migrations")


def _set_up() -> Iterator[Finding]:
    progress = first_run.progress(now=clock.now())
    for step in progress.required:
        # That nobody has tried it yet is no fault of the installation.
        verdict = Verdict.WARNING if step.name == first_run.PAGE_ME else Verdict.FAULT
        if step.is_done:
            yield Finding(step.name, Verdict.OK, "done")
        elif not step.is_told_by_ladders:
            yield Finding(step.name, verdict, step.missing, f"{settings.PUBLIC_URL}{step.url}")


def _ladders() -> Iterator[Finding]:
    outlook = escalation.check_ladders(now=clock.now())
    for hole in outlook.holes:
        verdict = Verdict.WARNING if hole.level else Verdict.FAULT
        advice = "Change the level, or see that somebody is there who can be paged."
        yield Finding("Escalation", verdict, str(hole), advice)
    for person in outlook.unreachable:
        said = f"{person} is to be paged by some level, and cannot be reached."
        advice = "This person adds a contact method under My profile and confirms it."
        yield Finding("People", Verdict.FAULT, said, advice)
    if not outlook.holes and not outlook.unreachable:
        yield Finding("Escalation", Verdict.OK, "Every level would reach somebody now.")


def _week_ahead() -> Iterator[Finding]:
    """Who is on call at this moment is a step of the set-up; here is what nobody has seen yet."""
    now = clock.now()
    named = LevelTarget.objects.exclude(schedule=None).values("schedule")
    used = Q(team_assignments__isnull=False) | Q(pk__in=named)
    schedules = Schedule.objects.filter(used).distinct().order_by("name")
    turns = oncall.roster(list(schedules), start=now, end=now + WEEK)
    for schedule in schedules:
        row = oncall.joined(turns[schedule.pk])
        gap = next((turn for turn in row if turn.user is None and turn.start > now), None)
        if gap is None:
            continue
        begins, ends = (at.astimezone(schedule.zone) for at in (gap.start, gap.end))
        said = f"Nobody is on call in {schedule} from {begins:{MOMENT}}"
        said += f" to {ends:{MOMENT}}." if gap.end < now + WEEK else " on."
        yield Finding("On call", Verdict.WARNING, said, "Add an override, or change the rotation.")


def _engines() -> Iterator[Finding]:
    health = machinery.health(clock.now(), oldest=machinery.oldest_timer())
    for fault in health.engines:
        yield Finding("Engines", Verdict.FAULT, fault, "See the log of manage.py up, and Timers.")
    for fault in health.audit:
        yield Finding("Audit", Verdict.FAULT, fault, "Run manage.py audit: it says what to do.")
    if health.is_good:
        yield Finding("Engines", Verdict.OK, health.running)


# --- What must be tried ---------------------------------------------------------------------------


def _worker() -> Iterator[Finding]:
    """A timer that is due now must be done by somebody else within ten seconds."""
    home, _ = Organisation.objects.get_or_create(pk=1)
    key, began = str(uuid.uuid4()), time.monotonic()
    timers.schedule(PROBE, home, due_at=clock.now(), key=key)
    probe = Timer.objects.filter(kind=PROBE, key=key)
    while time.monotonic() - began < PATIENCE:
        if probe.filter(state=Timer.State.DONE).exists():
            took = time.monotonic() - began
            yield Finding("Worker", Verdict.OK, f"A timer due now was done after {took:.1f} s.")
            return
        pause(0.25)
    timers.cancel(PROBE, home, key=key)
    said = f"A timer due now was not done within {PATIENCE:g} s: nothing happens by itself."
    yield Finding("Worker", Verdict.FAULT, said, "Start manage.py up, worker or clock.")


def _mail(wish: Wish) -> Iterator[Finding]:
    if not settings.SMTP_HOST:
        wanted = first_run.Facts.read().has["mail_contact"]
        said = "No mail server is set: nobody is invited or paged by e-mail"
        said += ", and some are to be." if wanted else "."
        verdict = Verdict.FAULT if wanted else Verdict.WARNING
        yield Finding("Mail", verdict, said, "Set SMTP_HOST, SMTP_USER, SMTP_PASSWORD.")
        return
    server = f"{settings.SMTP_HOST}:{settings.SMTP_PORT}"
    try:
        with closing(_mail_server()) as mailer:
            mailer.open()
            said = f"{server} takes mail from here"
            said += f" as {settings.SMTP_USER}." if settings.SMTP_USER else "."
            if wish.send_to:
                _send_mail(mailer, wish.send_to)
                said += f" It accepted one to {wish.send_to}: look whether it arrives."
    except (OSError, smtplib.SMTPException) as error:
        advice = "Check SMTP_HOST, SMTP_PORT, SMTP_USER, SMTP_PASSWORD, SMTP_STARTTLS, SMTP_SSL."
        said = f"{server} does not take it: {type(error).__name__}: {error}"
        yield Finding("Mail", Verdict.FAULT, said, advice)
        return
    yield Finding("Mail", Verdict.OK, said)


def _mail_server() -> EmailBackend:
    return EmailBackend(
        alias="doctor",
        host=settings.SMTP_HOST,
        port=settings.SMTP_PORT,
        username=settings.SMTP_USER,
        password=settings.SMTP_PASSWORD,
        use_tls=settings.SMTP_STARTTLS,
        use_ssl=settings.SMTP_SSL,
        timeout=PATIENCE,
    )


def _send_mail(mailer: EmailBackend, address: str) -> None:
    subject, body = "Tocsin: this is a test", "manage.py doctor tries whether mail arrives here."
    mailer.send_messages([EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, [address])])


def _public_address() -> Iterator[Finding]:
    """Asked from here: that a phone reaches it, too, only a phone can tell."""
    name, url = "Public address", settings.PUBLIC_URL
    if url == settings.LOCAL_URL:
        said = "PUBLIC_URL is not set: links in pages lead to this machine only."
        yield Finding(name, Verdict.WARNING, said, "Set PUBLIC_URL to what phones can reach.")
    try:
        answer = httpx.get(f"{url}/login/", timeout=PATIENCE, follow_redirects=True)
    except httpx.HTTPError as error:
        said = f"{url} does not answer: {type(error).__name__}: {error}"
        advice = "Start manage.py up; check PUBLIC_URL, the proxy in front and its certificate."
        yield Finding(name, Verdict.FAULT, said, advice)
        return
    if answer.status_code != 200 or "Tocsin" not in answer.text:
        said = f"{url} answers with {answer.status_code}, and it is not Tocsin's login page."
        yield Finding(name, Verdict.FAULT, said, "Check PUBLIC_URL and the proxy in front.")
        return
    took = answer.elapsed.total_seconds()
    yield Finding(name, Verdict.OK, f"{url} is Tocsin; it answered in {took:.2f} s.")


def _redis() -> Iterator[Finding]:
    if not settings.REDIS_URL:
        return
    try:
        # Not by the redis package itself: with it every process would be 20 MB larger.
        patience = {"socket_connect_timeout": 3, "socket_timeout": 3}
        with Connection(settings.REDIS_URL, transport_options=patience) as broker:
            broker.ensure_connection(max_retries=1)
    except OperationalError as error:
        said = f"It cannot be reached: {type(error).__name__}: {error}"
        advice = "Start it; until then manage.py clock does the work, up to a second later."
        yield Finding("Redis", Verdict.WARNING, said, advice)
        return
    yield Finding("Redis", Verdict.OK, "It answers.")


def _last_resort(wish: Wish) -> Iterator[Finding]:
    """That there is one is a step of the set-up; that it works shows only when it is tried."""
    if not wish.send_test:
        return
    cause = f"doctor:{uuid.uuid4()}"
    body = "manage.py doctor tries whether the last resort hears us. There is nothing to do."
    for address in notifications.last_resorts():
        notifications.message(address, cause=cause, subject="Tocsin: this is a test", body=body)
    sent = Delivery.objects.filter(cause=cause)
    began = time.monotonic()
    while sent.alive().exists() and time.monotonic() - began < SENDING_PATIENCE:
        pause(0.25)
    for delivery in sent.order_by("created_at"):
        where = f"{delivery.get_transport_display()} {delivery.masked_address}"
        if delivery.state == Delivery.State.SENT:
            yield Finding("Last resort", Verdict.OK, f"{where} took the test: look whether it came")
        else:
            said = f"{where}: {delivery.last_error or 'nothing was sent'}"
            advice = "Correct the address, or start a worker."
            yield Finding("Last resort", Verdict.FAULT, said, advice)


def pause(seconds: float) -> None:
    time.sleep(seconds)
