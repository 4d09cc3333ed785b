"""What a runbook says about an incident as it stands. Pure: no database, no clock."""

from collections.abc import Iterable
from datetime import timedelta

from incidents.core import section as core
from incidents.core.documents import digest_of_document
from incidents.core.models import Incident, Severity
from incidents.escalation import section
from incidents.escalation.section import EscalationSection, Filling, To, Trigger
from incidents.escalation.wording import duration_text

# What a person may report, in words. `data_loss` and `multiple_services` follow from the impact.
FACTS = {
    "multiple_services": "Several services are affected",
    "infrastructure": "It is about infrastructure: servers or the network",
    "database": "It is about the database",
    "security": "Security may be at stake",
    "backup": "Something has to be restored from a backup",
    "data_loss": "Data may be lost",
    "sla_at_risk": "What customers were promised (SLA) is at risk",
    "customer_escalation": "A customer escalated it",
    "decision_needed": "A decision is needed",
    "unclear": "It is unclear what is wrong, or how bad it is",
}
NOTHING = {"", digest_of_document({})}
# While it works again these wait: nobody is called for what is only being observed.
UNTIL_IT_WORKS = {"identified", "mitigating", "recovered"}
_LOST = {Incident.DataLoss.SUSPECTED, Incident.DataLoss.CONFIRMED}


def section_for(incident: Incident) -> EscalationSection:
    return section.of(incident.revision)


def has_rules(incident: Incident) -> bool:
    """Whether it was declared under a written runbook. Never reads the document, never fails."""
    return incident.revision.digest not in NOTHING


def page_delay(incident: Incident) -> timedelta | None:
    """How long its type waits for it to recover by itself before anybody is paged.

    Not so where it was declared worse than its type usually is.
    """
    if not incident.incident_type:
        return None
    kind = core.of(incident.revision).types.get(incident.incident_type)
    if kind is None or Severity(incident.severity).rank < Severity(kind.severity).rank:
        return None
    return kind.page_after


def called_at_declaration(incident: Incident) -> tuple[list[str], list[str]]:
    """The roles that are paged, and those that are only told, each once."""
    calls = [one for one in section_for(incident).at_declaration if _is_about(one, incident)]
    paged = dict.fromkeys(role for call in calls for role in call.page)
    told = dict.fromkeys(role for call in calls for role in call.tell if role not in paged)
    return list(paged), list(told)


def triggers_of(incident: Incident) -> list[Trigger]:
    """Those that are there for its severity and type."""
    written = [one for one in section_for(incident).triggers if _is_about(one, incident)]
    return [*written, *fillings(incident)]


def fillings(incident: Incident) -> list[Filling]:
    """The roles that its severity asks for as soon as a fact is known, as rules."""
    plans = core.of(incident.revision).severities
    plan = next((plan for name, plan in plans.items() if name == incident.severity), None)
    # Built without the checks of what people write: no id of theirs has a colon in it.
    return [
        Filling.model_construct(
            id=f"role:{wish.role}:{wish.fact}",
            title=wish.when,
            fact=wish.fact,
            until="recovered",
            to=To(role=wish.role.replace("_", "-")),
            fills=wish.role,
        )
        for wish in (plan.roles_when if plan else [])
        if wish.fact is not None
    ]


def _is_about(rule: section.Call | Trigger, incident: Incident) -> bool:
    return (not rule.severities or incident.severity in rule.severities) and (
        not rule.types or incident.incident_type in rule.types
    )


def is_over(trigger: Trigger, incident: Incident) -> bool:
    """Whether what it waits for was reached, or is not missed while it works again."""
    if not incident.is_open:
        return True
    if trigger.until in UNTIL_IT_WORKS and incident.recovered_at is not None:
        return True
    return {
        "acknowledged": incident.is_acknowledged,
        "identified": incident.identified_at is not None,
        "mitigating": incident.mitigating_at is not None,
    }.get(trigger.until, False)


def facts_of(incident: Incident, affected: Iterable[int]) -> set[str]:
    """What follows from its type and impact; `affected`: ids of services it is said to affect."""
    kind = core.of(incident.revision).types.get(incident.incident_type)
    found: set[str] = set(kind.facts if kind else [])
    if incident.data_loss in _LOST:
        found.add("data_loss")
    if len({incident.service_id, *affected}) > 1:
        found.add("multiple_services")
    return found


def occasion(trigger: Trigger) -> str:
    """When it happens, in words: what stands before the title on the incident's page."""
    if trigger.after is not None:
        return f"{duration_text(trigger.after)} after it was {trigger.since}"
    if trigger.fact is not None:
        text = FACTS[trigger.fact]
        return f"{text[0].lower()}{text[1:]}"
    lasting = f" for {duration_text(trigger.holds_for)}" if trigger.holds_for else ""
    if trigger.attested is not None:
        name = trigger.attested.fact.replace("_", " ")
        return f"{name} attested at {trigger.attested.at_least:g} or more{lasting}"
    return f"more than {trigger.users_over:f} % of users attested as affected{lasting}"


def stopped_by(trigger: Trigger) -> str:
    """What keeps it from happening, in words."""
    if trigger.until in {"resolved", "acknowledged"}:
        return f"until it is {trigger.until}"
    if trigger.until == "recovered":
        return "until it works again"
    wanted = "its cause is identified" if trigger.until == "identified" else "it is being mitigated"
    return f"until {wanted} or it works again"


def aim(trigger: Trigger, plan: EscalationSection) -> str:
    """At whom it is aimed, e.g. "the Engineering Manager", "the next level", "SEV1"."""
    if trigger.severity is not None:
        return trigger.severity
    if trigger.to is None or trigger.to.role is None:
        return "the next level"
    return called(trigger.to.role, plan)


def called(role: str, plan: EscalationSection) -> str:
    """E.g. "the Director", "whoever is on call"."""
    if role not in plan.roles and role == section.ON_CALL:
        return "whoever is on call"
    return f"the {plan.title(role)}"
