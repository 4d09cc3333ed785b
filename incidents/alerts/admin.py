from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from incidents.alerts import services
from incidents.alerts.api import address_of
from incidents.alerts.models import Alert, Source
from incidents.core import panels
from incidents.core.adminsite import HouseAdmin, Verb, offer
from incidents.core.models import Incident


@admin.register(Source)
class SourceAdmin(HouseAdmin):
    """Sources, with the line to paste into a monitor for whoever manages them."""

    editable_by = "managers"
    list_display = ["name", "team", "service", "is_active", "last_seen_at"]
    list_filter = ["is_active", "team"]
    list_select_related = ["team", "service"]
    search_fields = ["name"]
    fields = ["name", "team", "service", "is_active", "created_at", "last_seen_at", "how_to_send"]
    readonly_fields = ["created_at", "last_seen_at", "how_to_send"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = list(super().get_fields(request, obj))
        if obj is None:
            return [name for name in fields if name not in self.readonly_fields]
        if not self.has_change_permission(request, obj):
            fields.remove("how_to_send")
        return fields

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Straight to the page that shows the key."""
        messages.success(request, f"{obj} can report now; below is how.")
        return redirect("admin:alerts_source_change", obj.pk)

    @admin.display(description="How to send an alert")
    def how_to_send(self, source: Source) -> SafeString:
        service = source.service.slug if source.service else "checkout"
        body = (
            '{"dedup_key": "checkout-503", "status": "firing", "summary": "It answers 503", '
            f'"service": "{service}", "severity": "SEV2"}}'
        )
        return format_html(
            '<p>Key: <code>{}</code></p><pre style="{}">'
            "curl -H 'Content-Type: application/json' \\\n"
            "  -d '{}' \\\n  {}</pre>"
            "<p>Send the same dedup_key with status resolved when it is over.</p>",
            source.key,
            "white-space: pre-wrap; overflow-wrap: anywhere",  # narrow enough for a phone
            body,
            address_of(source),
        )


@admin.register(Alert)
class AlertAdmin(HouseAdmin):
    """What came in. Read-only: monitors write it."""

    list_display = ["summary", "status", "source", "service", "incident", "count", "last_at"]
    list_filter = ["status", "source"]
    list_select_related = ["source", "service", "incident"]
    search_fields = ["summary", "dedup_key", "incident__reference"]
    ordering = ["-pk"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request) & Alert.objects.visible_to(request.user)


offer(
    "alerts.source",
    Verb(
        name="rotate-key",
        label="Give it another key",
        run=lambda source, actor, _facts: services.rotate_key(source, actor=actor),
        may=lambda user, source: user.manages(source.team_id),
    ),
)


def _alerts(_request: HttpRequest, incident: Incident) -> panels.Panel | None:
    rows = [
        format_html(
            '<tr><td class="pr-4 py-1 align-top">{}</td><td class="pr-4 py-1 align-top">{}</td>'
            '<td class="pr-4 py-1 align-top">{} × {}</td><td class="py-1">{}</td></tr>',
            alert.get_status_display(),
            alert.summary,
            alert.count,
            alert.source,
            format_html_join(
                " ",
                '<a class="underline" rel="noreferrer" href="{}">{}</a>',
                ((link["href"], link["text"] or link["href"]) for link in alert.links),
            ),
        )
        for alert in incident.alerts.select_related("source").order_by("-last_at")[:50]
    ]
    if not rows:
        return None
    body = format_html_join("", "{}", ((row,) for row in rows))
    return panels.Panel("Alerts", format_html("<table><tbody>{}</tbody></table>", body))


panels.register("incident", _alerts, order=30)
