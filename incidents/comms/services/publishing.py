"""Telling an audience where an incident stands: written, sent, recorded, and the next promised."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.template.loader import render_to_string

from incidents.comms import language, letters, section, snapshot
from incidents.comms.facts import Words, headline_of, values_of
from incidents.comms.letters import DRAFTS, ESCALATION
from incidents.comms.models import Audience, Occasion, StatusUpdate
from incidents.comms.recipients import Recipients, recipients_of
from incidents.comms.services import cadence, customers, public
from incidents.comms.services.asking import incident_address
from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Kind, User
from incidents.notifications import services as notifications
from incidents.notifications.services import Address, Link, MessageOrder
from incidents.timers import clock

LONGEST = {"known": 4_000, "done": 4_000, "next": 4_000, "eta": 200, "headline": 200}
NAMES = {"known": "What is known", "done": "What was done", "next": "What comes next"}
WRITTEN = ["known", "done", "next", "eta"]
ONE_PRESS = timedelta(minutes=1)
OVER = {Occasion.RESOLUTION, Occasion.ALL_CLEAR, Occasion.APOLOGY}


@dataclass(frozen=True)
class Draft:
    """An update as it would be sent now, and to how many."""

    occasion: str
    number: int
    status: str
    subject: str
    text: str
    html: str
    public_text: str
    next_due_at: datetime | None
    recipients: Recipients


@dataclass(frozen=True)
class Wish:
    """Who wants to tell whom what; `actor` None: it happens by itself. `occasion` "": what fits."""

    incident: Incident
    audience: str
    words: Words
    actor: User | None
    now: datetime
    occasion: str = ""


def preview(
    incident: Incident,
    *,
    actor: User | None,
    audience: str,
    known: str = "",
    done: str = "",
    next: str = "",
    eta: str = "",
    headline: str = "",
    occasion: str = "",
    reason: str = "",
    requesting: str = "",
) -> Draft:
    """How an update would read. Writes nothing; what is missing reads as not known yet."""
    words = Words(known, done, next, eta, headline, reason, requesting)
    _require_known(audience, occasion, DRAFTS)
    return _draft(Wish(incident, audience, words, actor, clock.now(), occasion))


@transaction.atomic
def publish_update(
    incident: Incident,
    *,
    actor: User,
    audience: str,
    known: str,
    done: str = "",
    next: str = "",
    eta: str = "",
    headline: str = "",
    occasion: str = "",
) -> StatusUpdate:
    """Tell this audience; the next update is due one turn later.

    The same words again within a minute, by a second press or a repeated request, are told once.
    Nothing about a drill leaves the house. Raises DomainError for an unknown audience or an
    occasion that does not fit, Refused for an external update about a private incident.
    """
    _require_known(audience, occasion, Occasion.values)
    words = _cleaned(Words(known, done, next, eta, headline))
    incident = core.lock(incident)
    _require_public(incident, audience)
    if not incident.is_open and occasion and Occasion(occasion) not in OVER:
        raise DomainError("It is over: write a resolution, or an all-clear.", field="occasion")
    if incident.is_open and occasion and Occasion(occasion) in OVER:
        raise DomainError("It is not over yet: write an update.", field="occasion")
    now = clock.now()
    said = StatusUpdate.objects.of(incident, audience).first()
    wish = Wish(incident, audience, words, actor, now, occasion)
    if said is not None and _is_repeated(said, wish):
        return said
    update = _store(wish)
    if audience == Audience.EXTERNAL:
        customers.told(incident, actor=actor, now=now)
        if public.name(incident, words.headline) is not None:
            transaction.on_commit(snapshot.keep, robust=True)
    return update


def _is_repeated(said: StatusUpdate, wish: Wish) -> bool:
    """Whether the same person just said the same, of an incident that stands as it stood."""
    incident, words = wish.incident, wish.words
    if wish.actor is None or said.author_id != wish.actor.pk or wish.now - said.at > ONE_PRESS:
        return False
    return (
        all(getattr(said, name) == getattr(words, name) for name in WRITTEN)
        and words.headline in {"", headline_of(incident)}
        and wish.occasion in {"", said.occasion}
        and (Occasion(said.occasion) in OVER) is not incident.is_open
    )


def tell_colleagues(incident: Incident, *, known: str, now: datetime) -> StatusUpdate | None:
    """What happens by itself at the beginning and at the end, where somebody is to be told."""
    if not recipients_of(incident, Audience.INTERNAL):
        return None
    words = Words(known=known[: LONGEST["known"]])
    return _store(Wish(incident, Audience.INTERNAL, words, None, now))


def _store(wish: Wish) -> StatusUpdate:
    draft, words = _draft(wish), wish.words
    due_at = cadence.promised(wish.incident, wish.audience) if wish.actor else None
    update = StatusUpdate.objects.create(
        incident=wish.incident,
        audience=wish.audience,
        number=draft.number,
        occasion=draft.occasion,
        status=draft.status,
        **{name: getattr(words, name) for name in WRITTEN},
        author=wish.actor,
        at=wish.now,
        due_at=due_at,
        next_due_at=cadence.promise(wish.incident, wish.audience, wish.now),
        subject=draft.subject,
        text=draft.text,
        html=draft.html,
        public_text=draft.public_text,
        recipients=len(draft.recipients),
    )
    _send(update, draft.recipients)
    _record(update)
    return update


def _draft(wish: Wish) -> Draft:
    incident, audience = wish.incident, wish.audience
    said = section.of(incident.revision)
    told = StatusUpdate.objects.of(incident, audience)
    last = told.aggregate(last=Max("number"))["last"] or 0
    occasion = wish.occasion or _occasion(incident, audience, is_first=last == 0)
    rhythm = cadence.rhythm_of(incident, audience) if incident.is_open else None
    next_due_at = wish.now + rhythm.every if rhythm else None
    values = values_of(
        incident,
        said,
        audience=audience,
        words=wish.words,
        now=wish.now,
        number=last + 1,
        author=wish.actor,
        next_due_at=next_due_at,
    )
    letter = letters.write(said, audience, occasion, values, whole=wish.actor is not None)
    is_outside = audience == Audience.EXTERNAL
    return Draft(
        occasion=occasion,
        number=last + 1,
        status=values["status"],
        subject=letter.subject,
        text=letter.text,
        html=_html(incident, audience, letter, values),
        public_text=letters.write_public(said, values) if is_outside else "",
        next_due_at=next_due_at,
        recipients=recipients_of(incident, audience),
    )


def _occasion(incident: Incident, audience: str, *, is_first: bool) -> str:
    if not incident.is_open:
        return Occasion.ALL_CLEAR if audience == Audience.EXTERNAL else Occasion.RESOLUTION
    return Occasion.INITIAL if is_first else Occasion.UPDATE


def _html(incident: Incident, audience: str, letter: letters.Draft, values: dict[str, str]) -> str:
    context = {
        "subject": letter.subject,
        "body": language.as_html(letter.text),
        "label": incident.label,
        "status": values["status"],
        "severity": values["severity"] if audience == Audience.INTERNAL else "",
        "is_over": not incident.is_open,
        "rank": incident.severity,
        "link": _link(incident, audience),
        "updated": values["updated"],
    }
    return render_to_string("comms/letter.html", context)


def _link(incident: Incident, audience: str) -> Link:
    if audience == Audience.INTERNAL:
        return Link("Open the incident", incident_address(incident))
    return Link("Status page", f"{settings.PUBLIC_URL}/status/")


def _send(update: StatusUpdate, recipients: Recipients) -> None:
    incident = update.incident
    order = MessageOrder(
        to=User(),
        cause=f"update:{update.pk}",
        subject=update.subject,
        body=update.text,
        incident=incident,
        links=[_link(incident, update.audience)],
        html=update.html,
    )
    everybody: list[User | Address] = [*recipients.people, *recipients.addresses]
    notifications.message_many([replace(order, to=one) for one in everybody], update.at)


def _record(update: StatusUpdate) -> None:
    told = f"{update.get_audience_display()} update {update.number}: {update.known}"
    late = "" if update.is_on_time is not False else " It came later than promised."
    core.record(
        update.incident,
        Kind.UPDATE_PUBLISHED,
        actor=update.author,
        at=update.at,
        summary=f"{told}{late}",
        data={
            "update": update.pk,
            "audience": update.audience,
            "number": update.number,
            "occasion": update.occasion,
            "on_time": update.is_on_time,
            "recipients": update.recipients,
        },
    )


def _require_known(audience: str, occasion: str, occasions: list[str]) -> None:
    if audience not in Audience.values:
        known = ", ".join(Audience.values)
        raise DomainError(f"{audience!r} is no audience; use one of {known}.", field="audience")
    if occasion and occasion not in occasions:
        known = ", ".join(occasions)
        raise DomainError(f"{occasion!r} is no occasion; use one of {known}.", field="occasion")
    if occasion == ESCALATION and audience == Audience.EXTERNAL:
        raise DomainError("An escalation is asked of colleagues.", field="audience")


def _require_public(incident: Incident, audience: str) -> None:
    if audience == Audience.EXTERNAL and incident.is_private:
        raise Refused(
            f"{incident.reference} is private: nothing about it is told outside from here.",
            state=incident.status,
            code="private",
        )


def _cleaned(words: Words) -> Words:
    facts = {}
    for name, longest in LONGEST.items():
        text = getattr(words, name).replace("\x00", "\N{REPLACEMENT CHARACTER}").strip()
        if len(text) > longest:
            what = NAMES.get(name, name)
            raise DomainError(f"{what} is longer than {longest} characters.", field=name)
        facts[name] = text
    if not facts["known"]:
        raise DomainError("What is known is missing: write it down.", field="known")
    return Words(**facts)
