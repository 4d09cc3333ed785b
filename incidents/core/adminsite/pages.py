"""The pages of the house: read-only by default, opened to those who may change what they show."""

from typing import Any

from django.db import models
from django.http import HttpRequest
from django.utils.text import capfirst
from unfold.admin import TabularInline

from incidents.core.adminsite.forms import DURATIONS, MOMENTS
from incidents.core.adminsite.lists import ListPages
from incidents.core.adminsite.verbs import VerbPages


class HouseAdmin(ListPages, VerbPages):
    """Shows everything, changes nothing: the default for what rules govern.

    `team_path`: from a row to the id of the team whose managers may change it, e.g. "team_id";
    `editable_by`: "nobody", "managers" (of that team) or "administrators".
    """

    editable_by = "nobody"
    team_path = "team_id"
    change_form_outer_before_template = "admin/house/before.html"
    formfield_overrides = DURATIONS | MOMENTS
    list_per_page = 50
    show_full_result_count = False
    compressed_fields = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _opens_admin(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _opens_admin(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        if self.editable_by == "nobody" or not _opens_admin(request):
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


class HouseInline(TabularInline):
    """Rows that belong to the page's row; as open to changes as the page is."""

    formfield_overrides = DURATIONS | MOMENTS
    extra = 0
    read_only = False

    def formfield_for_dbfield(
        self, db_field: models.Field, request: HttpRequest, **kwargs: Any
    ) -> Any:
        """The heading of its column names each field to whoever cannot see that it stands above."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            widget = getattr(field.widget, "widget", field.widget)
            widget.attrs.setdefault("aria-label", capfirst(field.label or db_field.verbose_name))
        return field

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _opens_admin(request)

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


def _opens_admin(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.opens_admin)
