"""What a sender holds in its hands."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from incidents.notifications.decisions import Fate
from incidents.notifications.lanes import provider_of
from incidents.notifications.models import Delivery


@dataclass(frozen=True)
class Parcel:
    """A delivery that this process holds by `lease`, and what is to become of it.

    `others`: what goes in the same message, under its key. `until`: when one that is not sent yet
    is looked at again.
    """

    delivery: Delivery
    lease: uuid.UUID
    fate: Fate
    reason: str = ""
    reference: str = ""
    attempt_id: int | None = None
    takes_slot: bool = True
    others: "tuple[Parcel, ...]" = ()
    until: datetime | None = None

    @property
    def provider(self) -> str:
        return provider_of(self.delivery.address)

    @property
    def all(self) -> "tuple[Parcel, ...]":
        """Itself and what goes with it."""
        return (self, *self.others)
