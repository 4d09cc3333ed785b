"""What a verb says when it declines. Doors translate: 400, 403, 409."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Unmet:
    """One criterion that stands in the way of a transition, and what would satisfy it."""

    code: str
    message: str


class DomainError(Exception):
    """The request makes no sense as it is; the message says what to do instead."""

    def __init__(self, message: str, *, code: str = "invalid", field: str = "") -> None:
        super().__init__(message)
        self.message, self.code, self.field = message, code, field


class Forbidden(DomainError):
    """It makes sense, but this person may not do it."""


class Refused(DomainError):
    """The incident is not in a state where this can be done.

    `state`: where it stands; `allowed`: the states or moves possible from here; `unmet`: criteria
    that stand in the way.
    """

    def __init__(
        self,
        message: str,
        *,
        state: str,
        allowed: Sequence[str] = (),
        unmet: Sequence[Unmet] = (),
        code: str = "refused",
    ) -> None:
        super().__init__(message, code=code)
        self.state, self.allowed, self.unmet = state, list(allowed), list(unmet)
