"""Guessing passwords is slow, and a stranger's guesses never lock out who is on call.

After OWASP's "device cookies": a browser that has logged in to an account before is counted by
itself; all others together by the account, and by the address that they come from.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from incidents.core.errors import DomainError
from incidents.core.models import LoginAttempt, User
from incidents.timers import clock

WINDOW = timedelta(minutes=15)
FROM_ADDRESS = 20
ON_ACCOUNT = 10
FROM_DEVICE = 10
LETTERS = 3
LETTERS_FROM_ADDRESS = 10
KEPT = timedelta(days=1)
# In place of a device: asking for a link is counted apart from guessing.
LETTER = "letter"


class TooMany(DomainError):
    """Refused before any password is looked at; `wait`: how long until it may be tried again."""

    def __init__(self, wait: timedelta) -> None:
        self.wait = wait
        minutes = -(-int(wait.total_seconds()) // 60)
        when = "a minute" if minutes <= 1 else f"{minutes} minutes"
        super().__init__(f"Too many attempts. Try again in {when}.", code="too_many")


@dataclass(frozen=True)
class Visitor:
    """Who tries: the account as `account_key` gives it, where from, and on which known device."""

    account: str
    address: str | None
    device: str = ""


def account_key(user: User | None, typed: str) -> str:
    """What stands for an account. A name that nobody has is counted like any other."""
    return _digest(f"user:{user.pk}" if user else f"name:{typed.strip().casefold()}")


def device_key(secret: str) -> str:
    return _digest(f"device:{secret}")


def begin_attempt(visitor: Visitor) -> LoginAttempt:
    """Count a try before the password is looked at; raises TooMany.

    It is written down first and counted again afterwards, so that a hundred tries at once are
    judged like a hundred in a row. Take it back by `forgive` when the password was right.
    """
    _refuse(visitor, allowed=0)
    attempt = _note(visitor)
    try:
        _refuse(visitor, allowed=1)
    except TooMany:
        attempt.delete()
        raise
    return attempt


def forgive(attempt: LoginAttempt) -> None:
    """The password was right: what this browser got wrong before is forgotten, and what is old."""
    own = LoginAttempt.objects.filter(account=attempt.account, device=attempt.device)
    (own if attempt.device else own.filter(address=attempt.address)).delete()
    LoginAttempt.objects.filter(at__lt=clock.now() - KEPT).delete()


def count_letter(visitor: Visitor) -> bool:
    """Whether one more link may be mailed for this account. Raises TooMany for the address."""
    letters = LoginAttempt.objects.filter(device=LETTER)
    now = clock.now()
    here = letters.filter(address=visitor.address)
    if visitor.address and (until := _full(here, LETTERS_FROM_ADDRESS, now)):
        raise TooMany(until - now)
    few = _full(letters.filter(account=visitor.account), LETTERS, now) is None
    _note(Visitor(visitor.account, visitor.address, LETTER))
    return few


def _refuse(visitor: Visitor, *, allowed: int) -> None:
    """Raises TooMany when a limit is reached. `allowed`: how many of the tries are one's own."""
    now = clock.now()
    on_account = LoginAttempt.objects.filter(account=visitor.account, device=visitor.device)
    limits = [(on_account, FROM_DEVICE if visitor.device else ON_ACCOUNT)]
    if not visitor.device and visitor.address:
        strangers = LoginAttempt.objects.filter(address=visitor.address, device="")
        limits.append((strangers, FROM_ADDRESS))
    until = [end for tries, most in limits if (end := _full(tries, most + allowed, now))]
    if until:
        raise TooMany(max(until) - now)


def _full(tries: QuerySet[LoginAttempt], most: int, now: datetime) -> datetime | None:
    """When there will be fewer than `most` in the window; None: there are fewer already."""
    recent = tries.filter(at__gt=now - WINDOW).order_by("-at").values_list("at", flat=True)
    oldest = recent[most - 1 : most].first()
    return oldest + WINDOW if oldest else None


def _note(visitor: Visitor) -> LoginAttempt:
    return LoginAttempt.objects.create(
        account=visitor.account, address=visitor.address, device=visitor.device, at=clock.now()
    )


def _digest(value: str) -> str:
    # Keyed: names and addresses behind a plain hash could be guessed from the table.
    return salted_hmac("incidents.core.throttle", value, algorithm="sha256").hexdigest()
