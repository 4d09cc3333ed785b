"""What is to be done and ticked off: the runbook's checklists, its procedure, and more by hand."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from incidents.core import plans
from incidents.core.documents import unknown
from incidents.core.errors import DomainError
from incidents.core.models import ChecklistItem, Incident, IncidentRole, Kind, User
from incidents.core.plans import Part, Todo
from incidents.core.section import CoreSection
from incidents.core.section import of as section_of
from incidents.core.services.recording import lock, record, require_open, require_text
from incidents.timers import clock, rows
from incidents.timers import services as timers

OVERDUE = "core.checklist"
MOST_TOLD = 5
# What a tick says, and taking it back.
TICKED: dict[str, tuple[str, str]] = {
    Part.TODO: ("Done", "Not done after all"),
    Part.CONFIRM: ("Confirmed", "Not confirmed any more"),
    Part.ROLL_BACK_IF: ("Yes", "No"),
    Part.VERIFY: ("Verified", "Not verified any more"),
}


def begin_checklists(incident: Incident) -> None:
    """Put what its runbook asks for on a new incident's checklist; no statement where nothing."""
    section = section_of(incident.revision)
    todos = plans.todos_of(section, incident, {"declared"})
    procedure = section.procedures.get(incident.procedure)
    if procedure is not None:
        todos += plans.todos_of_procedure(incident.procedure, procedure)
    _put(incident, todos, incident.declared_at, after=0)


def renew_checklists(incident: Incident, now: datetime) -> None:
    """Put on what applies from now on; take off what no longer does, unless it was ticked.

    The incident must be locked.
    """
    section = section_of(incident.revision)
    if not _asks_for_anything(section):
        return
    reached = {"recovered": incident.recovered_at, "resolved": incident.resolved_at}
    begun = {"declared", *(name for name, at in reached.items() if at is not None)}
    todos = {todo.key: todo for todo in plans.todos_of(section, incident, begun)}
    known = list(incident.checklist.filter(~Q(checklist="") | Q(part=Part.CONFIRM)))
    gone = [item.pk for item in known if item.ticked_at is None and _key(item) not in todos]
    ChecklistItem.objects.filter(pk__in=gone).delete()
    there = {_key(item) for item in known}
    fresh = [todo for key, todo in todos.items() if key not in there]
    _put(incident, fresh, now, after=_last_position(incident))


def void_checks(incident: Incident) -> None:
    """It broke again: what was found in order afterwards is to be looked at once more."""
    section = section_of(incident.revision)
    if not _asks_for_anything(section) and not incident.procedure:
        return
    later = [slug for slug, one in section.checklists.items() if one.begins != "declared"]
    checks = Q(checklist__in=later) | Q(part__in=[Part.CONFIRM, Part.VERIFY])
    incident.checklist.filter(checks).update(ticked_at=None, ticked_by=None)


def _asks_for_anything(section: CoreSection) -> bool:
    confirming = any(plan.resolve.confirm for plan in section.severities.values())
    return bool(section.checklists) or confirming


def _key(item: ChecklistItem) -> tuple[str, str, str, str]:
    return (item.checklist, item.part, item.phase, item.text)


def _last_position(incident: Incident) -> int:
    last = incident.checklist.order_by("-position").values_list("position", flat=True).first()
    return last or 0


def _put(incident: Incident, todos: Sequence[Todo], begins_at: datetime, *, after: int) -> None:
    """Rows and timers for `todos`, in one statement each."""
    if not todos:
        return
    rows.insert(
        [
            ChecklistItem(
                incident=incident,
                position=position,
                checklist=todo.checklist,
                procedure=todo.procedure,
                part=todo.part,
                phase=todo.phase,
                text=todo.text,
                command=todo.command,
                expect=todo.expect,
                role=todo.role,
                opens_at=None if todo.opens is None else begins_at + todo.opens,
                due_at=None if todo.due is None else begins_at + todo.due,
            )
            for position, todo in enumerate(todos, after + 1)
        ]
    )
    timers.schedule_many(
        [
            timers.Wanted(
                OVERDUE,
                incident,
                begins_at + due,
                key=_timer_key(checklist, procedure, begins_at + due),
                payload={
                    "checklist": checklist,
                    "procedure": procedure,
                    "due_at": (begins_at + due).isoformat(),
                },
            )
            for checklist, procedure, due in {
                (todo.checklist, todo.procedure, todo.due) for todo in todos
            }
            if due is not None
        ]
    )


def _timer_key(checklist: str, procedure: str, due_at: datetime) -> str:
    # With the day: what is due in two days must not take the place of what is due tomorrow.
    named = f"procedure {procedure}" if procedure else checklist
    return f"{named} {due_at:%Y-%m-%d %H:%M:%S}".strip()


