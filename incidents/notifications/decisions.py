"""What is decided about deliveries. Sees no clock, no chance and no database, only what it is told.

Where a person can be reached and in which order, what becomes of a delivery that is due, and what
follows a failed attempt.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from incidents.notifications.addresses import Address, Channel

MAX_CRASHES = 3
# A page goes on to the next address of its person after this long, however patient its caller is.
LONGEST_WITH_AN_ALTERNATIVE = timedelta(seconds=30)
# After the first, second … attempt. The first schedule is for people, who are waiting; the second
# is the one that the Standard Webhooks specification recommends.
PAGE_PAUSES = [timedelta(seconds=s) for s in (2, 5, 15, 30, 60)]
MESSAGE_PAUSES = [timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)]
MESSAGE_PAUSES += [timedelta(hours=h) for h in (2, 5, 10)]


@dataclass(frozen=True)
class Method:
    """A contact method: verified and active, or it is not in the list."""

    id: int
    address: Address
    position: int


@dataclass(frozen=True)
class Rule:
    """This method `delay` after the beginning, for one urgency."""

    method_id: int
    delay: timedelta


@dataclass(frozen=True)
class Route:
    """One address of a person. `delay` None: only when another one was given up."""

    address: Address
    method_id: int | None = None
    delay: timedelta | None = None


def routes(methods: Iterable[Method], rules: Iterable[Rule], *, account_email: str) -> list[Route]:
    """Every way to a person, in the order in which they are tried; empty: unreachable.

    Rules say which methods are used at once or after a delay; the other methods wait until one is
    given up. Without rules the first method is used. The soonest is used at once in any case.
    `account_email` is for people without any method; empty where no mail server is set up.
    """
    known = {m.id: m for m in sorted(methods, key=lambda m: (m.position, m.id))}
    if not known:
        address = Address(Channel.EMAIL, account_email)
        return [Route(address, None, timedelta(0))] if account_email else []
    order = [rule.method_id for rule in _soonest_first(rules, known)] or [next(iter(known))]
    delays = {rule.method_id: rule.delay for rule in rules if rule.method_id in known}
    # The method that was to be used at once may have been removed since the rules were made.
    delays[order[0]] = timedelta(0)
    rest = [method_id for method_id in known if method_id not in delays]
    return [
        Route(known[method_id].address, method_id, delays.get(method_id))
        for method_id in [*order, *rest]
    ]


def by_mail_first(ways: Sequence[Route]) -> list[Route]:
    """The same ways, for what only an e-mail can carry: at once by mail where there is any."""
    mailed = [way for way in ways if way.address.kind == Channel.EMAIL]
    if not mailed:
        return list(ways)
    rest = [replace(way, delay=None) for way in ways if way is not mailed[0]]
    return [replace(mailed[0], delay=timedelta(0)), *rest]


def _soonest_first(rules: Iterable[Rule], known: dict[int, Method]) -> list[Rule]:
    """The rules whose method can be used, soonest first."""
    usable = [rule for rule in rules if rule.method_id in known]
    return sorted(usable, key=lambda rule: (rule.delay, known[rule.method_id].position))


def next_route(ways: Sequence[Route], tried: Collection[str]) -> Route | None:
    """The first way whose address was not tried; None: nothing is left."""
    return next((way for way in ways if way.address.address not in tried), None)


def patience(given: timedelta, *, is_page: bool, alternatives: int) -> timedelta:
    """How long to try one address before the next one is."""
    return min(given, LONGEST_WITH_AN_ALTERNATIVE) if is_page and alternatives else given


class Fate(Enum):
    SEND = "send"
    CANCEL = "cancel"
    REROUTE = "reroute"
    GIVE_UP = "give up"
    LATER = "later"


@dataclass(frozen=True)
class Waiting:
    """A due delivery as it is found: what decides whether it is still to be sent.

    `epoch`, `incident_epoch`: None where it is bound to none. `address_valid`: the address is still
    the recipient's. `crashes`: attempts in a row of which nothing was heard again.
    """

    epoch: int | None
    incident_epoch: int | None
    incident_open: bool
    recipient_active: bool
    address_valid: bool
    crashes: int
    attempts: int
    give_up_at: datetime
    no_room: bool = False


def on_claim(waiting: Waiting, now: datetime) -> tuple[Fate, str]:
    """What becomes of a delivery whose moment has come, and why if it is not sent."""
    if void := _void(waiting):
        return Fate.CANCEL, void
    if not waiting.recipient_active:
        return Fate.REROUTE, "The recipient was deactivated."
    if not waiting.address_valid:
        return Fate.REROUTE, "The address is no longer in use."
    if hopeless := _hopeless(waiting, now):
        return Fate.GIVE_UP, hopeless
    return Fate.SEND, ""


def _void(waiting: Waiting) -> str:
    if waiting.epoch is None:
        return ""
    if not waiting.incident_open:
        return "The incident is resolved."
    if waiting.epoch != waiting.incident_epoch:
        return "The incident was acknowledged or has moved on."
    return ""


def _hopeless(waiting: Waiting, now: datetime) -> str:
    if waiting.crashes >= MAX_CRASHES:
        return f"Quarantined: it ended {waiting.crashes} senders in a row."
    # What waited while everything was down, or died in its sender's hands, gets its one attempt,
    # however late.
    if waiting.attempts > waiting.crashes and now >= waiting.give_up_at:
        return "It was tried for long enough."
    if waiting.no_room and now >= waiting.give_up_at:
        return "The line to this transport is too long."
    return ""


def after_failure(
    *,
    permanent: bool,
    retry_after: float | None,
    is_page: bool,
    attempts: int,
    give_up_at: datetime,
    now: datetime,
    jitter: float,
) -> datetime | None:
    """When to try again; None: give up now. `jitter` is a random number from 0 to 1.

    A wish of the other side to be left alone is honoured if it ends before `give_up_at`. A page is
    tried at its end; what can wait keeps its own growing pause as well, for a day of tries every
    few seconds helps nobody.
    """
    if permanent:
        return None
    pauses = PAGE_PAUSES if is_page else MESSAGE_PAUSES
    pause = pauses[min(attempts, len(pauses)) - 1] * jitter
    if retry_after is not None:
        wish = timedelta(seconds=min(max(retry_after, 1.0), 86_400.0))
        pause = wish if is_page else max(wish, pause)
    again = now + pause
    return again if again < give_up_at else None


# --- Told together --------------------------------------------------------------------------------

# While what tells of the others is still being sent, nobody knows when its minute begins.
LOOK_AGAIN = timedelta(seconds=2)
# One that waits never waits longer than the interval and this, whatever is told meanwhile.
GRACE = timedelta(seconds=15)


@dataclass(frozen=True)
class Told:
    """What a person was told at this address about this service. `at` None: just being sent.

    `rank`: how severe the incident is, 1 is worst.
    """

    incident: int
    rank: int
    at: datetime | None


@dataclass(frozen=True)
class Asking:
    """A due page that may wait to be told together with others.

    `patience`: how long its address is tried. `is_second_way`: another address of the person has
    failed before this one.
    """

    incident: int
    rank: int
    patience: timedelta
    waits_since: datetime | None = None
    is_second_way: bool = False


def waits_until(
    page: Asking, told: Collection[Told], *, interval: timedelta, now: datetime
) -> datetime | None:
    """When to look at this page again; None: it is sent now.

    A person who was told about other incidents of the service within the `interval`, none of them
    less severe, is told about this one when that is over. Not so a repeat of an incident that the
    person knows. Nor does it wait longer than its address would be tried: by then others are asked.
    """
    recent = [one for one in told if one.at is None or now - one.at < interval]
    if not interval or not recent or page.is_second_way:
        return None
    knows_it = any(one.incident == page.incident for one in told)
    if knows_it or page.rank < min(one.rank for one in recent):
        return None
    longest = (page.waits_since or now) + min(interval + GRACE, page.patience)
    if any(one.at is None for one in recent):
        until = min(now + LOOK_AGAIN, longest)
    else:
        until = min(max(one.at for one in recent if one.at is not None) + interval, longest)
    return until if until > now else None
