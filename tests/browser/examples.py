"""Arguments for the addresses that take some, from the world as it is."""

import re
from typing import Any

from django.contrib.auth.tokens import default_token_generator
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from incidents.comms.models import PublicIncident
from incidents.core.models import Incident, User
from incidents.notifications.models import ContactMethod
from incidents.notifications.transports.recorder import Recorder
from incidents.oncall.models import Schedule
from incidents.reviews.models import ActionItem, Review, Revision
from tests.browser import visits
from tests.browser.world import World


def examples(world: World) -> dict[str, list[dict[str, Any]]]:
    """URL name → arguments, once for each state that the page may be in."""
    mine = ContactMethod.objects.filter(user=world.bob)
    method = mine.exclude(verified_at=None)[0]
    schedules = Schedule.objects.filter(team__memberships__user=world.bob).distinct()
    waiting = mine.filter(verified_at=None)[0]
    return {
        "incident": [{"reference": incident.reference} for incident in world.incidents.values()],
        "move": [
            {"reference": incident.reference, "verb": verb}
            for verb, incident in visits.verbs_of(Incident, world.bob).items()
        ],
        "action-item": [{"pk": item.pk} for item in ActionItem.objects.filter(owner=world.bob)],
        "action-item-verb": [
            {"pk": item.pk, "verb": verb}
            for verb, item in visits.verbs_of(ActionItem, world.bob).items()
        ],
        "status-incident": [{"public_id": one.public_id} for one in PublicIncident.objects.all()],
        "admin:review-section": [
            {"pk": review.pk, "key": key}
            for review, key in zip(
                Review.objects.exclude(state="waived").order_by("pk"),
                ["summary", "lessons"],
                strict=False,
            )
        ],
        "admin:review-document": [{"pk": review.pk} for review in Review.objects.order_by("pk")],
        "admin:review-revision": [
            {"pk": revision.review_id, "number": revision.number}
            for revision in Revision.objects.all()
        ],
        "on-call-take": [{"slug": schedule.slug} for schedule in schedules],
        "profile-token-revoke": [{"pk": world.token.pk}],
        "contacts-method": [{"pk": method.pk}, {"pk": waiting.pk}],
        "contacts-verify": [{"pk": waiting.pk}],
        "welcome": [
            {"uidb64": _uid(world.vera), "token": default_token_generator.make_token(world.vera)},
            {"uidb64": _uid(world.vera), "token": "nowhere"},
        ],
        "escalation:acknowledge": [{"token": token} for token in [*links(), "nowhere"]],
        "admin:app_list": [{"app_label": "incidents"}, {"app_label": "timers"}],
    }


def visitor(name: str, world: World) -> User | None:
    """Who looks at the page of this name: managers and responders have their own."""
    if name in visits.NOBODY_LOGGED_IN:
        return None
    return world.root if name.startswith("admin:") else world.bob


def links() -> list[str]:
    """The tokens of all acknowledge links that were sent, one of each incident."""
    found = {
        sent.reference: match[1]
        for sent in Recorder.sent
        if (match := re.search(r"/a/([\w-]+)/", f"{sent.body} {sent.links}"))
    }
    return list(found.values())


def _uid(person: Any) -> str:
    return urlsafe_base64_encode(force_bytes(person.pk))
