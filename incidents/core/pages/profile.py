"""Oneself: name and zone, what the rooms know about it, and keys to the API."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from incidents.core import panels
from incidents.core import services as core
from incidents.core.access import Rule, role_allows
from incidents.core.models import ApiToken, User, zone_choices
from incidents.core.services.profile import change_profile
from incidents.timers import clock

SCOPE_NEEDS = {
    ApiToken.Scope.READ: Rule.READ,
    ApiToken.Scope.RESPOND: Rule.RESPOND,
    ApiToken.Scope.MANAGE: Rule.MANAGE,
}
LIVES = {"30": "30 days", "90": "90 days", "365": "a year", "": "until I revoke it"}


class ProfileForm(forms.Form):
    first_name = forms.CharField(max_length=150, required=False)
    last_name = forms.CharField(max_length=150, required=False)
    timezone = forms.ChoiceField(
        label="Time zone", help_text="All times on these pages and in your messages are in it."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones: Any = self.fields["timezone"]
        zones.choices = zone_choices()


class TokenForm(forms.Form):
    """Offers no more than its owner may do."""

    name = forms.CharField(
        max_length=120, label="What is it for?", help_text="E.g. “deploy script”."
    )
    scope = forms.ChoiceField(label="What may it do?")
    days = forms.ChoiceField(
        choices=list(LIVES.items()), required=False, label="How long?", initial="90"
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scope: Any = self.fields["scope"]
        scope.choices = [
            (name.value, name.label)
            for name, rule in SCOPE_NEEDS.items()
            if role_allows(user, rule)
        ]


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    facts = {name: getattr(user, name) for name in ProfileForm.base_fields}
    form = ProfileForm(request.POST or None, initial=facts)
    if request.method == "POST" and form.is_valid():
        change_profile(user, **form.cleaned_data, actor=user)
        messages.success(request, "Your profile is saved.")
        return redirect("profile")
    context = {
        "here": "profile",
        "form": form,
        "panels": panels.render("profile", request, user),
        "tokens": ApiToken.objects.usable(clock.now()).filter(user=user).order_by("-pk"),
    }
    return render(request, "pocket/profile.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new_token(request: HttpRequest) -> HttpResponse:
    """The secret is in the answer to the POST and nowhere else."""
    user: Any = request.user
    form = TokenForm(request.POST or None, user=user)
    context: dict[str, Any] = {"here": "profile", "form": form}
    if request.method == "POST" and form.is_valid():
        facts = form.cleaned_data
        days = int(facts["days"] or 0)
        expires_at = clock.now() + timedelta(days=days) if days else None
        context["token"], context["secret"] = core.issue_token(
            user, name=facts["name"], scope=facts["scope"], expires_at=expires_at
        )
    return render(request, "pocket/token.html", context)


@login_required
@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    user: Any = request.user
    token = get_object_or_404(ApiToken, pk=pk, user=user)
    core.revoke_token(token)
    messages.success(request, f"“{token.name}” opens nothing any more.")
    return redirect("profile")
