"""Whose action items are whose when people leave, or incidents turn out to be one."""

from collections.abc import Sequence
from datetime import datetime

from incidents.core.models import Incident, User
from incidents.reviews.models import ActionItem, ItemEntry, Review
from incidents.reviews.services import telling, working
from incidents.reviews.services.actions import may_see, today_of


def hand_over(user: User, *, actor: User | None, now: datetime) -> int:
    """Somebody was deactivated: what they own passes to their managers, who are told at once.

    To the first manager of the item's team; where it has none, it waits for an owner. Returns how
    many items.
    """
    held = (
        ActionItem.objects.alive().filter(owner=user).select_for_update(no_key=True, of=("self",))
    )
    items = list(held.select_related("team", "incident", "owner").order_by("pk"))
    _pass_on(items, f"{user} was deactivated.", actor=actor, now=now, but=user)
    telling.tell_heirs(items, user, now=now)
    return len(items)


def move_items(incident: Incident, into: Incident, *, now: datetime) -> int:
    """`incident` is a duplicate (both are locked): its open items are those of `into`.

    They stay where they are if more people would see them there. Whoever owns one and may not see
    it there hands it over to a manager who may; where there is none, it waits for an owner.
    Returns how many were moved.
    """
    if _is_seen_by_more(into, incident):
        return 0
    found = ActionItem.objects.pending().filter(incident=incident).select_related("team", "owner")
    items = list(found.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    review = Review.objects.filter(incident=into).first()
    for item in items:
        item.incident, item.review, item.why = into, review, None
    ActionItem.objects.bulk_update(items, ["incident", "review", "why"])
    lost = [item for item in items if item.owner and not may_see(item.owner, into)]
    _pass_on(lost, f"{into.reference} is private.", actor=None, now=now)
    for item in lost:
        telling.tell_new_owner(item, actor=None, now=now)
    return len(items)


def join_review(incident: Incident) -> int:
    """The incident (locked) has a review: what was agreed before belongs to it."""
    review = Review.objects.get(incident=incident)
    return ActionItem.objects.filter(incident=incident, review=None).update(review=review)


# --- Steps ----------------------------------------------------------------------------------------


def _is_seen_by_more(into: Incident, incident: Incident) -> bool:
    """Whether anybody sees `into` who does not see `incident`; administrators see everything."""
    if not incident.is_private:
        return False
    if not into.is_private:
        return True
    others = into.audience.exclude(pk__in=incident.audience.values("pk"))
    return others.filter(is_superuser=False).exists()


def _pass_on(
    items: Sequence[ActionItem],
    why: str,
    *,
    actor: User | None,
    now: datetime,
    but: User | None = None,
) -> None:
    """To the first manager of each item's team who may see it, `but` for this one, else nobody."""
    heirs = working.managers_of({item.team_id for item in items}, but=but)
    before = {item.pk: item.holder for item in items}
    for item in items:
        heir = next(
            (one for one in heirs.get(item.team_id, []) if may_see(one, item.incident)), None
        )
        item.owner, item.waits_since = heir, None if heir else today_of(item.team, now)
    ActionItem.objects.bulk_update(items, ["owner", "waits_since"])
    ItemEntry.objects.bulk_create(
        ItemEntry(
            item=item,
            kind=ItemEntry.Kind.ASSIGNED,
            at=now,
            actor=actor,
            text=f"{before[item.pk]} → {item.holder}: {why}",
        )
        for item in items
    )
