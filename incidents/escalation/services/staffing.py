"""The roles of an incident that its severity asks for: who takes command, which are vacant."""

from datetime import datetime

from incidents.core import section as core_section
from incidents.core import services as core
from incidents.core.models import Incident, IncidentRole, Kind, User
from incidents.core.services import Draft
from incidents.escalation import rules, targets, wording
from incidents.escalation.services.going_off import known_facts
from incidents.escalation.services.steps import ROLES
from incidents.notifications import services as notifications
from incidents.timers import services as timers


def vacant_roles(incident: Incident) -> list[str]:
    """The roles that its severity asks for and that nobody has, as people say them.

    Also those that it asks for only where a fact is known, once it is.
    """
    required = list(targets.severity_policies([incident])[incident.pk].required_roles)
    if fillings := rules.fillings(incident):
        known = known_facts(incident)
        needed = [one.fills for one in fillings if one.fact in known]
        required += [role for role in dict.fromkeys(needed) if role not in required]
    held = set(incident.roles.filter(until=None).values_list("role", flat=True)) if required else ()
    names = dict(IncidentRole.choices)
    return [str(names.get(role, role)).lower() for role in required if role not in held]


def appoint_detector(incident: Incident, by: User) -> None:
    """Where the runbook says so, whoever declared or first acknowledged it is commander."""
    plans = core_section.of(incident.revision).severities
    plan = next((plan for name, plan in plans.items() if name == incident.severity), None)
    if plan is None or not plan.detector_commands or not by.is_active or not incident.is_open:
        return
    if not incident.roles.filter(role=IncidentRole.COMMANDER, until=None).exists():
        core.assign_role(incident, role=IncidentRole.COMMANDER, user=by, actor=None)


def remind_of_roles(incident: Incident, *, now: datetime) -> None:
    """It goes on for a while (timer, incident locked): whoever leads it is told what is vacant.

    The commander, or whoever has it. While it is nobody, this waits.
    """
    incident = Incident.objects.with_context().get(pk=incident.pk)
    vacant = vacant_roles(incident) if incident.is_open else []
    if not vacant:
        return
    commands = incident.roles.filter(role=IncidentRole.COMMANDER, until=None)
    held = commands.select_related("user").first()
    leader = held.user if held else incident.acknowledged_by
    if leader is None:
        later = now + rules.section_for(incident).remind_roles
        timers.schedule_many([timers.Wanted(ROLES, incident, later)], now=now)
        return
    names = wording.names(vacant)
    severity = targets.severity_policies([incident])[incident.pk].label
    notifications.message(
        leader,
        cause=f"vacant:{incident.pk}:{now.isoformat()}",
        subject=wording.subject_of(incident, severity, before=f"Still without {names}: "),
        body=f"{severity} asks for {names}, and nobody has taken that on.\n{incident.title}\n"
        "Give the roles to people on the incident's page.",
        incident=incident,
        links=[wording.incident_link(incident)],
    )
    text = f"Still without {names}; {leader} was reminded."
    core.record_many([Draft(incident, Kind.NOTE, text, data={"vacant": vacant})], at=now)
