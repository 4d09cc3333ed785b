"""Admin pages of what comes in: sources with their last requests, and alerts."""

from typing import Any

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from unfold.decorators import display

from incidents.alerts import panel, services
from incidents.alerts.api import address_of
from incidents.alerts.models import Alert, IntakeRequest, Source
from incidents.core import panels
from incidents.core.adminsite import HouseAdmin, Verb, offer
from incidents.core.models import Service

Outcome = IntakeRequest.Outcome
TONES = {
    Outcome.DECLARED: "t-warn",
    Outcome.RELAPSED: "t-warn",
    Outcome.REOPENED: "t-warn",
    Outcome.RECOVERED: "t-good",
    Outcome.REFUSED: "t-bad",
}
TODO = {
    400: "Nothing was taken in. Correct what the monitor sends; /api/docs/ tells every field.",
    403: "Nothing was taken in. Switch the source on to let it report again.",
    405: "Nothing was taken in. Alerts are sent with POST.",
    413: "Nothing was taken in. Have the monitor send less, e.g. fewer labels.",
    415: "Nothing was taken in. Have the monitor send the header Content-Type: application/json.",
    503: "Nothing was taken in. Monitors that send it again lose nothing.",
}
ANY_KEY = "YOUR_KEY"


@admin.register(Source)
class SourceAdmin(HouseAdmin):
    """Sources. A key is shown once, on the page that follows when it was made."""

    editable_by = "managers"
    list_display = ["name", "team", "service", "reports", "last_seen_at", "key"]
    list_filter = ["is_active", "team"]
    list_select_related = ["team", "service"]
    search_fields = ["name"]
    ordering = ["name"]
    fields = ["name", "team", "service", "key", "created_at", "last_seen_at"]
    readonly_fields = ["key", "created_at", "last_seen_at"]

    def quick_views(self, request: HttpRequest) -> list[tuple[str, str]]:
        user: Any = request.user
        mine = ",".join(str(team) for team in user.roles)
        return [
            ("Switched off", "is_active__exact=0"),
            *([("My teams'", f"team__in={mine}")] if mine else []),
        ]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = list(super().get_fields(request, obj))
        return fields if obj else [name for name in fields if name not in self.readonly_fields]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A source without a team is for administrators: a manager would lock himself out."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "team" and field is not None:
            field.required = not request.user.is_superuser
        return field

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request) & Source.objects.of_monitors()

    @display(description="Reports", label={"on": "success", "off": "danger"})
    def reports(self, source: Source) -> tuple[str, str]:
        return ("on", "On") if source.is_active else ("off", "Off: refused")

    @admin.display(description="Key")
    def key(self, source: Source) -> str:
        return f"{source.prefix}…"

    def save_model(self, request: HttpRequest, obj: Source, form: ModelForm, change: bool) -> None:
        actor: Any = request.user
        facts = {name: form.cleaned_data[name] for name in ["name", "team", "service"]}
        if change:
            services.change_source(obj, **facts, actor=actor)
        else:
            made = services.create_source(**facts, actor=actor)
            obj.pk, obj.key, obj.prefix = made.pk, made.key, made.prefix

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._key_page(request, obj)

    def _done(
        self, request: HttpRequest, subject: Any, verb: Verb, facts: dict[str, Any]
    ) -> HttpResponse:
        if subject.key:
            return self._key_page(request, subject)
        return super()._done(request, subject, verb, facts)

    def _key_page(self, request: HttpRequest, source: Source) -> HttpResponse:
        """The answer itself shows the key: it is kept in no session and no message."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"The key of {source}",
            "source": source,
            "line": line_of(source, source.key),
            "back": self.page_url(source),
        }
        return TemplateResponse(request, "alerts/key.html", context)


def line_of(source: Source, key: str = ANY_KEY) -> str:
    """What to paste into a terminal to send an alert by this source."""
    service = source.service.slug if source.service else "checkout"
    body = (
        '{"dedup_key": "checkout-503", "status": "firing", "summary": "It answers 503", '
        f'"service": "{service}", "severity": "SEV2"}}'
    )
    return f"curl -H 'Content-Type: application/json' \\\n  -d '{body}' \\\n  {address_of(key)}"


class ByMonitor(admin.RelatedFieldListFilter):
    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        return [(source.pk, str(source)) for source in Source.objects.of_monitors()]


@admin.register(Alert)
class AlertAdmin(HouseAdmin):
    """What came in. Read-only: monitors write it."""

    list_display = ["summary", "status", "source", "service", "incident", "count", "last_at"]
    list_filter = ["status", ("source", ByMonitor)]
    list_select_related = ["source", "service", "incident"]
    search_fields = ["summary", "dedup_key", "incident__reference"]
    ordering = ["-pk"]
    quick_views = [("Firing", "status__exact=firing"), ("Resolved", "status__exact=resolved")]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request) & Alert.objects.visible_to(request.user)


def _manages(user: Any, source: Source) -> bool:
    return user.manages(source.team_id)


def _switch(is_active: bool) -> Any:
    return lambda source, actor, _: services.change_source(source, is_active=is_active, actor=actor)


offer(
    "alerts.source",
    Verb(
        "switch-on",
        "Switch it on",
        _switch(True),
        may=_manages,
        when=lambda source: not source.is_active,
        ask=False,
        done="It reports again.",
        order=10,
    ),
    Verb(
        "rotate-key",
        "Give it another key",
        lambda source, actor, _: services.rotate_key(source, actor=actor),
        may=_manages,
        grave=True,
        hint="The key that it has now opens nothing from that moment on: what the monitor sends is "
        "refused until it has the new one, which is shown once.",
        order=20,
    ),
    Verb(
        "switch-off",
        "Switch it off",
        _switch(False),
        may=_manages,
        when=lambda source: source.is_active,
        grave=True,
        hint="Whatever it sends is refused until it is switched on again; nobody is paged for it.",
        done="It is switched off: what it sends is refused.",
        order=30,
    ),
)


def _requests(request: HttpRequest, source: Source) -> panels.Panel:
    user: Any = request.user
    newest = source.requests.visible_to(user).select_related("incident").order_by("-pk")
    rows: list[Any] = list(newest[: services.KEPT])
    for row in rows:
        row.tone = TONES.get(row.outcome, "t-calm")
        row.todo = TODO.get(row.status, "")
        row.utc = f"{row.at:%Y-%m-%d %H:%M:%S} UTC"
    manages = user.manages(source.team_id)
    line = line_of(source) if manages else ""
    context = {"requests": rows, "source": source, "manages": manages, "line": line}
    html = render_to_string("alerts/requests.html", context, request)
    return panels.Panel(f"The last {services.KEPT} requests", html)


def _sources(_request: HttpRequest, service: Service) -> panels.Panel | None:
    """Where the alerts of this service come from, besides those that name it."""
    sources = list(service.alert_sources.order_by("name"))
    if not sources:
        return None
    html = render_to_string("alerts/sources.html", {"sources": sources})
    return panels.Panel("Sources", html)


panels.register("source", _requests)
panels.register("service", _sources, order=30)
panels.register("incident", panel.render, order=30)
