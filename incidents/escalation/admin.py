"""Admin pages of escalation: who is asked in which order, who is being asked now, who was."""

from collections import defaultdict
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import OuterRef, Prefetch, QuerySet, Subquery
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.views import ChangeList

from incidents.core.adminsite import HouseAdmin, HouseInline, Verb, VerbForm, offer
from incidents.core.errors import DomainError
from incidents.core.models import Incident, User
from incidents.escalation import services
from incidents.escalation.models import (
    Escalation,
    EscalationPolicy,
    Level,
    LevelTarget,
    Page,
    PolicyAssignment,
)
from incidents.notifications.models import Delivery
from incidents.timers.models import Timer

COLOURS = {
    Escalation.State.RUNNING: "warning",
    Escalation.State.TICKET: "info",
    Escalation.State.PAUSED: "success",
    Escalation.State.EXHAUSTED: "danger",
    Escalation.State.ENDED: "",
}


# --- Policies -------------------------------------------------------------------------------------


class LevelTargetInline(HouseInline):
    model = LevelTarget
    fields = ["kind", "schedule", "user", "team", "function"]
    verbose_name_plural = "whom it means"

    def _parent_allows(self, request: HttpRequest, obj: Any) -> bool:
        """A level has no page of its own: what counts is its policy's."""
        policy = obj
        if isinstance(obj, Level):
            policy = obj.policy if obj.policy_id else None
        page = self.admin_site.get_model_admin(EscalationPolicy)
        return page.has_change_permission(request, policy)


class LevelInline(HouseInline):
    model = Level
    fields = ["position", "timeout"]
    inlines = [LevelTargetInline]
    ordering = ["position"]


