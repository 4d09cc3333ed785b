"""Has this happened before? Past incidents like an open one, with their cause and what helped.

Alike is what broke the same service and is of the same type, or came from an alert of the same
name. Looks at the newest of the service only, so that it costs the same however many there are.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from rest_framework import serializers

from incidents.alerts.models import Alert
from incidents.core import panels
from incidents.core.api.shapes import carry
from incidents.core.models import Incident, Status
from incidents.core.panels import Panel
from incidents.reviews.models import ActionItem, ReviewState

LOOKED_AT = 500
MOST = 5
PUBLIC = {ReviewState.PUBLISHED, ReviewState.CLOSED}


@dataclass(frozen=True)
class Similar:
    """`why`: what is the same. `cause` and `fix` as far as somebody wrote them down."""

    incident: Incident
    why: str
    items: list[ActionItem]

    @property
    def cause(self) -> str:
        """As its review found, once that is published; else as whoever resolved it thought."""
        review = getattr(self.incident, "review", None)
        found = review.root_cause if review is not None and review.state in PUBLIC else ""
        return found or self.incident.root_cause or self.incident.suspected_cause

    @property
    def fix(self) -> str:
        return self.incident.mitigation or self.incident.resolution


def similar_to(incident: Incident, user: Any) -> list[Similar]:
    """The latest ones that this person may see, in at most five queries. Of an open one only."""
    if not incident.is_open:
        return []
    past = Incident.objects.visible_to(user).real().exclude(pk=incident.pk)
    over = past.filter(
        service=incident.service_id, status=Status.RESOLVED, outcome=Incident.Outcome.RESOLVED
    )
    newest = dict(
        over.order_by("-declared_at", "-pk").values_list("pk", "incident_type")[:LOOKED_AT]
    )
    same_alert = _with_the_same_alert(incident, list(newest))
    why = {
        pk: " and ".join(_reasons(incident, kind, pk in same_alert)) for pk, kind in newest.items()
    }
    chosen = [pk for pk, reasons in why.items() if reasons][:MOST]
    if not chosen:
        return []
    found = Incident.objects.select_related("review").in_bulk(chosen)
    items = _items_of(chosen)
    return [Similar(found[pk], why[pk], items[pk]) for pk in chosen]


def _reasons(incident: Incident, kind: str, is_same_alert: bool) -> list[str]:
    is_same_type = bool(kind) and kind == incident.incident_type
    return [
        *(["the same type"] if is_same_type else []),
        *(["the same alert"] if is_same_alert else []),
    ]


def _with_the_same_alert(incident: Incident, past: list[int]) -> set[int]:
    """Those whose alerts have a name, or a key, that an alert of this one has."""
    names = _names_of([incident.pk]).get(incident.pk, set())
    if not names or not past:
        return set()
    return {pk for pk, theirs in _names_of(past).items() if theirs & names}


def _names_of(incidents: list[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    rows = Alert.objects.filter(incident__in=incidents)
    for pk, key, labels in rows.values_list("incident_id", "dedup_key", "labels"):
        name = labels.get("alertname", "") if isinstance(labels, dict) else ""
        found[pk] |= {f"name:{name}"} if name else {f"key:{key}"} if key else set()
    return found


def _items_of(incidents: list[int]) -> dict[int, list[ActionItem]]:
    """What was done afterwards so that it does not happen again."""
    found: dict[int, list[ActionItem]] = defaultdict(list)
    prevents = ActionItem.objects.filter(incident__in=incidents, kind=ActionItem.Kind.PREVENT)
    for item in prevents.exclude(state="declined").order_by("pk")[: MOST * 20]:
        found[item.incident_id].append(item)
    return found


# --- Where it is shown ----------------------------------------------------------------------------


def render(request: HttpRequest, incident: Incident) -> Panel | None:
    return _render("insights/similar.html", request, incident)


def render_in_pocket(request: HttpRequest, incident: Incident) -> Panel | None:
    return _render("insights/similar_pocket.html", request, incident)


def _render(template: str, request: HttpRequest, incident: Incident) -> Panel | None:
    found = similar_to(incident, request.user)
    if not found:
        return None
    return Panel("It happened before", render_to_string(template, {"similar": found}))


class SimilarOut(serializers.Serializer):
    reference = serializers.CharField(source="incident.reference")
    title = serializers.CharField(source="incident.title")
    resolved_at = serializers.DateTimeField(source="incident.resolved_at")
    why = serializers.CharField(help_text="What is the same.")
    root_cause = serializers.CharField(source="cause")
    fix = serializers.CharField(help_text="What helped.")
    action_items = serializers.SerializerMethodField(help_text="What was to prevent it.")

    def get_action_items(self, similar: Similar) -> list[str]:
        return [f"{item.title} ({item.get_state_display().lower()})" for item in similar.items]


class SimilarPart(serializers.Serializer):
    """The newest of its service that were like an open incident."""

    past = SimilarOut(many=True)

    def to_representation(self, incident: Incident) -> Any:
        request = self.context.get("request")
        found = similar_to(incident, request.user) if request is not None else []
        return super().to_representation({"past": found})


def offer() -> None:
    """Have pages and the API show with an open incident what was like it."""
    panels.register("incident", render, order=15)
    panels.register("pocket-incident", render_in_pocket, order=15)
    carry("similar", SimilarPart)
