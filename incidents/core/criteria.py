"""What stands in the way of a transition. Pure: no ORM, no clock."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from incidents.core.errors import Unmet
from incidents.core.models import Attestation, Incident, SeverityPolicy, Status
from incidents.core.section import Resolve

NOTHING_MORE = Resolve()
ORDER = [Status.INVESTIGATING, Status.IDENTIFIED, Status.MITIGATING, Status.RESOLVED]


def following(status: str) -> Status | None:
    """The one state that comes after `status`; None after Resolved."""
    place = ORDER.index(Status(status))
    return ORDER[place + 1] if place + 1 < len(ORDER) else None


def unmet(
    incident: Incident,
    policy: SeverityPolicy,
    now: datetime,
    *,
    target: str,
    plan: Resolve = NOTHING_MORE,
    attestations: Iterable[Attestation] = (),
    confirmed: Collection[str] = (),
) -> list[Unmet]:
    """Every criterion that `incident` does not meet yet for moving to `target`.

    `plan`: what its runbook asks for beyond `policy`; `attestations` and `confirmed` (lines of the
    plan): what was stated since it last broke. The incident is judged as it stands in memory: a
    verb puts its answers on it first.
    """
    if target == Status.IDENTIFIED:
        return _cause(incident)
    if target == Status.MITIGATING:
        return _mitigation(incident)
    if target != Status.RESOLVED:
        return []
    missing = [*_cause(incident), *_mitigation(incident)]
    asked = policy.resolution_criteria
    if "root_cause" in asked and not incident.root_cause.strip():
        missing.append(Unmet("root_cause", "Write down the root cause."))
    if "healthy" in asked:
        missing += _healthy(incident, _window(incident, policy, plan), now)
    known = list(attestations)
    for wanted in policy.required_attestations:
        missing += _attested(wanted, known)
    unseen = [line for line in plan.confirm if line not in confirmed]
    return [*missing, *(Unmet("confirmed", f"Confirm on the checklist: {line}") for line in unseen)]


def observed_until(
    incident: Incident, policy: SeverityPolicy, now: datetime, plan: Resolve = NOTHING_MORE
) -> datetime | None:
    """From when on it may be resolved, while it works again but is still being observed."""
    is_observed = incident.is_open and "healthy" in policy.resolution_criteria
    if not is_observed or incident.recovered_at is None:
        return None
    until = incident.recovered_at + _window(incident, policy, plan)
    return until if until > now else None


def _window(incident: Incident, policy: SeverityPolicy, plan: Resolve) -> timedelta:
    """How long it is to be observed healthy; some mitigations are not to be trusted so soon."""
    after = plan.window_after(incident.mitigation_kind)
    return after or policy.monitoring_window or timedelta()


def _cause(incident: Incident) -> list[Unmet]:
    if incident.suspected_cause.strip():
        return []
    return [Unmet("suspected_cause", "Say what you suspect to be the cause.")]


def _mitigation(incident: Incident) -> list[Unmet]:
    missing = []
    if not incident.mitigation.strip():
        missing.append(Unmet("mitigation", "Say what is being done about it."))
    if not incident.mitigation_kind:
        missing.append(Unmet("mitigation_kind", "Say of what kind that is, such as a rollback."))
    return missing


def _healthy(incident: Incident, window: timedelta, now: datetime) -> list[Unmet]:
    if incident.recovered_at is None:
        return [
            Unmet(
                "recovered",
                "It does not work again yet. It counts as working again when all its alerts have "
                "resolved, or when somebody who has seen it healthy says so.",
            )
        ]
    seen = now - incident.recovered_at
    if seen >= window:
        return []
    return [
        Unmet(
            "monitoring_window",
            f"Its runbook asks to observe it healthy for {_minutes(window)}; "
            f"{_minutes(window - seen)} are left.",
        )
    ]


def _attested(wanted: dict[str, Any], attestations: Iterable[Attestation]) -> list[Unmet]:
    window = timedelta(seconds=wanted.get("for", 0))
    latest = max(
        (given for given in attestations if given.fact == wanted["fact"]),
        key=lambda given: (given.at, given.pk or 0),
        default=None,
    )
    if latest and float(latest.value) < wanted["below"] and latest.window >= window:
        return []
    limit = f"{wanted['below']:g} {wanted.get('unit', '')}".strip()
    held = f" for {_minutes(window)}" if window else ""
    fact = wanted["fact"]
    return [Unmet(f"attested:{fact}", f"Attest {fact} below {limit}{held}.")]


def _minutes(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{-(-seconds // 60)} min"
