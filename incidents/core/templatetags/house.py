"""How pages tell the time: in the reader's zone, with UTC in the title; countdowns by live.js."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from unfold.templatetags.unfold_list import result_list

from incidents.core import plans
from incidents.core.models import ChecklistItem, Incident
from incidents.core.procedures import Group
from incidents.timers.wording import span, until

register = template.Library()


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """E.g. 2026-03-02 11:05:00."""
    return _time(at, "%Y-%m-%d %H:%M:%S")


@register.filter
def hour(at: datetime | None) -> SafeString | str:
    """E.g. 11:05:00, where the day is known."""
    return _time(at, "%H:%M:%S")


@register.filter
def due(at: datetime | None, now: datetime) -> SafeString | str:
    """E.g. "in 4 min 10 s" or "2 min overdue", counted on in the browser.

    `now` comes with the page: to ask the clock may be a query.
    """
    if at is None:
        return ""
    return format_html(
        '<time datetime="{0}" data-due="{0}" title="{1}">{2}</time>',
        at.isoformat(),
        _utc(at),
        until(at, now),
    )


@register.filter
def type_title(incident: Incident) -> str:
    """Of what type it is, as its runbook calls it; empty where nobody knows."""
    return plans.title_of_type(incident)


@register.filter
def is_late(item: ChecklistItem, now: datetime) -> bool:
    """Whether it should be done by now."""
    return item.due_at is not None and item.ticked_at is None and item.due_at < now


@register.filter
def is_open(group: Group, now: datetime) -> bool:
    """Whether this phase is to be worked on now."""
    return group.is_open(now)


@register.filter
def since(at: datetime | None, now: datetime) -> SafeString | str:
    """For how long now, e.g. "12 min", counted on in the browser."""
    if at is None:
        return ""
    return format_html(
        '<time datetime="{0}" data-since="{0}" title="{1}">{2}</time>',
        at.isoformat(),
        _utc(at),
        span(now - at),
    )


def _time(at: datetime | None, pattern: str) -> SafeString | str:
    if at is None:
        return ""
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', at.isoformat(), _utc(at), f"{local:{pattern}}"
    )


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


# --- Lists whose rows become cards on a phone -----------------------------------------------------


@register.inclusion_tag("admin/house/results.html", takes_context=True)
def house_result_list(context: dict[str, Any], cl: Any) -> dict[str, Any]:
    return result_list(context, cl)


@register.filter
def labelled(cells: Iterable[str], headers: Iterable[dict[str, Any]]) -> Iterator[SafeString]:
    """The cells of a row, each with its column's name for where there are no columns."""
    for cell, header in zip(cells, headers, strict=False):
        name = str(header["text"])
        shown = "" if "action-toggle" in name else name[:1].upper() + name[1:]
        label = format_html(' data-label="{}"', shown)
        yield mark_safe(cell.replace(" ", f"{label} ", 1))  # noqa: S308


@register.filter
def is_web(address: str) -> bool:
    """Whether it may become a link: other schemes than these can run what a stranger wrote."""
    return address.lower().startswith(("https://", "http://"))
