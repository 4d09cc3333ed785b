"""The organisation's page, and what teams and services choose as it does: runbook and zone."""

from functools import cache
from typing import Any

import holidays
from django import forms
from django.contrib import admin, messages
from django.db.models import Field
from django.forms import ModelForm
from django.http import HttpRequest
from holidays.registry import COUNTRIES
from unfold.widgets import UnfoldAdminSelectWidget

from incidents.core.admin.accounts import ZoneFields
from incidents.core.adminsite import HouseAdmin
from incidents.core.models import Organisation, RunbookRevision
from incidents.core.services.profile import change_profile

BUILT_IN = "default"
RUNBOOK_EXPLAINED = (
    "The rules by which incidents run: what severities are called, how soon which step is due. "
    "“default” is built in."
)
SMALL_WORDS = {"And", "Of", "The", "Da"}


@cache
def country_choices() -> list[tuple[str, str]]:
    """Every country whose public holidays are known, by name."""
    named = {code: _spaced(module) for module, (_, code, *_) in COUNTRIES.items()}
    return sorted(
        ((code, f"{name} ({code})") for code, name in named.items()), key=lambda choice: choice[1]
    )


def _spaced(module: str) -> str:
    words = module.replace("_", " ").title().split()
    return " ".join(word.lower() if word in SMALL_WORDS else word for word in words)


class RunbookField(HouseAdmin):
    """A runbook is chosen among those that are there, and not asked for where there is but one."""

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        excluded = list(super().get_exclude(request, obj) or [])
        return excluded if len(_runbooks()) > 1 else [*excluded, "runbook"]

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name != "runbook":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        nothing = [("", "–")] if db_field.blank else []
        return forms.ChoiceField(
            choices=nothing + [(slug, slug) for slug in _runbooks()],
            required=not db_field.blank,
            help_text=f"{RUNBOOK_EXPLAINED} {db_field.help_text}".strip(),
            widget=UnfoldAdminSelectWidget,
        )


def _runbooks() -> list[str]:
    stored = RunbookRevision.objects.order_by().values_list("slug", flat=True).distinct()
    return sorted({BUILT_IN, *stored})


class OrganisationForm(forms.ModelForm):
    """Refuses a country or part of one whose holidays nobody knows: they would silently not be."""

    def clean(self) -> dict[str, Any]:
        facts: dict[str, Any] = super().clean() or self.cleaned_data
        country, part = facts.get("country", ""), facts.get("subdivision", "")
        if not part or "country" not in facts:
            return facts
        known = holidays.list_supported_countries(include_aliases=False).get(country, [])
        spelled = {name.upper(): name for name in known}
        if part.upper() in spelled:
            facts["subdivision"] = spelled[part.upper()]
        elif known:
            self.add_error("subdivision", f"{country} has no {part!r}. It has {', '.join(known)}.")
        elif country:
            self.add_error("subdivision", f"{country} has the same holidays everywhere: leave it.")
        else:
            self.add_error("subdivision", "Choose the country, too.")
        return facts


@admin.register(Organisation)
class OrganisationAdmin(RunbookField, ZoneFields):
    editable_by = "administrators"
    form = OrganisationForm
    list_display = ["name", "timezone", "country"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser) and not Organisation.objects.exists()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "country":
            return forms.ChoiceField(
                choices=[("", "None: no public holidays"), *country_choices()],
                required=False,
                help_text="Its public holidays are no working days.",
                widget=UnfoldAdminSelectWidget,
            )
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "subdivision":
            field.label = "Part of the country"
            field.help_text = "For holidays that only some parts have; e.g. BY."
        return field

    def save_model(
        self, request: HttpRequest, obj: Organisation, form: ModelForm, change: bool
    ) -> None:
        """Whoever reads times in the organisation's zone goes on doing so."""
        user: Any = request.user
        before = Organisation.current().timezone
        obj.pk = 1
        obj.save()
        if before != obj.timezone and user.timezone == before:
            change_profile(
                user,
                first_name=user.first_name,
                last_name=user.last_name,
                timezone=obj.timezone,
                actor=user,
            )
            said = f"You read times in {obj.timezone} now, too. Under My profile you may choose."
            messages.info(request, said)
