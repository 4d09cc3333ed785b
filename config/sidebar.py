"""The admin's way around: by what one is after, not by which room keeps it."""

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True)
class Place:
    """A list of the admin: what it is called here, its symbol (Material Symbols) and its model."""

    title: str
    icon: str
    model: str

    def is_open_to(self, request: HttpRequest) -> bool:
        return admin.site.get_model_admin(apps.get_model(self.model)).has_view_permission(request)

    @property
    def as_item(self) -> dict[str, Any]:
        name = self.model.lower().replace(".", "_")
        link = reverse(f"admin:{name}_changelist")
        return {"title": self.title, "icon": self.icon, "link": link}


GROUPS = [
    (
        "Now",
        [
            Place("Incidents", "local_fire_department", "incidents.Incident"),
            Place("Escalations", "stairs", "escalation.Escalation"),
            Place("Pages", "notifications", "escalation.Page"),
        ],
    ),
    (
        "On call",
        [
            Place("Schedules", "calendar_month", "oncall.Schedule"),
            Place("Escalation policies", "moving", "escalation.EscalationPolicy"),
            Place("Which policy applies", "rule", "escalation.PolicyAssignment"),
            Place("Overrides", "swap_horiz", "oncall.Override"),
        ],
    ),
    (
        "People and services",
        [
            Place("Teams", "groups", "incidents.Team"),
            Place("People", "person", "incidents.User"),
            Place("Services", "dns", "incidents.Service"),
            Place("Organisation", "domain", "incidents.Organisation"),
        ],
    ),
    (
        "What comes in",
        [
            Place("Sources", "sensors", "alerts.Source"),
            Place("Alerts", "campaign", "alerts.Alert"),
        ],
    ),
    (
        "What was learned",
        [
            Place("Reviews", "school", "reviews.Review"),
            Place("Action items", "checklist", "reviews.ActionItem"),
        ],
    ),
    (
        "Communication",
        [
            Place("Updates", "forum", "comms.StatusUpdate"),
            Place("Stakeholders", "diversity_3", "comms.Stakeholders"),
            Place("Team channels", "tag", "comms.TeamChannel"),
            Place("Status page", "public", "comms.Component"),
        ],
    ),
    (
        "Ways out",
        [
            Place("Contact methods", "contact_phone", "notifications.ContactMethod"),
            Place("Last resort", "emergency", "notifications.LastResortAddress"),
            Place("Deliveries", "outbox", "notifications.Delivery"),
        ],
    ),
]
MACHINERY = (
    "Machinery",
    [
        Place("Timers", "timer", "timers.Timer"),
        Place("Audits", "health_and_safety", "insights.AuditRun"),
        Place("Timeline entries", "history", "incidents.TimelineEntry"),
        Place("Runbook revisions", "menu_book", "incidents.RunbookRevision"),
        Place("Expected signals", "science", "incidents.ExpectedSignal"),
        Place("API tokens", "key", "incidents.ApiToken"),
        Place("Failed logins", "gpp_maybe", "incidents.LoginAttempt"),
        Place("Idempotency keys", "fingerprint", "incidents.IdempotencyKey"),
        Place("Reference counters", "tag", "incidents.ReferenceCounter"),
    ],
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """unfold's SIDEBAR: the groups, with what this person may see."""
    cockpit = {"title": "Cockpit", "icon": "speed", "link": reverse("admin:index")}
    now, *groups = [_group(request, *group) for group in GROUPS]
    machinery = {**_group(request, *MACHINERY), "collapsible": True}
    return [{**now, "items": [cockpit, *now["items"]]}, *groups, machinery]


def account(_request: HttpRequest) -> list[dict[str, Any]]:
    """unfold's ACCOUNT: what is one's own."""
    return [{"title": "My profile", "link": reverse("profile")}]


def _group(request: HttpRequest, title: str, places: list[Place]) -> dict[str, Any]:
    items = [place.as_item for place in places if place.is_open_to(request)]
    return {"title": title, "items": items}
