"""On the page of an incident that is over: asking for a review, where its runbook does not."""

from typing import Any

from django import forms

from incidents.core.adminsite import Verb, VerbForm, offer
from incidents.core.models import Incident, User
from incidents.reviews import services
from incidents.reviews.models import Review, ReviewState


class RequestForm(VerbForm):
    reason = forms.CharField(
        label="What is to be learned from it?",
        max_length=2_000,
        widget=forms.Textarea({"rows": 2}),
    )


def _request(incident: Incident, actor: User, facts: dict[str, Any]) -> Review:
    return services.request(incident, actor=actor, **facts)


def _may_be_asked_for(incident: Incident) -> bool:
    if incident.is_open or incident.duplicate_of_id is not None:
        return False
    return not Review.objects.filter(incident=incident).exclude(state=ReviewState.WAIVED).exists()


offer(
    "incidents.incident",
    Verb(
        "request-review",
        "Ask for a review",
        _request,
        RequestForm,
        when=_may_be_asked_for,
        order=70,
        group="more",
        done="Whoever runs it was told.",
        hint="Whoever commanded it is asked to run it, and to choose a time within the days that "
        "the runbook gives.",
        adds=True,
    ),
)
