"""How lists of this room are narrowed."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.admin import ChoicesFieldListFilter

from incidents.notifications.addresses import DEMO


class KindFilter(ChoicesFieldListFilter):
    """The ways out; those for demos and tests only where they are switched on."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        hidden = set() if settings.DEMO_TRANSPORTS else {kind.label for kind in DEMO}
        return (choice for choice in super().choices(changelist) if choice["display"] not in hidden)
