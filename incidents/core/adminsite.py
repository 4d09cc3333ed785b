"""What every admin page of the house has in common: it shows, it asks, and verbs do the rest.

Pages are read-only unless a room opens them to the people who may change what they show. Verbs
appear as buttons; each asks on a page of its own for what it needs, and shows why it declined.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import INPUT_CLASSES, SELECT_CLASSES, TEXTAREA_CLASSES

from incidents.core import panels
from incidents.core.errors import DomainError, Forbidden, Refused


class ClearDuration(forms.DurationField):
    """Refuses a bare number: nobody who writes 5 for a timeout means five seconds."""

    def clean(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip().isdigit():
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().clean(value)

    default_error_messages = {
        "invalid": "Write hours, minutes and seconds: 00:05:00 is five minutes."
    }


DURATIONS = {models.DurationField: {"form_class": ClearDuration}}
STYLES = {"Textarea": TEXTAREA_CLASSES, "Select": SELECT_CLASSES}


class VerbForm(forms.Form):
    """Asks for what one verb needs; `self.subject` and `self.user` are known to the fields."""

    def __init__(self, *args: Any, subject: Any = None, user: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.subject, self.user = subject, user
        for field in self.fields.values():
            if not isinstance(field.widget, forms.CheckboxInput):
                styles = STYLES.get(type(field.widget).__name__, INPUT_CLASSES)
                field.widget.attrs["class"] = " ".join(styles)
        self.prepare()

    def prepare(self) -> None:
        """Narrow choices or set initial values by the subject."""


@dataclass(frozen=True)
class Verb:
    """One button: its form, whom it is for, when it makes sense, and the service it calls.

    `run(subject, actor, facts)` gets the form's cleaned data; DomainError is shown to the person.
    """

    name: str
    label: str
    run: Callable[[Any, Any, dict[str, Any]], object]
    form: type[VerbForm] = VerbForm
    may: Callable[[Any, Any], bool] = lambda user, _subject: user.may_respond
    when: Callable[[Any], bool] = lambda _subject: True
    order: int = 100


_verbs: dict[str, list[Verb]] = defaultdict(list)


def offer(model: str, *verbs: Verb) -> None:
    """Put verbs on the admin page of `model` (e.g. "incidents.incident"); any room may."""
    _verbs[model.lower()] += verbs
    _verbs[model.lower()].sort(key=lambda verb: verb.order)


class HouseAdmin(ModelAdmin):
    """Shows everything, changes nothing: the default for what rules govern.

    `team_path`: from a row to the id of the team whose managers may change it, e.g. "team_id";
    `editable_by`: "nobody", "managers" (of that team) or "administrators".
    """

    editable_by = "nobody"
    team_path = "team_id"
    change_form_outer_before_template = "admin/house/before.html"
    formfield_overrides = DURATIONS
    list_per_page = 50
    show_full_result_count = False
    compressed_fields = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_staff(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_staff(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        if self.editable_by == "nobody" or not _is_staff(request):
            return False
        return request.user.is_superuser or (
            self.editable_by == "managers" and request.user.may_manage  # type: ignore[union-attr]
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if not self.has_add_permission(request):
            return False
        return obj is None or request.user.is_superuser or self._manages(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A manager chooses among the teams that he or she manages."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "team" and field is not None and not request.user.is_superuser:
            field.queryset = field.queryset.filter(
                pk__in=request.user.managed_teams  # type: ignore[union-attr]
            )
        return field

    def _manages(self, user: Any, obj: Any) -> bool:
        team: Any = obj
        for step in self.team_path.split("."):
            team = getattr(team, step, None)
        return user.manages(team)

    # --- verbs --------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_verb"
        verb = path(
            "<path:object_id>/do/<slug:verb>/", self.admin_site.admin_view(self.do_verb), name=name
        )
        return [verb, *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        extra = dict(extra_context or {})
        subject = self.get_object(request, object_id) if object_id else None
        if subject is not None:
            extra["verbs"] = [
                {"label": verb.label, "url": self._verb_url(subject, verb)}
                for verb in self._offered(request, subject)
            ]
            extra["panels"] = panels.render(self.opts.model_name or "", request, subject)
        return super().changeform_view(request, object_id, form_url, extra)

    def do_verb(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """Ask for what the verb needs, call it, and say what came of it."""
        subject = get_object_or_404(self.get_queryset(request), pk=object_id)
        chosen = next((v for v in self._offered(request, subject) if v.name == verb), None)
        page = reverse(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[object_id]
        )
        if chosen is None:
            known = {v.name for v in _verbs[self.opts.label_lower]}
            if verb not in known:
                raise Http404("There is nothing like that to do here.")
            messages.warning(request, f"This cannot be done with {subject} as it stands now.")
            return redirect(page)
        form = chosen.form(request.POST or None, subject=subject, user=request.user)
        unmet: Sequence[Any] = ()
        if request.method == "POST" and form.is_valid():
            try:
                chosen.run(subject, request.user, form.cleaned_data)
            except Forbidden as error:
                form.add_error(None, error.message)
            except DomainError as error:
                unmet = error.unmet if isinstance(error, Refused) else ()
                field = error.field if error.field in form.fields else None
                form.add_error(field, "Not yet. First:" if unmet else error.message)
            else:
                messages.success(request, f"{chosen.label}: done.")
                return redirect(page)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{chosen.label}: {subject}",
            "verb": chosen,
            "form": form,
            "unmet": unmet,
            "back": page,
        }
        return TemplateResponse(request, "admin/house/verb.html", context)

    def _offered(self, request: HttpRequest, subject: Any) -> list[Verb]:
        return [
            verb
            for verb in _verbs[self.opts.label_lower]
            if verb.may(request.user, subject) and verb.when(subject)
        ]

    def _verb_url(self, subject: Any, verb: Verb) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_verb"
        return reverse(name, args=[subject.pk, verb.name])


class HouseInline(TabularInline):
    """Rows that belong to the page's row; as open to changes as the page is."""

    formfield_overrides = DURATIONS
    extra = 0
    read_only = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_staff(request)

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return not self.read_only and self._parent_allows(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not self.read_only and self._parent_allows(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not self.read_only and self._parent_allows(request, obj)

    def _parent_allows(self, request: HttpRequest, obj: Any) -> bool:
        return self.admin_site.get_model_admin(self.parent_model).has_change_permission(
            request, obj
        )


def _is_staff(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_staff)
