"""What its runbook wants done in an incident, arranged as people work through it. Reads only."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from incidents.core import plans
from incidents.core.models import ChecklistItem, Incident
from incidents.core.section import Procedure
from incidents.core.section import of as section_of

Part = ChecklistItem.Part


@dataclass(frozen=True)
class Group:
    """The items of one phase, in order."""

    title: str
    items: list[ChecklistItem]
    is_needed: bool = True
    is_next: bool = False

    def is_open(self, now: datetime) -> bool:
        """Whether it is to be worked on now; what is done, or comes later, may be folded up."""
        has_begun = self.opens_at is None or self.opens_at <= now
        return self.is_needed and not self.is_done and (has_begun or self.is_next)

    @property
    def part(self) -> str:
        return self.items[0].part

    @property
    def opens_at(self) -> datetime | None:
        return self.items[0].opens_at

    @property
    def due_at(self) -> datetime | None:
        return self.items[0].due_at

    @property
    def done(self) -> int:
        return sum(item.ticked_at is not None for item in self.items)

    @property
    def is_done(self) -> bool:
        return self.done == len(self.items)


@dataclass(frozen=True)
class Card:
    """A checklist, or what is left of one that no runbook names: its title and phases."""

    title: str
    groups: list[Group]
    slug: str = ""

    @property
    def total(self) -> int:
        return sum(len(group.items) for group in self.groups)

    @property
    def done(self) -> int:
        return sum(group.done for group in self.groups)


@dataclass(frozen=True)
class Followed:
    """The procedure that is being followed (empty and None: none) with its items.

    `roll_back`: whether all criteria of its rollback are answered yes; None where it has none.
    `others`: what may be followed instead, slug and title.
    """

    slug: str
    procedure: Procedure | None
    groups: list[Group]
    others: list[dict[str, str]]
    roll_back: bool | None

    @property
    def title(self) -> str:
        return self.procedure.title if self.procedure else ""

    @property
    def document(self) -> dict[str, Any]:
        return self.procedure.as_json() if self.procedure else {}

    @property
    def has_reference(self) -> bool:
        """Whether there is anything to read beside the steps."""
        one = self.procedure
        return bool(one and (one.symptoms or one.questions or one.causes or one.prevent))

    @property
    def items(self) -> list[ChecklistItem]:
        return [item for group in self.groups for item in group.items]


def items_of(incident: Incident) -> list[ChecklistItem]:
    return list(incident.checklist.select_related("ticked_by").order_by("position"))


def followed(incident: Incident, items: Iterable[ChecklistItem] | None = None) -> Followed:
    """What the incident is worked through by; `items` where its checklist was read already."""
    section, slug = section_of(incident.revision), incident.procedure
    known = section.procedures
    mine = [
        item
        for item in (items_of(incident) if items is None else items)
        if slug and item.procedure == slug
    ]
    plan = section.plan(incident.severity)
    # Those that belong to every incident of its severity first
    order = dict.fromkeys([*(plan.procedures if plan else ()), *known])
    others = [
        {"slug": name, "title": known[name].title}
        for name in order
        if name != slug and name in known
    ]
    roll_back = plans.is_to_roll_back(mine)
    groups = _groups(mine, partial(_is_needed, roll_back=roll_back))
    return Followed(slug, known.get(slug), groups, others, roll_back)


def _is_needed(group: Group, roll_back: bool | None) -> bool:
    """Options are chosen; a rollback is decided on; the rest is for everybody."""
    if group.title in {plans.ROLLBACK, plans.AFTER_ROLLBACK}:
        return bool(roll_back)
    return not group.title.startswith(plans.OPTION)


def checklists(incident: Incident, items: Iterable[ChecklistItem]) -> list[Card]:
    """All but the procedure's items: by checklist, then by phase, each in its own order."""
    known = section_of(incident.revision)
    rest = [item for item in items if not item.procedure or item.procedure != incident.procedure]
    by_card: dict[tuple[str, str, bool], list[ChecklistItem]] = {}
    for item in rest:
        confirms = item.part == Part.CONFIRM
        by_card.setdefault((item.checklist, item.procedure, confirms), []).append(item)
    cards = []
    for (checklist, procedure, confirms), mine in by_card.items():
        named = known.checklists.get(checklist) or known.procedures.get(procedure)
        title = named.title if named else ("" if confirms else checklist or procedure)
        groups = _groups(mine, partial(_is_worked_on, incident))
        cards.append(Card(title, groups, checklist or procedure))
    return cards


def _is_worked_on(incident: Incident, group: Group) -> bool:
    """What is confirmed before the end can only be seen once it works again."""
    return group.part != Part.CONFIRM or incident.recovered_at is not None


def _groups(items: Iterable[ChecklistItem], is_needed: Callable[[Group], bool]) -> list[Group]:
    """By phase, in order; the first one that is left is the next."""
    by_phase: dict[str, list[ChecklistItem]] = {}
    for item in items:
        by_phase.setdefault(item.phase, []).append(item)
    groups = [Group(title, mine) for title, mine in by_phase.items()]
    groups = [replace(group, is_needed=is_needed(group)) for group in groups]
    left = [group.title for group in groups if group.is_needed and not group.is_done]
    return [replace(group, is_next=group.title in left[:1]) for group in groups]
