"""What a runbook has in store for an incident: its type, its checklists, its procedure. Pure."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from incidents.core.models import ChecklistItem, Incident
from incidents.core.section import (
    Checklist,
    CoreSection,
    IncidentType,
    Procedure,
    Resolve,
    Step,
)
from incidents.core.section import of as section_of

Part = ChecklistItem.Part
LONGEST = 620  # what the columns of a row hold
CONFIRMING = "Before it is resolved"
ROLLING_BACK_IF = "Roll back if all of this is true"
ROLLBACK, AFTER_ROLLBACK, OPTION = "Rollback", "After the rollback", "Option: "


@dataclass(frozen=True)
class Todo:
    """A row of an incident's checklist to be; `opens` and `due` count from when it begins."""

    text: str
    phase: str = ""
    checklist: str = ""
    procedure: str = ""
    part: str = Part.TODO
    role: str = ""
    command: str = ""
    expect: str = ""
    opens: timedelta | None = None
    due: timedelta | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same thing to do."""
        return (self.checklist, self.part, self.phase, self.text)


def type_named(section: CoreSection, names: Iterable[str]) -> str:
    """The type of an alert that is called by one of `names`, the first known one; else empty."""
    for name in names:
        wanted = name.strip().casefold()
        for slug, kind in section.types.items():
            if wanted and any(alert.casefold() == wanted for alert in kind.alerts):
                return slug
    return ""


def type_of(section: CoreSection, incident: Incident) -> IncidentType | None:
    """None: it has no type, or one that its runbook does not know."""
    return section.types.get(incident.incident_type)


def title_of_type(incident: Incident) -> str:
    """As its runbook calls it; the name itself where it does not know it; empty without one."""
    if not incident.incident_type:
        return ""
    kind = type_of(section_of(incident.revision), incident)
    return kind.title if kind else incident.incident_type


def severity_called(incident: Incident, severity: str = "") -> str:
    """As its runbook calls its severity (or `severity`): P1, SEV-1 …"""
    wanted = severity or incident.severity
    plan = section_of(incident.revision).plan(wanted)
    return plan.name if plan else wanted


def resolve_of(section: CoreSection, incident: Incident) -> Resolve:
    """What resolving it asks for, beyond what its SeverityPolicy says."""
    plan = section.plan(incident.severity)
    return plan.resolve if plan else Resolve()


def todos_of(section: CoreSection, incident: Incident, begun: Collection[str]) -> list[Todo]:
    """What its checklists, as far as they have begun, and its criteria ask for.

    `begun`: of declared, recovered, resolved.
    """
    found = [
        todo
        for slug, checklist in section.checklists.items()
        if checklist.begins in begun and _applies(section, slug, checklist, incident)
        for todo in _todos_of_checklist(slug, checklist, incident)
    ]
    lines = resolve_of(section, incident).confirm
    return [*found, *(Todo(line, CONFIRMING, part=Part.CONFIRM) for line in lines)]


def _applies(section: CoreSection, slug: str, checklist: Checklist, incident: Incident) -> bool:
    kind = type_of(section, incident)
    if kind is not None and kind.checklist == slug:
        return True
    is_of_severity = not checklist.severities or incident.severity in checklist.severities
    is_of_type = not checklist.types or incident.incident_type in checklist.types
    return is_of_severity and is_of_type and not checklist.on_request


def _todos_of_checklist(slug: str, checklist: Checklist, incident: Incident) -> Iterator[Todo]:
    for phase in checklist.phases:
        for item in phase.items:
            if not item.severities or incident.severity in item.severities:
                yield Todo(
                    text=item.text,
                    phase=phase.title,
                    checklist=slug,
                    role=item.role or "",
                    opens=phase.opens,
                    due=phase.due,
                )


def todos_of_procedure(slug: str, procedure: Procedure) -> list[Todo]:
    """Everything in it that can be ticked: steps, options, the rollback, what verifies it.

    What holds only in some case has no due time: nobody is late who is in another one.
    """
    todos: list[Todo] = []
    for phase in procedure.phases:
        title, due = _in_case(phase.when, phase.title), None if phase.when else phase.due
        steps = _steps(phase.steps, title)
        todos += [replace(step, opens=phase.opens, due=due) for step in steps]
    for option in procedure.options:
        todos += _steps(option.steps, OPTION + _in_case(option.when, option.title))
    if procedure.rollback is not None:
        questions = procedure.rollback.when
        todos += [Todo(one.text, ROLLING_BACK_IF, part=Part.ROLL_BACK_IF) for one in questions]
        todos += _steps(procedure.rollback.steps, ROLLBACK)
        expected = procedure.rollback.expect
        todos += [Todo(line, AFTER_ROLLBACK, part=Part.VERIFY) for line in expected]
    todos += [
        Todo(
            check.text,
            "Verify",
            part=Part.VERIFY,
            command=check.command or "",
            expect=check.expect or "",
        )
        for check in procedure.verify
    ]
    return [replace(todo, procedure=slug, phase=todo.phase[:LONGEST]) for todo in todos]


def _steps(steps: Iterable[Step], phase: str) -> list[Todo]:
    return [
        Todo(
            text=_in_case(step.when, step.text)[:LONGEST],
            phase=phase,
            role=step.role or "",
            command=step.command or "",
            expect=step.expect or "",
        )
        for step in steps
    ]


def _in_case(when: str | None, text: str) -> str:
    return f"{text} ({when.rstrip('.')})" if when else text


def is_to_roll_back(items: Iterable[ChecklistItem]) -> bool | None:
    """Whether all criteria of the rollback are answered yes; None where there is none."""
    answers = [item.ticked_at is not None for item in items if item.part == Part.ROLL_BACK_IF]
    return all(answers) if answers else None
