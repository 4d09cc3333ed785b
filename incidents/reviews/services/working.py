"""The daily work: one timer a team, all teams of a batch together, in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from incidents.core.calendar import WorkingCalendar
from incidents.core.models import Incident, Membership, Role, Team, User
from incidents.reviews import rules
from incidents.reviews.daily import Crew, Duty, Occasion, Round, Told, on_or_after, week_of
from incidents.reviews.models import ActionItem, Suspicion, Telling
from incidents.reviews.services import telling
from incidents.timers import services as timers
from incidents.timers.engine import Due
from incidents.timers.models import Timer

DAY = "reviews.action_items"
SEEN = ["pk", "title", "team", "owner", "owning_team", "due_on", "waits_since", "prove_on", "state"]


def await_day(team: Team, *, now: datetime) -> None:
    """Have the team's next working day done, unless it is awaited already.

    The team is locked: its day, which may just be ending for lack of work, is waited for.
    """
    Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    if Timer.objects.pending().of(team).filter(kind=DAY).exists():
        return
    calendar = rules.calendars_of([team])[team.pk]
    due_at = next_opening(calendar, now)
    week = week_of(rules.day_in(calendar, now))
    timers.schedule(DAY, team, due_at=due_at, payload={"week": week})


def next_opening(calendar: WorkingCalendar, now: datetime) -> datetime:
    """When the next working day after this one begins."""
    today = rules.day_in(calendar, now)
    day = on_or_after(calendar, today + timedelta(days=1))
    return datetime.combine(day, calendar.opens, ZoneInfo(calendar.zone))


def do_day(due: Sequence[Due], *, now: datetime) -> None:
    """What is due for these teams today is told; who has nothing left to do has no next day.

    1. Everything is read at once: items, what was told of them, who is there.
    2. Each team's day is decided (`daily`, pure).
    3. People get one message a team, and on the first working day of a week what stands there.
    """
    desk = Desk.read([one.subject for one in due], now)
    letters: list[telling.Letter] = []
    told: list[Telling] = []
    wanted: list[timers.Wanted] = []
    for one in due:
        team: Team = one.subject
        duties = desk.duties[team.pk]
        if not duties:
            continue
        calendar = desk.calendars[team.pk]
        today = rules.day_in(calendar, now)
        week, last = week_of(today), one.timer.payload.get("week", "")
        if calendar.is_working_day(today):
            notices = desk.decide(team, today)
            letters += telling.daily_letters(team, today, notices, desk)
            told += [_telling(pk, known, now) for pk, known in notices]
            if week != last:
                letters += telling.weekly_letters(team, today, desk)
                last = week
        wanted.append(timers.Wanted(DAY, team, next_opening(calendar, now), payload={"week": last}))
    Telling.objects.bulk_create(told, ignore_conflicts=True)
    telling.send(letters, desk, now=now)
    timers.schedule_many(wanted, now=now)


def _telling(item: int, told: Told, now: datetime) -> Telling:
    occasion, day, person = told
    return Telling(item_id=item, occasion=occasion.value, day=day, person_id=person, at=now)


@dataclass
class Desk:
    """All that is known of some teams' items and people."""

    duties: dict[int, list[Duty]]
    items: dict[int, ActionItem]
    crew: Crew
    people: dict[int, User]
    calendars: dict[int, WorkingCalendar]
    now: datetime
    finished: dict[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, teams: Sequence[Team], now: datetime) -> "Desk":
        """Nine queries, however many teams and items there are."""
        items = _items_of(teams)
        crew, people = _crew_of(items.values())
        told, suspected = _told_of(teams), _suspected_of(teams)
        audiences = _audiences_of(items.values())
        duties: dict[int, list[Duty]] = defaultdict(list)
        for item in items.values():
            owner = item.owner_id if item.owner_id in people else None
            lost = item.owner_id is not None and owner is None
            duties[item.team_id].append(
                Duty(
                    pk=item.pk,
                    due_on=item.due_on,
                    owner=owner,
                    owning_team=item.owning_team_id,
                    waits_since=item.due_on if lost else item.waits_since,
                    prove_on=item.prove_on if item.state == ActionItem.State.DONE else None,
                    is_pending=item.is_pending,
                    suspected_on=suspected.get(item.pk),
                    audience=audiences.get(item.incident_id),
                    told=frozenset(told.get(item.pk, ())),
                )
            )
        calendars = rules.calendars_of(teams)
        return cls(duties, items, crew, people, calendars, now, _finished_of(teams, now))

    def decide(self, team: Team, today: date) -> list[tuple[int, Told]]:
        """(item, what is told to whom) of this team's day."""
        work = Round(team.pk, today, self.calendars[team.pk], self.crew)
        return [(duty.pk, told) for duty in self.duties[team.pk] for told in work.tellings(duty)]


