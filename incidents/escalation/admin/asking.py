"""Admin pages of asking: who is being asked now, who was, and the verbs on an incident's page."""

from collections import defaultdict
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, Prefetch, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.views import ChangeList

from incidents.core.adminsite import HouseAdmin, Verb, VerbForm, offer
from incidents.core.models import Incident, User
from incidents.escalation import rules, section, services
from incidents.escalation.models import Escalation, EscalationPolicy, Page
from incidents.notifications.models import Delivery
from incidents.timers.models import Timer

COLOURS = {
    Escalation.State.RUNNING: "warning",
    Escalation.State.TICKET: "info",
    Escalation.State.PAUSED: "success",
    Escalation.State.EXHAUSTED: "danger",
    Escalation.State.ENDED: "",
}


@admin.register(Escalation)
class EscalationAdmin(HouseAdmin):
    """Every incident whose asking has not ended."""

    list_display = ["incident", "standing", "asked", "next_step", "policy", "level", "reason"]
    list_filter = ["state", "policy"]
    quick_views = [
        ("Being asked", "state__exact=running"),
        ("Nobody left to ask", "state__exact=exhausted"),
        ("Acknowledged", "state__exact=paused"),
    ]
    list_select_related = ["incident", "policy"]
    ordering = ["-incident__declared_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Escalation]:
        timers = Timer.objects.pending().filter(
            subject_type=Incident._meta.label_lower,
            subject_id=OuterRef("incident_id"),
            kind__startswith="escalation.",
        )
        seen = Incident.objects.visible_to(_user(request))
        pages = Prefetch("incident__pages", Page.objects.select_related("user"))
        return (
            Escalation.objects.exclude(state=Escalation.State.ENDED)
            .filter(incident__in=seen)
            .prefetch_related(pages)
            .annotate(next_at=Subquery(timers.order_by("due_at").values("due_at")[:1]))
        )

    @display(description="State", label={str(s.label): c for s, c in COLOURS.items()})
    def standing(self, escalation: Escalation) -> str:
        return escalation.get_state_display()

    @admin.display(description="Asked now")
    def asked(self, escalation: Escalation) -> str:
        here = (escalation.incident.paging_epoch, escalation.cycle, escalation.level)
        pages = escalation.incident.pages.all()
        asked = [str(p.user) for p in pages if (p.epoch, p.cycle, p.level) == here]
        return ", ".join(asked) or "nobody"

    @admin.display(description="Next (UTC)")
    def next_step(self, escalation: Any) -> str:
        return f"{escalation.next_at:%Y-%m-%d %H:%M:%S}" if escalation.next_at else "—"


class PageList(ChangeList):
    """Pages with what became of each, in one more query for any number of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        fates: dict[tuple[str, int | None], list[Delivery]] = defaultdict(list)
        causes = {page.cause for page in self.result_list}
        for delivery in Delivery.objects.filter(cause__in=causes).order_by("created_at"):
            fates[delivery.cause, delivery.recipient_id].append(delivery)
        for page in self.result_list:
            page.deliveries = fates.get((page.cause, page.user_id), [])


@admin.register(Page)
class PageAdmin(HouseAdmin):
    list_display = ["at", "incident", "user", "level", "fate", "acknowledged_at", "requested_by"]
    list_filter = ["level"]
    quick_views = [("Acknowledged", "acknowledged_at__isnull=False")]
    list_select_related = ["incident", "user", "requested_by"]
    search_fields = ["incident__reference", "user__username"]
    ordering = ["-at", "-id"]
    exclude = ["link_digest"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Page]:
        return Page.objects.filter(incident__in=Incident.objects.visible_to(_user(request)))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PageList

    @admin.display(description="What became of it")
    def fate(self, page: Any) -> SafeString | str:
        rows = ((d.get_transport_display(), d.get_state_display().lower()) for d in page.deliveries)
        told = format_html_join("", "{}: {}<br>", rows)
        return told or "no message left"


# --- Verbs on an incident's page ---


def _text() -> forms.CharField:
    return forms.CharField(label="Why?", max_length=1_000, widget=forms.Textarea({"rows": 2}))


class EscalateForm(VerbForm):
    """To the next level; where its runbook names roles and facts, also by these."""

    to = forms.ChoiceField(label="To whom?", required=False)
    reason = _text()

    def prepare(self) -> None:
        plan = rules.section_for(self.subject)
        called = {one.fact for one in rules.triggers_of(self.subject) if one.fact is not None}
        if not plan.roles and not called:
            del self.fields["to"]
            return
        names = [*section.BUILT_IN, *plan.roles]
        aims = {f"role:{name}": rules.called(name, plan) for name in dict.fromkeys(names)}
        facts = {f"fact:{name}": text for name, text in rules.FACTS.items() if name in called}
        choices: list[Any] = [("", "The next level"), ("By role", list(aims.items()))]
        choices += [("Whom the runbook calls, because", list(facts.items()))] if facts else []
        self.fields["to"].choices = choices  # type: ignore[attr-defined]


class PagePersonForm(VerbForm):
    user = forms.ModelChoiceField(
        User.objects.filter(is_active=True).order_by("username"), label="Whom?"
    )
    reason = _text()

    def prepare(self) -> None:
        if self.subject.is_private:
            audience = self.subject.audience.filter(is_active=True).order_by("username")
            self.fields["user"].queryset = audience  # type: ignore[attr-defined]


class RerouteForm(VerbForm):
    policy = forms.ModelChoiceField(
        EscalationPolicy.objects.filter(is_active=True).order_by("name"), label="To which policy?"
    )
    reason = _text()


def _escalate(incident: Incident, actor: Any, facts: dict[str, Any]) -> Incident:
    kind, _, name = facts.get("to", "").partition(":")
    chosen = {kind: name} if kind else {}
    return services.escalate(incident, reason=facts["reason"], actor=actor, **chosen)


def _open(incident: Incident) -> bool:
    return incident.is_open


def _plain(verb: Any) -> Any:
    return lambda incident, actor, facts: verb(incident, actor=actor, **facts)


offer(
    "incidents.incident",
    Verb("escalate", "Escalate", _escalate, EscalateForm, when=_open, order=11),
    Verb(
        "page", "Page somebody", _plain(services.page_person), PagePersonForm, when=_open, order=12
    ),
    Verb("reroute", "Reroute", _plain(services.reroute), RerouteForm, when=_open, order=13),
)


def _user(request: HttpRequest) -> User:
    user: Any = request.user
    return user
