"""What the verbs of this room say when they decline, beyond core's errors."""

from typing import Any

from incidents.core.errors import Refused


class Stale(Refused):
    """Somebody else wrote meanwhile: nothing was changed, and both texts are given.

    `yours`: what was sent; `theirs`: what is stored now, by the same names; `version`: with which
    it can be sent again.
    """

    def __init__(
        self,
        message: str,
        *,
        state: str,
        version: int,
        yours: dict[str, Any],
        theirs: dict[str, Any],
    ) -> None:
        super().__init__(message, state=state, code="stale")
        self.version, self.yours, self.theirs = version, yours, theirs
