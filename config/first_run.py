"""From an empty installation to the first real page: what is done, what is missing, and where.

The steps are judged by facts, never remembered: the list fills itself, and shrinks again when
somebody takes something away. Reads only.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse

from incidents.alerts.models import Source
from incidents.core.models import Incident, Membership, Organisation, Role, Service, Team, User
from incidents.escalation import services as escalation
from incidents.escalation.models import PolicyAssignment
from incidents.notifications.addresses import Channel
from incidents.notifications.models import ContactMethod, LastResortAddress
from incidents.oncall import services as oncall
from incidents.oncall.models import Schedule, TeamSchedule

UNROUTED = "unrouted"  # team and service that alerts make for themselves
MOST_NAMES = 3
PAGE_ME = "Page me now"
NAMELESS = Organisation._meta.get_field("name").default


@dataclass(frozen=True)
class Step:
    """One line of the list. `missing` says what to do, and is empty once it is done."""

    name: str
    why: str
    missing: str
    url: str
    button: str
    is_optional: bool = False
    administrators_only: bool = False
    also: tuple[str, str] | None = None  # another button: its words and where it leads
    is_told_by_ladders: bool = False  # `escalation.check_ladders` says more about what is missing

    @property
    def is_done(self) -> bool:
        return not self.missing


@dataclass(frozen=True)
class Progress:
    """The whole list, and how far it has come."""

    steps: list[Step]

    @property
    def missing(self) -> list[Step]:
        return [step for step in self.steps if not step.is_done]

    @property
    def required(self) -> list[Step]:
        return [step for step in self.steps if not step.is_optional]

    @property
    def numbered(self) -> list[tuple[int | None, Step]]:
        """With the numbers of those that must be taken."""
        places = {step.name: number for number, step in enumerate(self.required, 1)}
        return [(places.get(step.name), step) for step in self.steps]

    @property
    def done(self) -> int:
        return sum(step.is_done for step in self.required)

    @property
    def next(self) -> Step | None:
        """What to do now: what can wait comes last."""
        return min(self.missing, key=lambda step: step.is_optional, default=None)


# --- Facts ----------------------------------------------------------------------------------------


def responders() -> QuerySet[Membership]:
    return Membership.objects.filter(user__is_active=True).exclude(role=Role.VIEWER)


def uncovered_services() -> QuerySet[Service]:
    """Active ones to which no escalation policy applies: only the last resort hears of them."""
    assigned = PolicyAssignment.objects.filter(
        Q(service=OuterRef("pk")) | Q(team=OuterRef("team")) | Q(service=None, team=None)
    )
    return Service.objects.filter(~Exists(assigned), is_active=True)


@dataclass(frozen=True)
class Facts:
    """All that one query can tell."""

    organisation: Organisation
    has: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def read(cls) -> "Facts":
        wanted = {
            "last_resort": LastResortAddress.objects.filter(is_active=True),
            "team": Team.objects.exclude(slug=UNROUTED),
            "responder": responders(),
            "contact": ContactMethod.objects.usable().filter(
                user__in=responders().values("user_id")
            ),
            "mail_contact": ContactMethod.objects.usable().filter(
                kind=Channel.EMAIL, user__is_active=True
            ),
            "schedule": TeamSchedule.objects.all(),
            "policy": PolicyAssignment.objects.all(),
            "uncovered": uncovered_services(),
            "service": Service.objects.filter(is_active=True).exclude(slug=UNROUTED),
            "source": Source.objects.filter(is_active=True),
            "answer": Incident.objects.exclude(acknowledged_at=None),
        }
        row = Organisation.objects.annotate(
            **{f"has_{name}": Exists(found) for name, found in wanted.items()}
        ).first()
        if row is None:  # nobody ran `up` here yet
            return cls(Organisation(pk=1), {name: found.exists() for name, found in wanted.items()})
        return cls(row, {name: getattr(row, f"has_{name}") for name in wanted})

    @cached_property
    def is_complete(self) -> bool:
        """Whether a page can go out and has done so: enough to stop reading further."""
        has = dict(self.has)
        uncovered, _ = has.pop("uncovered"), has.pop("mail_contact")
        has["last_resort"] |= bool(settings.LAST_RESORT)
        has["contact"] |= bool(settings.SMTP_HOST)
        return self.is_named and all(has.values()) and not uncovered

    @property
    def is_named(self) -> bool:
        return self.organisation.name != NAMELESS


# --- The list -------------------------------------------------------------------------------------


def progress(*, now: datetime, facts: Facts | None = None, reader: User | None = None) -> Progress:
    """Every step in the order in which one would take it; a constant number of queries."""
    facts = facts or Facts.read()
    team = Team.objects.exclude(slug=UNROUTED).order_by("pk").first()
    outlook = escalation.check_ladders(now=now)
    return Progress(
        [
            *_home(facts),
            _team(facts),
            _people(facts, team),
            _contacts(facts, outlook, reader),
            _schedule(facts, team, now),
            _policy(facts, team, outlook),
            _service(facts, team),
            _source(facts, team),
            *ways(facts),
            _page(facts),
        ]
    )


def faults(*, now: datetime, facts: Facts, reader: User | None = None) -> list[Step]:
    """Where all is set up: what would go wrong nevertheless if something broke now."""
    outlook = escalation.check_ladders(now=now)
    steps = [_contacts(facts, outlook, reader), _policy(facts, None, outlook)]
    return [step for step in steps if not step.is_done]


def _home(facts: Facts) -> list[Step]:
    return [
        Step(
            name="Organisation and time zone",
            why="Working hours, holidays and the times in messages go by them.",
            missing="" if facts.is_named else "Give your organisation its name and its time zone.",
            url=reverse("admin:incidents_organisation_change", args=[1]),
            button="Name it",
            administrators_only=True,
        ),
        Step(
            name="Last resort",
            why="Somebody is told when nobody can be paged, so that no incident stays silent.",
            missing=""
            if facts.has["last_resort"] or settings.LAST_RESORT
            else "Add an address that needs no policy and no schedule, or set LAST_RESORT.",
            url=reverse("admin:notifications_lastresortaddress_add"),
            button="Add a last resort",
            administrators_only=True,
        ),
    ]


def _team(facts: Facts) -> Step:
    zone = facts.organisation.timezone
    return Step(
        name="A team",
        why="Services belong to a team; its people are the ones who are asked.",
        missing="" if facts.has["team"] else "Add the team that runs your first service.",
        url=_to("admin:incidents_team_add", timezone=zone),
        button="Add a team",
        administrators_only=True,
    )


def _people(facts: Facts, team: Team | None) -> Step:
    missing = f"Make yourself or others responders of {team or 'the team'}; invite who is not here."
    return Step(
        name="People who respond",
        why="Whoever is to be paged is a responder or manager of a team; you may be one.",
        missing="" if facts.has["responder"] else missing,
        url=reverse("admin:incidents_team_change", args=[team.pk])
        if team
        else reverse("admin:incidents_team_changelist"),
        button="Add members",
        also=("Invite people", _to("admin:incidents_user_add", team=team.pk if team else "")),
    )


def _contacts(facts: Facts, outlook: escalation.Outlook, reader: User | None) -> Step:
    missing, others = "", [person for person in outlook.unreachable if person != reader]
    if outlook.unreachable:
        missing = f"{_names(outlook.unreachable)} cannot be paged: each adds an address under My "
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


def _schedule(facts: Facts, team: Team | None, now: datetime) -> Step:
    missing, url, button = "", reverse("admin:oncall_schedule_changelist"), "See the schedules"
    if not facts.has["schedule"]:
        missing = f"Say whose turn it is when something of {team or 'the team'} breaks."
        if team:
            url, button = _verb(team, "default-schedule"), "Make a weekly schedule"
    elif nobody := schedules_without_anybody(now):
        missing = f"Nobody is on call now in {_names(nobody)}: fill the gap."
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


def _policy(facts: Facts, team: Team | None, outlook: escalation.Outlook) -> Step:
    missing = ""
    url, button = reverse("admin:escalation_escalationpolicy_changelist"), "See the policies"
    if not facts.has["policy"]:
        missing = "Say who is asked next when the first one does not answer."
        if team:
            url, button = _verb(team, "default-policy"), "Make a policy"
    elif facts.has["uncovered"]:
        bare = list(uncovered_services().select_related("team").order_by("name"))
        missing = f"No policy applies to {_names(bare)}: assign one."
        url, button = _verb(bare[0].team, "default-policy"), f"Make one for {bare[0].team}"
    elif outlook.holes:
        missing = f"{outlook.holes[0]} Change the level, or fill the gap."
        policy = outlook.holes[0].policy_id
        url = reverse("admin:escalation_escalationpolicy_change", args=[policy])
        button = "See the policy"
    return Step(
        name="An escalation policy",
        why="If somebody does not answer, the next one is asked, until somebody does.",
        missing=missing,
        url=url,
        button=button,
        is_told_by_ladders=facts.has["policy"] and not facts.has["uncovered"],
    )


def _service(facts: Facts, team: Team | None) -> Step:
    return Step(
        name="A service",
        why="What can break; an incident is always about one, and its team answers.",
        missing="" if facts.has["service"] else "Add the first thing that people rely on.",
        url=_to("admin:incidents_service_add", team=team.pk if team else ""),
        button="Add a service",
    )


def _source(facts: Facts, team: Team | None) -> Step:
    return Step(
        name="A source of alerts",
        why="Your monitor reports here; a ready curl line comes with the key.",
        missing="" if facts.has["source"] else "Add your monitor and copy its key: shown once.",
        url=_to("admin:alerts_source_add", team=team.pk if team else ""),
        button="Add a source",
    )


def ways(facts: Facts) -> list[Step]:
    """What only whoever runs the server can set; pages may go out without it, some other way."""
    mail = "Set SMTP_HOST (SMTP_USER, SMTP_PASSWORD)"
    mail += ": some are to be paged by e-mail." if facts.has["mail_contact"] else "."
    return [
        Step(
            name="Mail",
            why="Invitations and pages by e-mail need a mail server.",
            missing="" if settings.SMTP_HOST else mail,
            url="",
            button="",
            is_optional=True,
        ),
        Step(
            name="Public address",
            why="The links in pages lead there; without it, to this machine only.",
            missing=""
            if settings.PUBLIC_URL != settings.LOCAL_URL
            else "Set PUBLIC_URL to the address that people's phones can reach.",
            url="",
            button="",
            is_optional=True,
        ),
    ]


def _page(facts: Facts) -> Step:
    return Step(
        name=PAGE_ME,
        why="The proof: an alert becomes an incident, the incident a page, and you answer it.",
        missing="" if facts.has["answer"] else "Have yourself paged, and acknowledge the page.",
        url=f"{reverse('admin:index')}#page-me",
        button="Page me now",
    )


def _to(name: str, **known: object) -> str:
    """A form with what is known already filled in."""
    given = {key: value for key, value in known.items() if value}
    return f"{reverse(name)}?{urlencode(given)}" if given else reverse(name)


def _verb(team: Team, name: str) -> str:
    return reverse("admin:incidents_team_verb", args=[team.pk, name])


def _names(rows: Iterable[Schedule | Service | User]) -> str:
    names = [str(row) for row in rows]
    more = len(names) - MOST_NAMES
    told = names if more <= 0 else [*names[:MOST_NAMES], f"{more} more"]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