def tell_overdue(
    incident: Incident, *, checklist: str, procedure: str, due_at: datetime, now: datetime
) -> None:
    """What is not ticked of a phase whose time is up (timer, incident locked) is told, once."""
    named = section_of(incident.revision).checklists.get(checklist)
    if not incident.is_open and (named is None or named.begins != "resolved"):
        return
    late = incident.checklist.filter(checklist=checklist, procedure=procedure, due_at=due_at)
    items = list(late.filter(part=Part.TODO, ticked_at=None).order_by("position"))
    if not items:
        return
    listed = "; ".join(item.text for item in items[:MOST_TOLD])
    more = f"; and {len(items) - MOST_TOLD} more" if len(items) > MOST_TOLD else ""
    record(
        incident,
        Kind.CHECKLIST_OVERDUE,
        at=now,
        summary=f"Overdue{f' in “{items[0].phase}”' if items[0].phase else ''}: {listed}{more}",
        data={"items": [item.pk for item in items], "tell": _responsible_for(incident, items)},
    )


def _responsible_for(incident: Incident, items: Sequence[ChecklistItem]) -> list[int]:
    """Who holds the role of an item; else the commander; else who has the incident."""
    held = dict(incident.roles.filter(until=None).values_list("role", "user"))
    otherwise = held.get(IncidentRole.COMMANDER, incident.acknowledged_by_id)
    found = {held.get(item.role, otherwise) for item in items}
    return sorted(pk for pk in found if pk is not None)


@transaction.atomic
def follow_procedure(incident: Incident, *, procedure: str, actor: User) -> Incident:
    """Work by this procedure of its runbook from now on; its steps can be ticked off.

    What was ticked of another one stays, the rest of it goes. Repeating it changes nothing.
    """
    incident = lock(incident)
    require_open(incident, "follow a procedure")
    known = section_of(incident.revision).procedures
    if procedure not in known:
        raise DomainError(unknown(procedure, known, what="The procedure"), field="procedure")
    if procedure == incident.procedure:
        return incident
    now, title = clock.now(), known[procedure].title
    switch_procedure(incident, procedure, now)
    record(
        incident,
        Kind.PROCEDURE_FOLLOWED,
        actor=actor,
        at=now,
        summary=f"Procedure: {title}",
        data={"procedure": procedure},
    )
    return incident


def switch_procedure(incident: Incident, slug: str, now: datetime) -> None:
    """The steps of `slug` (empty: none) for those that are left of another one. It must be locked.

    The same one changes nothing, nor does one that its runbook does not know.
    """
    procedure = section_of(incident.revision).procedures.get(slug)
    if slug == incident.procedure or (slug and procedure is None):
        return
    left = incident.checklist.filter(procedure=incident.procedure, ticked_at=None)
    left.exclude(procedure="").delete()
    incident.procedure = slug
    incident.save(update_fields=["procedure"])
    if procedure is not None:
        there = set(incident.checklist.filter(procedure=slug).values_list("phase", "text"))
        todos = plans.todos_of_procedure(slug, procedure)
        fresh = [todo for todo in todos if (todo.phase, todo.text) not in there]
        _put(incident, fresh, now, after=_last_position(incident))


@transaction.atomic
def add_checklist_item(
    incident: Incident,
    *,
    text: str,
    phase: str = "",
    role: str = "",
    due_at: datetime | None = None,
    actor: User | None = None,
) -> ChecklistItem:
    """Put one more thing to do on the incident's checklist; told when it is overdue."""
    incident = lock(incident)
    require_open(incident, "add to its checklist")
    text = require_text(text, "The text", field="text", longest=300)
    if role and role not in IncidentRole.values:
        raise DomainError(f"{role!r} is no role.", field="role")
    item = ChecklistItem.objects.create(
        incident=incident,
        position=_last_position(incident) + 1,
        phase=phase[:64],
        text=text,
        role=role,
        due_at=due_at,
    )
    if due_at is not None:
        timers.schedule(
            OVERDUE,
            incident,
            due_at=due_at,
            key=_timer_key("", "", due_at),
            payload={"checklist": "", "procedure": "", "due_at": due_at.isoformat()},
        )
    record(incident, Kind.CHECKLIST_ADDED, actor=actor, summary=f"To do: {text}")
    return item


@transaction.atomic
def tick(item: ChecklistItem, *, actor: User) -> ChecklistItem:
    """It is done. Ticking twice changes nothing. DomainError where it was taken off meanwhile."""
    return _set_ticked(item, actor, done=True)


@transaction.atomic
def untick(item: ChecklistItem, *, actor: User) -> ChecklistItem:
    """It is not done after all."""
    return _set_ticked(item, actor, done=False)


def _set_ticked(item: ChecklistItem, actor: User, *, done: bool) -> ChecklistItem:
    incident, text = lock(item.incident), item.text
    there = ChecklistItem.objects.select_for_update(no_key=True).filter(pk=item.pk).first()
    if there is None:
        raise DomainError(f"“{text}” is not on the checklist any more.", code="gone")
    item = there
    if (item.ticked_at is not None) == done:
        return item
    now = clock.now()
    item.ticked_at, item.ticked_by = (now, actor) if done else (None, None)
    item.save(update_fields=["ticked_at", "ticked_by"])
    yes, no = TICKED[item.part]
    record(
        incident,
        Kind.CHECKLIST_TICKED if done else Kind.CHECKLIST_UNTICKED,
        actor=actor,
        at=now,
        summary=f"{yes if done else no}: {item.text}",
        data={"item": item.pk},
    )
    return item
