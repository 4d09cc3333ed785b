"""From an empty installation to the first real page: what is done, what is missing, and where.

The steps are judged by facts, never remembered: the list fills itself, and shrinks again when
somebody takes something away. Reads only.
"""

from datetime import datetime

from config.first_run import organisation, paging, people
from config.first_run.facts import UNROUTED, Facts
from config.first_run.organisation import ways
from config.first_run.paging import PAGE_ME
from config.first_run.people import schedules_without_anybody
from config.first_run.steps import Progress, Step
from incidents.core.models import Team, User
from incidents.escalation import services as escalation

__all__ = [
    "PAGE_ME",
    "Facts",
    "Progress",
    "Step",
    "faults",
    "progress",
    "schedules_without_anybody",
    "ways",
]


def progress(*, now: datetime, facts: Facts | None = None, reader: User | None = None) -> Progress:
    """Every step in the order in which one would take it; a constant number of queries."""
    facts = facts or Facts.read()
    team = Team.objects.exclude(slug=UNROUTED).order_by("pk").first()
    outlook = escalation.check_ladders(now=now)
    return Progress(
        [
            *organisation.home(facts),
            organisation.runbook(facts),
            people.team(facts),
            people.people(facts, team),
            people.contacts(facts, outlook, reader),
            people.schedule(facts, team, now),
            paging.policy(facts, team, outlook),
            paging.service(facts, team),
            paging.source(facts, team),
            *ways(facts),
            paging.page(facts),
        ]
    )


def faults(*, now: datetime, facts: Facts, reader: User | None = None) -> list[Step]:
    """Where all is set up: what would go wrong nevertheless if something broke now."""
    outlook = escalation.check_ladders(now=now)
    steps = [people.contacts(facts, outlook, reader), paging.policy(facts, None, outlook)]
    return [step for step in steps if not step.is_done]
