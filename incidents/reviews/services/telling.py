"""What people are told of action items: one message a day and team, not one for each item.

What is about a private incident goes in a message of its own, which belongs to that incident: all
else could be read in the list of deliveries by anybody.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from django.conf import settings

from incidents.core.models import Incident, Team, User
from incidents.notifications import services as notifications
from incidents.notifications.services import Link, MessageOrder
from incidents.reviews import rules
from incidents.reviews.daily import Crew, Duty, Occasion, Round, Told, is_overdue, week_of
from incidents.reviews.models import ActionItem, Telling

if TYPE_CHECKING:
    from incidents.reviews.services.working import Desk

MOST_LINES = 20
# In the order in which they are told, with what stands above each, and its short form.
HEADINGS = {
    Occasion.SUSPECTED: ("It happened again although this was done. Did it fail?", "to judge"),
    Occasion.UNCLAIMED: ("Still nobody owns these", "without an owner"),
    Occasion.UNOWNED: ("Nobody owns these, so they are overdue from the first day on", "to give"),
    Occasion.OVERDUE: ("Overdue, and told to you as you answer for them", "overdue"),
    Occasion.DUE: ("Due", "due"),
    Occasion.SOON: ("Due soon", "due soon"),
    Occasion.UNPROVEN: ("Done, and nobody has shown that it helped", "unproven"),
    Occasion.EVIDENCE: ("Done: did it help? Write down what shows it", "to be shown to help"),
}


@dataclass(frozen=True)
class Letter:
    """A message to one person, before anybody has looked up an address."""

    person: int
    cause: str
    subject: str
    body: str
    incident: Incident | None = None


def own_items_address() -> str:
    """Where everybody finds their own items, on a phone too."""
    return f"{settings.PUBLIC_URL}/i/action-items/"


# --- The daily work -------------------------------------------------------------------------------


def daily_letters(
    team: Team, today: date, notices: Sequence[tuple[int, Told]], desk: "Desk"
) -> list[Letter]:
    """One a person, and one more for each private incident."""
    bundles: dict[tuple[int, int], dict[Occasion, list[ActionItem]]] = defaultdict(dict)
    for pk, (occasion, _, person) in notices:
        item = desk.items[pk]
        about = item.incident_id if item.incident.is_private else 0
        bundles[person, about].setdefault(occasion, []).append(item)
    return [
        _daily_letter(team, today, person, said, is_private=bool(about))
        for (person, about), said in bundles.items()
    ]


def _daily_letter(
    team: Team,
    today: date,
    person: int,
    said: dict[Occasion, list[ActionItem]],
    *,
    is_private: bool,
) -> Letter:
    counts = [
        f"{len(said[occasion])} {short}"
        for occasion, (_, short) in HEADINGS.items()
        if occasion in said
    ]
    parts = [
        "\n".join([f"{heading}:", *_lines(said[occasion], today)])
        for occasion, (heading, _) in HEADINGS.items()
        if occasion in said
    ]
    first = next(iter(said.values()))[0]
    return Letter(
        person=person,
        cause=f"action-items:{team.pk}:{today}",
        subject=f"Action items of {team}: {', '.join(counts)}",
        body="\n\n".join(parts),
        incident=first.incident if is_private else None,
    )


def weekly_letters(team: Team, today: date, desk: "Desk") -> list[Letter]:
    """Where the team stands, to everybody who works in it; titles of private ones are left out."""
    calendar, duties = desk.calendars[team.pk], desk.duties[team.pk]
    overdue = [duty for duty in duties if is_overdue(duty, calendar, today)]
    open_ones = [duty for duty in duties if duty.is_pending]
    unproven = sum(duty.prove_on is not None and today >= duty.prove_on for duty in duties)
    again = sum(duty.suspected_on is not None for duty in duties)
    counts = [
        f"{len(open_ones)} open, {len(overdue)} of them overdue",
        f"{desk.finished.get(team.pk, 0)} done within a week",
        *([f"{unproven} to be shown to have helped"] if unproven else []),
        *([f"{again} suspected not to have helped"] if again else []),
    ]
    shown = [desk.items[duty.pk] for duty in overdue if duty.audience is None]
    lines = ["Overdue:", *_lines(shown, today)] if shown else []
    hidden = len(overdue) - len(shown)
    lines += [f"- {hidden} of private incidents"] if hidden else []
    body = "\n".join([f"{'; '.join(counts)}.", *(["", *lines] if lines else [])])
    return [
        Letter(
            person=person,
            cause=f"action-items-week:{team.pk}:{week_of(today)}",
            subject=f"Week of {team}: {counts[0]}",
            body=body,
        )
        for person in desk.crew.members.get(team.pk, ())
    ]


def send(letters: Iterable[Letter], desk: "Desk", *, now: datetime) -> None:
    """Queue them; of whom nothing reaches, an administrator hears."""
    letters = list(letters)
    orders = [_order(letter, desk.people[letter.person]) for letter in letters]
    unreached = notifications.message_many(orders, now)
    lost = {order.to.pk: order for order in unreached if isinstance(order.to, User)}
    _tell_administrators(list(lost.values()), desk, now)


def _tell_administrators(lost: Sequence[MessageOrder], desk: "Desk", now: datetime) -> None:
    notifications.message_many(
        [
            MessageOrder(
                to=desk.people[administrator],
                cause=f"{order.cause}:for:{order.to.pk}",
                subject=f"{order.to} cannot be reached. {order.subject}",
                body=f"No address of {order.to} works. The message was:\n\n{order.body}",
                incident=order.incident,
                links=order.links,
            )
            for order in lost
            if isinstance(order.to, User)
            for administrator in desk.crew.administrators
            if administrator != order.to.pk
        ],
        now,
    )


def _order(letter: Letter, person: User) -> MessageOrder:
    return MessageOrder(
        to=person,
        cause=letter.cause,
        subject=letter.subject[:300],
        body=letter.body,
        incident=letter.incident,
        links=[Link("Your action items", own_items_address())],
    )


def _lines(items: Sequence[ActionItem], today: date) -> list[str]:
    shown = [f"- {_line(item, today)}" for item in items[:MOST_LINES]]
    more = len(items) - len(shown)
    return [*shown, *([f"- and {more} more"] if more > 0 else [])]


def _line(item: ActionItem, today: date) -> str:
    """E.g. "Rotate logs (INC-…, high, due 2026-03-09, 3 days ago)"."""
    facts = [item.incident.reference, str(item.priority)]
    if item.is_pending:
        late = (today - item.due_on).days
        ago = f", {late} day{'s' if late > 1 else ''} ago" if late > 0 else ""
        facts.append(f"due {item.due_on}{ago}")
    return f"{item.title} ({', '.join(facts)})"


# --- At once --------------------------------------------------------------------------------------


def tell_new_owner(item: ActionItem, *, actor: User | None, now: datetime) -> None:
    """It is theirs from now on; whoever took it on alone knows."""
    owner = item.owner
    if owner is None or owner == actor:
        return
    required = " The review cannot be closed without it." if item.is_required else ""
    notifications.message(
        owner,
        cause=f"action-item:{item.pk}:{now.isoformat()}",
        subject=f"Yours to do by {item.due_on}: {item.title} ({item.incident.reference})",
        body=f"{item.title}\n{item.get_kind_display()}, {item.priority} priority, "
        f"due {item.due_on}.{required}\n{item.detail}".strip(),
        incident=item.incident,
        links=[Link("Your action items", own_items_address())],
    )
    remember_told([item], now=now)


def tell_heirs(items: Sequence[ActionItem], user: User, *, now: datetime) -> None:
    """What was somebody's who was deactivated is theirs from now on; one message each."""
    mine: dict[tuple[User, int], list[ActionItem]] = defaultdict(list)
    for item in items:
        if item.owner is not None:
            about = item.incident_id if item.incident.is_private else 0
            mine[item.owner, about].append(item)
    notifications.message_many(
        [
            MessageOrder(
                to=heir,
                cause=f"action-items-of:{user.pk}:{now.isoformat()}",
                subject=f"{user} was deactivated: {len(theirs)} action "
                f"{'item is' if len(theirs) == 1 else 'items are'} yours now",
                body="\n".join(["Do them, or give them to somebody:", *_lines(theirs, now.date())]),
                incident=theirs[0].incident if about else None,
                links=[Link("Your action items", own_items_address())],
            )
            for (heir, about), theirs in mine.items()
        ],
        now,
    )
    remember_told([item for item in items if item.owner is not None], now=now)


def remember_told(items: Sequence[ActionItem], *, now: datetime) -> None:
    """Their owners know by now when they are due: what the daily work would say today is said."""
    calendars = rules.calendars_of({item.team for item in items})
    told = []
    for item in items:
        calendar = calendars[item.team_id]
        work = Round(item.team_id, rules.day_in(calendar, now), calendar, Crew())
        duty = Duty(pk=item.pk, due_on=item.due_on, owner=item.owner_id)
        told += [
            Telling(item=item, occasion=occasion.value, day=day, person_id=person, at=now)
            for occasion, day, person in (work.tellings(duty) if item.is_pending else [])
        ]
    Telling.objects.bulk_create(told, ignore_conflicts=True)