@admin.register(EscalationPolicy)
class EscalationPolicyAdmin(HouseAdmin):
    """Levels are written with the whole policy: they are saved as one list, by their position."""

    editable_by = "managers"
    list_display = ["name", "ladder", "repeats", "acknowledgement_expiry", "team", "active"]
    list_filter = ["is_active", "team"]
    search_fields = ["name", "slug"]
    ordering = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    fields = ["name", "slug", "team", "repeats", "acknowledgement_expiry", "is_active"]
    inlines = [LevelInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[EscalationPolicy]:
        return EscalationPolicy.objects.with_ladder()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["slug"] if obj else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    @admin.display(description="Ladder")
    def ladder(self, policy: EscalationPolicy) -> str:
        return policy.ladder_text

    @display(description="Active", label={"on": "success", "off": "danger"})
    def active(self, policy: EscalationPolicy) -> tuple[str, str]:
        return ("on", "On") if policy.is_active else ("off", "Off: last resort at once")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A policy without a team is for administrators: a manager would lock himself out."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "team" and field is not None:
            field.required = not request.user.is_superuser
        return field

    def save_model(
        self, request: HttpRequest, obj: EscalationPolicy, form: ModelForm, change: bool
    ) -> None:
        facts, actor = form.cleaned_data, _user(request)
        figures = {name: facts[name] for name in ["name", "repeats", "acknowledgement_expiry"]}
        if not change:
            made = services.create_policy(
                **figures, slug=facts["slug"], team=facts["team"], actor=actor
            )
            obj.pk = made.pk
        else:
            services.update_policy(obj, **figures, actor=actor)
            services.hand_over_policy(obj, team=facts["team"], actor=actor)
        services.set_active(obj, is_active=facts["is_active"], actor=actor)

    def save_formset(
        self, request: HttpRequest, form: ModelForm, formset: BaseInlineFormSet, change: bool
    ) -> None:
        written: Any = formset
        written.new_objects = written.changed_objects = written.deleted_objects = []
        if formset.model is not Level or not _has_changed(formset):
            return
        try:
            services.set_levels(form.instance, levels=_levels(formset), actor=_user(request))
        except DomainError as error:
            messages.error(request, f"{error.message} The levels were left as they were.")


def _has_changed(formset: Any) -> bool:
    nested = [n.formset for row in formset.forms for n in getattr(row, "nested_formsets", [])]
    return formset.has_changed() or any(inner.has_changed() for inner in nested)


def _levels(formset: Any) -> list[dict[str, Any]]:
    """The levels as `set_levels` takes them, in the order of their positions."""
    rows = [row for row in formset.forms if _is_kept(row) and row.cleaned_data.get("timeout")]
    rows.sort(key=lambda row: row.cleaned_data["position"])
    return [
        {
            "timeout": row.cleaned_data["timeout"],
            "targets": [
                {name: target.cleaned_data.get(name) for name in LevelTargetInline.fields}
                for nested in row.nested_formsets
                for target in nested.formset.forms
                if _is_kept(target) and target.cleaned_data.get("kind")
            ],
        }
        for row in rows
    ]


def _is_kept(row: Any) -> bool:
    return bool(row.cleaned_data) and not row.cleaned_data.get("DELETE")


@admin.register(PolicyAssignment)
class PolicyAssignmentAdmin(HouseAdmin):
    editable_by = "managers"
    list_display = ["__str__", "service", "team", "severity", "policy"]
    list_filter = ["policy", "severity"]
    list_select_related = ["policy", "service", "team"]
    ordering = ["service__name", "team__name", "severity"]
    fields = ["policy", "service", "team", "severity"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["service", "team", "severity"] if obj else []

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A manager assigns to the own teams and their services; the rest is administrators'."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        user = _user(request)
        if db_field.name == "service" and field is not None and not user.is_superuser:
            field.queryset = field.queryset.filter(team__in=user.managed_teams)
        return field

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = _assignment_form(_user(request))
        return super().get_form(request, obj, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: PolicyAssignment, form: ModelForm, change: bool
    ) -> None:
        obj.pk = services.assign_policy(
            obj.policy,
            service=obj.service,
            team=obj.team,
            severity=obj.severity,
            actor=_user(request),
        ).pk

    def _manages(self, user: Any, obj: PolicyAssignment) -> bool:
        return may_assign(user, obj)


def may_assign(user: Any, assignment: PolicyAssignment) -> bool:
    """Where it applies belongs to a team of this manager; everything, to administrators."""
    service = assignment.service
    return user.manages(service.team_id if service else assignment.team_id)


def _assignment_form(user: User) -> type[ModelForm]:
    class AssignmentForm(ModelForm):
        def clean(self) -> dict[str, Any]:
            facts = super().clean() or {}
            if not (facts.get("service") or facts.get("team") or user.is_superuser):
                raise forms.ValidationError("Name a service or a team that you manage.")
            return facts

    return AssignmentForm


offer(
    "escalation.policyassignment",
    Verb(
        "remove",
        "Remove",
        lambda assignment, actor, _facts: services.unassign_policy(assignment, actor=actor),
        may=may_assign,
    ),
)


# --- Who is being asked, who was ------------------------------------------------------------------


@admin.register(Escalation)
class EscalationAdmin(HouseAdmin):
    """Every incident whose asking has not ended."""

    list_display = ["incident", "standing", "asked", "next_step", "policy", "level", "reason"]
    list_filter = ["state", "policy"]
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


# --- Verbs on an incident's page ------------------------------------------------------------------


def _text() -> forms.CharField:
    return forms.CharField(label="Why?", max_length=1_000, widget=forms.Textarea({"rows": 2}))


class EscalateForm(VerbForm):
    reason = _text()


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


def _open(incident: Incident) -> bool:
    return incident.is_open


def _plain(verb: Any) -> Any:
    return lambda incident, actor, facts: verb(incident, actor=actor, **facts)


offer(
    "incidents.incident",
    Verb("escalate", "Escalate", _plain(services.escalate), EscalateForm, when=_open, order=11),
    Verb(
        "page", "Page somebody", _plain(services.page_person), PagePersonForm, when=_open, order=12
    ),
    Verb("reroute", "Reroute", _plain(services.reroute), RerouteForm, when=_open, order=13),
)


def _user(request: HttpRequest) -> User:
    user: Any = request.user
    return user
