"""How long the phases of an incident took, against their targets. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from incidents.core.calendar import WorkingCalendar
from incidents.core.models import Incident, SeverityPolicy
from incidents.core.section import of as section_of


@dataclass(frozen=True)
class Phase:
    """One phase: `seconds` is None while it is pending; `target` None where none is set."""

    name: str
    seconds: float | None
    target: float | None
    due_at: datetime | None
    met: bool | None


def phases(incident: Incident, policy: SeverityPolicy, calendar: WorkingCalendar) -> list[Phase]:
    """Detection from the start; response, identification, mitigation, resolution from detection.

    Resolution ends at recovery, as a service that works again hurts nobody.
    """
    start = incident.clock_starts_at
    reached = {
        "respond": responded_at(incident, policy),
        "identify": incident.identified_at,
        "mitigate": incident.mitigating_at,
        # Until it is resolved it may relapse, and then it was not over.
        "resolve": None if incident.is_open else incident.recovered_at or incident.resolved_at,
    }
    result = [_detection(incident, policy)]
    for name, at in reached.items():
        target: timedelta | None = getattr(policy, f"{name}_target")
        due_at = target_due_at(incident, policy, calendar, name)
        met = None if at is None or due_at is None else at <= due_at
        seconds = target.total_seconds() if target is not None else None
        result.append(Phase(name, _seconds(start, at), seconds, due_at, met))
    return result


def _detection(incident: Incident, policy: SeverityPolicy) -> Phase:
    """From the start, where it is known; the one phase that never counts in working time."""
    target, started, detected = policy.detect_target, incident.started_at, incident.detected_at
    seconds = target.total_seconds() if target is not None else None
    due_at = None if target is None or started is None else started + target
    met = None if detected is None or due_at is None else detected <= due_at
    return Phase("detect", _seconds(started, detected), seconds, due_at, met)


def target_due_at(
    incident: Incident, policy: SeverityPolicy, calendar: WorkingCalendar, name: str
) -> datetime | None:
    """When the target `name` (respond, identify, mitigate, resolve) is missed; None without one."""
    target: timedelta | None = getattr(policy, f"{name}_target")
    start = incident.clock_starts_at
    if name == "respond" and by_working_day(incident, policy):
        return calendar.close_of_business(start, days=policy.ticket_business_days)
    if target is None:
        return None
    return calendar.add(start, target) if policy.business_hours else start + target


def by_working_day(incident: Incident, policy: SeverityPolicy) -> bool:
    """Whether the response is due by the end of a working day rather than after so much time."""
    if policy.respond_target is not None or policy.response != SeverityPolicy.Response.TICKET:
        return False
    plan = section_of(incident.revision).plan(policy.severity)
    return plan is not None and plan.next_working_day


def responded_at(incident: Incident, policy: SeverityPolicy) -> datetime | None:
    """The end of the response clock: acknowledgement, or the first action where that came first."""
    if policy.respond_ends == SeverityPolicy.RespondEnds.ACKNOWLEDGEMENT:
        return incident.acknowledged_at
    acted = [incident.acknowledged_at, incident.identified_at, incident.mitigating_at]
    return min((at for at in acted if at is not None), default=None)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return max((end - start).total_seconds(), 0.0)
