"""The public status page: no login, no script, the same cheap answer for everybody."""

from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from incidents.comms import snapshot
from incidents.comms.snapshot import Forms

ATOM = "application/atom+xml; charset=utf-8"
HTML = "text/html; charset=utf-8"
# Whoever asks again within seconds gets the same: a proxy may answer for us.
CACHE = "public, max-age=10"


@require_safe
def page(_request: HttpRequest) -> HttpResponse:
    return _answer(lambda forms: forms.html, HTML)


@require_safe
def affair(_request: HttpRequest, public_id: str) -> HttpResponse:
    """One incident, open or of the last 90 days."""
    _require_shown()
    forms = snapshot.current()
    if forms is not None and public_id not in forms.affairs:
        raise Http404("There is no such incident.")
    return _answer(lambda found: found.affairs[public_id], HTML)


@require_safe
def feed(_request: HttpRequest) -> HttpResponse:
    return _answer(lambda forms: forms.feed, ATOM)


@require_safe
def document(_request: HttpRequest) -> HttpResponse:
    answer = _answer(lambda forms: forms.json, "application/json")
    answer["Access-Control-Allow-Origin"] = "*"
    return answer


def _require_shown() -> None:
    if not settings.STATUS_PAGE:
        raise Http404("There is no status page here.")


def _answer(form: Callable[[Forms], str], kind: str) -> HttpResponse:
    _require_shown()
    forms = snapshot.current()
    if forms is None:
        answer = HttpResponse("The status cannot be told at present.", status=503)
        answer["Retry-After"] = "10"
        return answer
    answer = HttpResponse(form(forms), content_type=kind)
    answer["Cache-Control"] = CACHE
    if forms.is_stale:
        answer["X-Status-Copy"] = "stale"
    return answer