def _items_of(teams: Sequence[Team]) -> dict[int, ActionItem]:
    rows = ActionItem.objects.alive().filter(team__in=teams).order_by("due_on", "pk")
    seen = rows.select_related("incident").only(
        *SEEN, "incident__reference", "incident__is_private", "is_suspected", "priority"
    )
    return {item.pk: item for item in seen}


def _crew_of(items: Iterable[ActionItem]) -> tuple[Crew, dict[int, User]]:
    """Those who work in teams or own one of the items, and the administrators."""
    owners = {item.owner_id for item in items} - {None}
    rows = Membership.objects.filter(user__is_active=True).exclude(role=Role.VIEWER)
    held: list[tuple[int, int, str]] = list(
        rows.order_by("pk").values_list("team_id", "user_id", "role")
    )
    managers: dict[int, list[int]] = defaultdict(list)
    members: dict[int, list[int]] = defaultdict(list)
    home: dict[int, set[int]] = defaultdict(set)
    for team, user, role in held:
        members[team].append(user)
        home[user].add(team)
        if role == Role.MANAGER:
            managers[team].append(user)
    administrators = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
    found = {user.pk: user for user in administrators}
    crew = Crew(
        managers={team: tuple(users) for team, users in managers.items()},
        members={team: tuple(users) for team, users in members.items()},
        administrators=tuple(found),
        teams={user: frozenset(places) for user, places in home.items()},
    )
    wanted = {user for _, user, _ in held} | owners
    active = User.objects.filter(is_active=True).in_bulk(list(wanted)) if wanted else {}
    return crew, found | active


def _told_of(teams: Sequence[Team]) -> dict[int, set[Told]]:
    rows = Telling.objects.filter(item__in=ActionItem.objects.alive().filter(team__in=teams))
    found: dict[int, set[Told]] = defaultdict(set)
    for item, occasion, day, person in rows.values_list("item", "occasion", "day", "person"):
        found[item].add((Occasion(occasion), day, person))
    return found


def _suspected_of(teams: Sequence[Team]) -> dict[int, date]:
    """The day of the latest suspicion that nobody has judged."""
    rows = Suspicion.objects.filter(item__team__in=teams, verdict=Suspicion.Verdict.OPEN)
    return {item: at.date() for item, at in rows.order_by("at").values_list("item_id", "at")}


def _audiences_of(items: Iterable[ActionItem]) -> dict[int, frozenset[int]]:
    """By incident: who may know of the private ones."""
    private = {item.incident_id for item in items if item.incident.is_private}
    found: dict[int, set[int]] = {pk: set() for pk in private}
    if private:
        rows = Incident.audience.through.objects.filter(incident_id__in=private)
        for incident, user in rows.values_list("incident_id", "user_id"):
            found[incident].add(user)
    return {pk: frozenset(people) for pk, people in found.items()}


def _finished_of(teams: Sequence[Team], now: datetime) -> dict[int, int]:
    """By team: how many were done within the last week."""
    rows = ActionItem.objects.filter(team__in=teams, done_at__gt=now - timedelta(weeks=1))
    found: dict[int, int] = defaultdict(int)
    for team in rows.values_list("team_id", flat=True):
        found[team] += 1
    return found


def managers_of(teams: Iterable[int], *, but: User | None = None) -> dict[int, list[User]]:
    """By team: its active managers, in the order in which they came."""
    rows = Membership.objects.filter(team__in=list(teams), role=Role.MANAGER, user__is_active=True)
    found: dict[int, list[User]] = defaultdict(list)
    for held in rows.exclude(user=but).select_related("user").order_by("pk"):
        found[held.team_id].append(held.user)
    return found
