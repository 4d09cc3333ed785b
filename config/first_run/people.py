"""Who is asked: a team, its people, their contacts, whose turn it is."""

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from config.first_run.facts import Facts
from config.first_run.steps import Step, link, names, verb_of
from incidents.core.models import Team, User
from incidents.escalation import services as escalation
from incidents.oncall import services as oncall
from incidents.oncall.models import Schedule


def team(facts: Facts) -> Step:
    zone = facts.organisation.timezone
    return Step(
        name="A team",
        why="Services belong to a team; its people are the ones who are asked.",
        missing="" if facts.has["team"] else "Add the team that runs your first service.",
        url=link("admin:incidents_team_add", timezone=zone),
        button="Add a team",
        administrators_only=True,
    )


def people(facts: Facts, team: Team | None) -> Step:
    missing = f"Make yourself or others responders of {team or 'the team'}; invite who is not here."
    return Step(
        name="People who respond",
        why="Whoever is to be paged is a responder or manager of a team; you may be one.",
        missing="" if facts.has["responder"] else missing,
        url=reverse("admin:incidents_team_change", args=[team.pk])
        if team
        else reverse("admin:incidents_team_changelist"),
        button="Add members",
        also=("Invite people", link("admin:incidents_user_add", team=team.pk if team else "")),
    )


def contacts(facts: Facts, outlook: escalation.Outlook, reader: User | None) -> Step:
    missing, others = "", [person for person in outlook.unreachable if person != reader]
    if outlook.unreachable:
        missing = f"{names(outlook.unreachable)} cannot be paged: each adds an address under My "
        missing += "profile and confirms it with the code that is sent there."
    elif not facts.has["contact"] and not settings.SMTP_HOST:
        missing = "Add where you are to be paged, and confirm it with the code that is sent there."
    elsewhere = bool(others) and reader not in outlook.unreachable
    return Step(
        name="Contacts that work",
        why="A page goes only to an address whose owner has shown that it arrives.",
        missing=missing,
        url=reverse("admin:incidents_user_changelist" if elsewhere else "contacts-add"),
        button="See the people" if elsewhere else "Add your contact",
        is_told_by_ladders=bool(outlook.unreachable),
    )


def schedule(facts: Facts, team: Team | None, now: datetime) -> Step:
    missing, url, button = "", reverse("admin:oncall_schedule_changelist"), "See the schedules"
    if not facts.has["schedule"]:
        missing = f"Say whose turn it is when something of {team or 'the team'} breaks."
        if team:
            url, button = verb_of(team, "default-schedule"), "Make a weekly schedule"
    elif nobody := schedules_without_anybody(now):
        missing = f"Nobody is on call now in {names(nobody)}: fill the gap."
        url = reverse("admin:oncall_schedule_change", args=[nobody[0].pk])
        button = "Fill the gap"
    return Step(
        name="A schedule",
        why="It decides who is asked first, and lets the others sleep.",
        missing=missing,
        url=url,
        button=button,
    )


def schedules_without_anybody(now: datetime) -> list[Schedule]:
    """Those that answer for a team and name nobody at this moment."""
    rows = Schedule.objects.filter(team_assignments__isnull=False).distinct().order_by("name")
    schedules = list(rows)
    on_call = oncall.people_on_call(schedules, now)
    return [schedule for schedule in schedules if on_call[schedule.pk] is None]
