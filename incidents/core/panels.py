"""How a page of this room shows what a higher room knows, without importing it."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString


@dataclass(frozen=True)
class Panel:
    """A titled piece of a page; `html` is made with format_html or a template."""

    title: str
    html: SafeString


type Renderer = Callable[[HttpRequest, Any], Panel | None]

_renderers: dict[str, list[tuple[int, Renderer]]] = defaultdict(list)


def register(page: str, renderer: Renderer, *, order: int = 100) -> None:
    """Have `renderer(request, subject)` add its panel to `page` (e.g. "incident")."""
    _renderers[page].append((order, renderer))
    _renderers[page].sort(key=lambda entry: entry[0])


def render(page: str, request: HttpRequest, subject: Any) -> list[Panel]:
    """The panels of `page` for `subject`, in order; a renderer with nothing to say gives None."""
    found = (renderer(request, subject) for _, renderer in _renderers[page])
    return [panel for panel in found if panel is not None]
