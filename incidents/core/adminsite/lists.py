"""Lists: quick links, views that people have saved, and an export that spreadsheets cannot run."""

import csv
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape
from typing import Any
from urllib.parse import parse_qsl

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from incidents.core import services
from incidents.core.errors import DomainError
from incidents.core.models import SavedView
from incidents.timers import clock

MOST_ROWS = 10_000
CHUNK = 500
FORMULA = (*"=+-@\t\r\n", *"＝＋－＠")

type QuickViews = Sequence[tuple[str, str]]


class ListPages(ModelAdmin):
    """What every list offers beside its rows.

    `quick_views`: names and filters, e.g. [("Open", "status=open")], or a method that gives them
    for a request.
    """

    change_list_template = "admin/house/change_list.html"
    quick_views: QuickViews | Callable[[HttpRequest], QuickViews] = ()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("export.csv", wrap(self.export_view), name=f"{name}_export"),
            path("views/save/", wrap(require_POST(self.save_view)), name=f"{name}_save_view"),
            path(
                "views/<int:pk>/forget/",
                wrap(require_POST(self.forget_view)),
                name=f"{name}_forget_view",
            ),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {**(extra_context or {}), **self._beside(request)}
        return super().changelist_view(request, extra)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """By no other column than those that the list offers to narrow it by.

        A password's hash or a masked address could be read letter by letter: does it begin with a?
        """
        return super().lookup_allowed(lookup, value, request) and (
            _column(lookup) not in self._columns or _column(lookup) in self._narrowed_by(request)
        )

    @property
    def _columns(self) -> set[str]:
        return {field.name for field in self.opts.get_fields()} | {"pk"}

    def _narrowed_by(self, request: HttpRequest) -> set[str]:
        filters: Any = self.get_list_filter(request)
        names = [getattr(one, "parameter_name", one) for one in filters]
        names = [name[0] if isinstance(name, tuple) else name for name in names]
        quick = [key for _, query in self._quick_views(request) for key, _ in parse_qsl(query)]
        return {_column(name) for name in [*names, *quick]}

    def _quick_views(self, request: HttpRequest) -> QuickViews:
        return self.quick_views(request) if callable(self.quick_views) else self.quick_views

    def _beside(self, request: HttpRequest) -> dict[str, Any]:
        user: Any = request.user
        quick = self._quick_views(request)
        here = request.GET.dict()
        saved = user.saved_views.filter(page=self.opts.label_lower)
        return {
            "quick_views": [(name, query, dict(parse_qsl(query)) == here) for name, query in quick],
            "saved_views": [(view, dict(parse_qsl(view.query)) == here) for view in saved],
            "query": request.GET.urlencode(),
            "most_rows": MOST_ROWS,
        }

    # --- Saved views -----------------------------------------------------------------------------

    def save_view(self, request: HttpRequest) -> HttpResponse:
        user: Any = request.user
        query = request.POST.get("query", "")
        name = request.POST.get("name", "")
        try:
            view = services.save_view(
                page=self.opts.label_lower, name=name, query=query, actor=user
            )
        except DomainError as error:
            messages.error(request, error.message)
            return redirect(f"{self._list_url()}?{query}" if query else self._list_url())
        messages.success(request, f"“{view}” stands above the list now.")
        return redirect(f"{self._list_url()}?{view.query}")

    def forget_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        user: Any = request.user
        mine = SavedView.objects.filter(user=user, page=self.opts.label_lower)
        view = get_object_or_404(mine, pk=pk)
        services.forget_view(view, actor=user)
        messages.success(request, f"“{view}” is forgotten.")
        return redirect(self._list_url())

    def _list_url(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    # --- Export ----------------------------------------------------------------------------------

    def export_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """The list as it is narrowed now, its columns and the id; at most MOST_ROWS rows."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            rows: Any = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return redirect(self._list_url())
        # Which rows is settled now: what is added while it streams shifts nothing.
        ids = list(rows.queryset.values_list("pk", flat=True)[: MOST_ROWS + 1])
        lines = csv.writer(_Echo())
        answer = StreamingHttpResponse(
            (lines.writerow(line) for line in self._lines(request, rows, ids)),
            content_type="text/csv; charset=utf-8",
        )
        name = f"{self.opts.model_name}-{clock.now():%Y-%m-%d}.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def _lines(self, request: HttpRequest, rows: Any, ids: list[Any]) -> Iterator[list[object]]:
        columns = [name for name in rows.list_display if name != "action_checkbox"]
        heads = [label_for_field(name, self.model, model_admin=self) for name in columns]
        yield ["Id", *(head[:1].upper() + head[1:] for head in map(str, heads))]
        wanted = rows.queryset
        rows.list_per_page = CHUNK
        rows.page_num = 1
        for start in range(0, min(len(ids), MOST_ROWS), CHUNK):
            # By the list's own way, which may complete its rows with what they show.
            rows.queryset = wanted.filter(pk__in=ids[start : min(start + CHUNK, MOST_ROWS)])
            rows.get_results(request)
            for row in rows.result_list:
                yield [safe(row.pk), *(safe(_value(name, row, self)) for name in columns)]
        if len(ids) > MOST_ROWS:
            yield [f"Cut after {MOST_ROWS} rows: narrow the list and export the rest by itself."]


def _column(lookup: str) -> str:
    return lookup.partition("__")[0]


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _value(name: str, row: models.Model, page: ModelAdmin) -> object:
    try:
        field, _, value = lookup_field(name, row, page)
    except ObjectDoesNotExist:
        return ""
    if field is not None and getattr(field, "choices", None):
        return getattr(row, f"get_{field.name}_display")()
    if field is not None and field.is_relation:
        return getattr(row, field.name)
    # Unfold's labels are pairs of tone and text.
    return value[-1] if isinstance(value, tuple) and value else value


def safe(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; times are UTC, numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, int | float | Decimal):
        return value
    if isinstance(value, SafeString):
        text = unescape(strip_tags(value.replace("<br>", "; "))).strip("; ")
    else:
        text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
