"""I10, I11, I13: what came in is kept, what is over is over, and the story is whole."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, Q

from incidents.alerts.models import Alert
from incidents.core import services as core
from incidents.core.models import Incident, Kind, Status, TimelineEntry
from incidents.insights.audit.kinds import MOST_OFFENCES, Invariant, Offence, Scope
from incidents.notifications.models import Delivery
from incidents.timers.models import Timer

INCIDENT = Incident._meta.label_lower
OF_OPEN_ONES = Q(kind__startswith="escalation.") | Q(kind__in=["core.target", "core.snooze_end"])
STATES = {
    Kind.DECLARED: Status.INVESTIGATING,
    Kind.REOPENED: Status.INVESTIGATING,
    Kind.IDENTIFIED: Status.IDENTIFIED,
    Kind.MITIGATING: Status.MITIGATING,
    Kind.RESOLVED: Status.RESOLVED,
    Kind.DISMISSED: Status.RESOLVED,
    Kind.IMPORTED: Status.RESOLVED,
}
HOLDING = {
    Kind.ACKNOWLEDGED: True,
    Kind.SNOOZED: True,
    **dict.fromkeys([Kind.DECLARED, Kind.REOPENED, Kind.UNACKNOWLEDGED], False),
    **dict.fromkeys([Kind.ACKNOWLEDGEMENT_EXPIRED, Kind.SNOOZE_ENDED], False),
}


# --- I10 ------------------------------------------------------------------------------------------


def lost_alerts(scope: Scope) -> Iterator[Offence]:
    nowhere = Alert.objects.filter(incident=None, status=Alert.Status.FIRING)
    for pk, key in nowhere.values_list("pk", "dedup_key")[:MOST_OFFENCES]:
        yield Offence(f"alert:{pk}", f"{key} fires, and no incident came of it.")
    uncounted = Alert.objects.filter(scope.of_touched()).filter(
        Q(count__lt=1) | Q(last_at__lt=F("first_at"))
    )
    for pk, count in uncounted.values_list("pk", "count")[:MOST_OFFENCES]:
        yield Offence(f"alert:{pk}", f"It stands for {count} signals: they were counted wrongly.")
    heir = Alert.objects.filter(
        source=OuterRef("source"), dedup_key=OuterRef("dedup_key"), open_key__isnull=False
    )
    orphans = Alert.objects.filter(scope.of_touched(), open_key=None).exclude(Exists(heir))
    for pk, key in orphans.values_list("pk", "dedup_key")[:MOST_OFFENCES]:
        yield Offence(f"alert:{pk}", f"No row takes the further signals of {key}.")


# --- I11 ------------------------------------------------------------------------------------------


def not_over(_scope: Scope) -> Iterator[Offence]:
    closed = Incident.objects.filter(pk=OuterRef("subject_id"), status=Status.RESOLVED)
    timers = Timer.objects.pending().filter(OF_OPEN_ONES, Exists(closed), subject_type=INCIDENT)
    for pk, kind, incident in timers.values_list("pk", "kind", "subject_id")[:MOST_OFFENCES]:
        yield Offence(f"timer:{pk}", f"{kind} is to happen to incident {incident}, which is over.")
    # One that was just being sent when it ended may wait for an attempt that will not be made.
    pages = (
        Delivery.objects.alive()
        .pages()
        .filter(state=Delivery.State.PENDING, attempts=0, incident__status=Status.RESOLVED)
    )
    for page, incident in pages.values_list("pk", "incident_id")[:MOST_OFFENCES]:
        what = f"It is to be paged about incident {incident}, which is over."
        yield Offence(f"delivery:{page}", what)


# --- I13 ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Story:
    """What the entries of one incident say its state is."""

    declared: int = 0
    status: str = ""
    is_held: bool = False

    def add(self, kind: str, *, ends_here: bool) -> None:
        self.declared += kind in {Kind.DECLARED, Kind.IMPORTED}
        self.is_held = HOLDING.get(Kind(kind), self.is_held)
        self.status = Status.RESOLVED if ends_here else STATES.get(Kind(kind), self.status)


def broken_stories(scope: Scope) -> Iterator[Offence]:
    for guard in core.missing_guards():
        yield Offence(f"guard:{guard}", "This trigger is missing: history can be changed.")
    stories: dict[int, Story] = {}
    wanted = [*STATES, *HOLDING, Kind.MERGED]
    rows = TimelineEntry.objects.filter(scope.of_touched(), kind__in=wanted).order_by("pk")
    for incident, kind, of in rows.values_list("incident_id", "kind", "data__from").iterator():
        merged = kind == Kind.MERGED and of == incident
        stories.setdefault(incident, Story()).add(kind, ends_here=merged)
    facts = scope.incidents.values_list("pk", "reference", "status", "is_acknowledged")
    for pk, reference, status, is_held in facts.iterator():
        if what := _disagreement(stories.get(pk, Story()), status, is_held=is_held):
            yield Offence(f"incident:{pk}", f"{reference}: {what}")


def _disagreement(story: Story, status: str, *, is_held: bool) -> str:
    if story.declared != 1:
        return f"its timeline says {story.declared} times that it was declared."
    if story.status != status:
        return f"it is {status}, its timeline says {story.status}."
    if status != Status.RESOLVED and story.is_held != is_held:
        return "its timeline does not agree on whether somebody has it."
    return ""


INVARIANTS = [
    Invariant(
        "I10",
        "nothing that came in is lost",
        "Every alert that fires belongs to an incident, and every signal is counted.",
        "Declare an incident for it by hand if it still fires; report it.",
        lost_alerts,
    ),
    Invariant(
        "I11",
        "closed is closed",
        "Nothing is due any more for an incident that is resolved.",
        "Nothing is sent: it is judged again before that. Report it.",
        not_over,
    ),
    Invariant(
        "I13",
        "the story is whole",
        "History is guarded, and an incident is what its timeline says.",
        "Run manage.py migrate, which puts the guards up again; find out who changed the database.",
        broken_stories,
    ),
]
