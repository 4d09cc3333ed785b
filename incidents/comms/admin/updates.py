"""Updates in the admin: what was told, and the verbs on an incident's page."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.decorators import display

from incidents.comms import services
from incidents.comms.models import Audience, CustomerNotice, Occasion, StatusUpdate
from incidents.comms.services.publishing import LONGEST
from incidents.core.adminsite import HouseAdmin, Verb, VerbForm, offer
from incidents.core.models import Incident, User


@admin.register(StatusUpdate)
class StatusUpdateAdmin(HouseAdmin):
    """What was told to whom. Read-only: what was sent cannot be taken back."""

    list_display = ["at", "incident", "audience", "number", "status", "punctual", "author"]
    list_filter = ["audience", "occasion"]
    quick_views = [("To customers", "audience__exact=external")]
    list_select_related = ["incident", "author"]
    search_fields = ["incident__reference", "subject", "known"]
    ordering = ["-at", "-id"]
    exclude = ["html"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[StatusUpdate]:
        return StatusUpdate.objects.filter(incident__in=Incident.objects.visible_to(request.user))

    @display(
        description="As promised",
        label={"in time": "success", "late": "danger", "not promised": ""},
    )
    def punctual(self, update: StatusUpdate) -> str:
        return {True: "in time", False: "late", None: "not promised"}[update.is_on_time]


def _text(label: str, name: str, *, required: bool = False, rows: int = 2) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=required,
        max_length=LONGEST[name],
        widget=forms.Textarea({"rows": rows}),
    )


class UpdateForm(VerbForm):
    audience = forms.ChoiceField(
        label="For whom?",
        choices=[
            (Audience.INTERNAL.value, "Colleagues"),
            (Audience.EXTERNAL.value, "Customers and the public: it stands on the status page"),
        ],
    )
    known = _text("What is known?", "known", required=True, rows=3)
    done = _text("What was done?", "done")
    next = _text("What comes next?", "next")
    eta = forms.CharField(label="When will it be over?", required=False, max_length=LONGEST["eta"])
    headline = forms.CharField(
        label="Headline on the status page",
        required=False,
        max_length=LONGEST["headline"],
        help_text="For customers; empty: as it was, or made of what is affected.",
    )
    occasion = forms.ChoiceField(label="Kind", required=False)

    def prepare(self) -> None:
        kinds: Any = self.fields["occasion"]
        over = [Occasion.RESOLUTION, Occasion.ALL_CLEAR, Occasion.APOLOGY]
        ongoing = [Occasion.INITIAL, Occasion.UPDATE]
        fitting = ongoing if self.subject.is_open else over
        kinds.choices = [("", "What fits"), *((one.value, one.label) for one in fitting)]
        audience: Any = self.fields["audience"]
        if self.subject.is_private:
            audience.choices = audience.choices[:1]
            audience.help_text = "It is private: nothing about it is told outside from here."
        elif self.subject.is_drill:
            audience.help_text = "This is a drill: nothing about it is told outside."


class DeclineForm(VerbForm):
    reason = forms.CharField(
        label="Why are customers not told?", max_length=2_000, widget=forms.Textarea({"rows": 2})
    )


def _publish(incident: Incident, actor: User, facts: dict[str, Any]) -> StatusUpdate:
    return services.publish_update(incident, actor=actor, **facts)


def _preview(incident: Incident, actor: User, facts: dict[str, Any]) -> SafeString:
    draft = services.preview(incident, actor=actor, **facts)
    context = {"draft": draft, "audience": facts["audience"], "incident": incident}
    return render_to_string("comms/preview.html", context)


def _is_asked(incident: Incident) -> bool:
    return CustomerNotice.objects.filter(pk=incident.pk, state=CustomerNotice.State.ASKED).exists()


offer(
    "incidents.incident",
    Verb(
        "publish-update",
        "Write an update",
        _publish,
        UpdateForm,
        order=14,
        done="It is published.",
        adds=True,
        preview=_preview,
    ),
    Verb(
        "decline-customer-notice",
        "Customers are not told",
        lambda incident, actor, facts: services.decline_customer_notice(
            incident, actor=actor, **facts
        ),
        DeclineForm,
        when=_is_asked,
        order=15,
        group="more",
        done="It is recorded why they are not told.",
        hint="The runbook asks that customers be told. This records why they are not.",
        adds=True,
    ),
)
