"""Lists as people like to see them: their filters kept under a name."""

from urllib.parse import parse_qsl, urlencode

from django.db import transaction

from incidents.core.errors import DomainError
from incidents.core.models import SavedView, User
from incidents.core.services.recording import require_text

LONGEST_NAME, LONGEST_QUERY = 60, 1000
MOST_VIEWS = 30
# Where one had leafed to is no part of a view.
NOT_KEPT = {"p", "all", "_popup", "_changelist_filters"}


@transaction.atomic
def save_view(*, page: str, name: str, query: str, actor: User) -> SavedView:
    """Keep the filters in `query` under `name`; the same name again replaces what it had."""
    name = require_text(name, "The name", field="name", longest=LONGEST_NAME)
    kept = urlencode([pair for pair in parse_qsl(query) if pair[0] not in NOT_KEPT])
    if not kept:
        raise DomainError("Narrow the list first: there is nothing to keep.", field="query")
    if len(kept) > LONGEST_QUERY:
        raise DomainError("These are too many filters to keep.", field="query")
    others = actor.saved_views.filter(page=page).exclude(name=name)
    if others.count() >= MOST_VIEWS:
        raise DomainError(f"{MOST_VIEWS} are enough: forget one first.")
    view, _ = SavedView.objects.update_or_create(
        user=actor, page=page, name=name, defaults={"query": kept}
    )
    return view


def forget_view(view: SavedView, *, actor: User) -> None:
    """The filters go, the list stays. A view is its owner's."""
    SavedView.objects.filter(pk=view.pk, user=actor).delete()
