"""The verbs of this room: watch, once a minute, and say so when something is wrong."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from incidents.insights import canary
from incidents.insights.audit import run, watch
from incidents.insights.audit.kinds import Finding, Scope
from incidents.insights.models import AuditRun
from incidents.notifications import services as notifications
from incidents.timers import clock

logger = logging.getLogger(__name__)

# What was written down by a transaction that was slow to commit is looked at as well.
OVERLAP = timedelta(minutes=10)
KEPT = timedelta(days=1)
# What is found again within this time is no news.
TOLD_FOR = timedelta(hours=1)
SHOWN = 5

__all__ = ["latest_run", "look"]


def look() -> AuditRun | None:
    """Audit, unless that was done in this minute; None then. Any number of processes may call it.

    1. The canary is sent on its way; that it arrives is for the next audit to see.
    2. Every invariant is looked at: all that is open, and what has happened since the last audits.
    3. What is found is kept. The last resort is told what was not known in the last hour.
    4. Where nothing was found, the outgoing heartbeat tells the world so; else it stays silent.
    """
    now = clock.now()
    slot = now.replace(second=0, microsecond=0)
    if AuditRun.objects.filter(slot=slot).exists():
        return None
    trouble = _send_canary()
    report = _audit(Scope(now, since=_mark(now)), trouble)
    made = _keep(report, slot)
    if made is None:
        return None
    _tell_what_is_new(made, report.findings)
    _beat(made, now)
    AuditRun.objects.filter(slot__lt=now - KEPT).delete()
    return made


def latest_run() -> AuditRun | None:
    return AuditRun.objects.order_by("-slot").first()


def _send_canary() -> str:
    """Why it could not be; empty if it could."""
    try:
        canary.begin_round()
    except Exception as error:
        logger.exception("Unable to send the canary on its way")
        return f"{type(error).__name__}: {error}"
    return ""


def _mark(now: datetime) -> int | None:
    """Where the audit before the last ten minutes left off, or the first one there was.

    None, so that everything is looked at, only when there never was any.
    """
    marks = AuditRun.objects.values_list("mark", flat=True)
    earlier = marks.filter(slot__lte=now - OVERLAP).order_by("-slot").first()
    return marks.order_by("slot").first() if earlier is None else earlier


def _audit(scope: Scope, trouble: str) -> run.Report:
    try:
        return run.audit(scope, also=[watch.from_inside(trouble)])
    except Exception as error:
        logger.exception("The audit itself failed")
        failed = f"The audit itself failed: {type(error).__name__}: {error}"
        finding = Finding("I14", "the watch is awake", watch.SENTENCE, watch.ADVICE, error=failed)
        return run.Report(scope.now, 0.0, [finding], {}, scope.since or 0, is_whole=False)


def _keep(report: run.Report, slot: datetime) -> AuditRun | None:
    """None where another process was quicker."""
    made = AuditRun(
        slot=slot,
        at=report.at,
        took_ms=round(report.took * 1000),
        has_passed=report.has_passed,
        findings=[finding.as_dict() for finding in report.findings],
        looked_at=report.looked_at,
        mark=report.mark,
    )
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError:
        return None
    return made


def _tell_what_is_new(made: AuditRun, findings: list[Finding]) -> None:
    known: set[str] = set()
    for earlier in AuditRun.objects.filter(slot__lt=made.slot, slot__gte=made.slot - TOLD_FOR):
        known |= earlier.keys
    new = [finding for finding in findings if not known.issuperset(finding.keys)]
    if not new:
        return
    for finding in new:
        logger.error("The audit found that %s does not hold: %s", finding.name, finding.as_dict())
    titles = ", ".join(finding.title for finding in new)
    notifications.tell_last_resort(
        cause=f"audit:{made.slot.isoformat()}",
        subject=f"TOCSIN IS ILL: {titles}",
        body="\n\n".join(_told(finding) for finding in new),
        links=[notifications.Link("Cockpit", f"{settings.PUBLIC_URL}/admin/")],
    )


def _told(finding: Finding) -> str:
    lines = [f"This does not hold ({finding.name}): {finding.sentence}"]
    lines += [f"- {one.what}" for one in finding.offences[:SHOWN]]
    if len(finding.offences) > SHOWN:
        lines.append(f"- and more: {finding.count} in all")
    if finding.error:
        lines.append(f"- {finding.error}")
    return "\n".join([*lines, finding.advice])


def _beat(made: AuditRun, now: datetime) -> None:
    """Outside somebody waits for this, and raises the alarm when it does not come."""
    if not settings.HEARTBEAT_URL:
        return
    if not made.has_passed:
        said = "kept back: the audit failed"
    elif not canary.look().is_fresh(now):
        said = "kept back: the canary has not come through"
    else:
        said = notifications.ping(settings.HEARTBEAT_URL) or "sent"
    AuditRun.objects.filter(pk=made.pk).update(heartbeat=said[:300])
    if said.startswith("failed"):
        logger.warning("The outgoing heartbeat %s", said)
