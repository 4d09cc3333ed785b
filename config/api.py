"""The API put together: addresses, schema, and one form for everything that goes wrong."""

import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import InterfaceError, OperationalError
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    UnreadablePostError,
)
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django_fsm import TransitionNotAllowed
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from incidents.alerts.api import AlertViewSet, Intake, SourceViewSet
from incidents.alerts.models import KEY
from incidents.alerts.payload import InvalidPayload
from incidents.comms.api import (
    ChannelViewSet,
    ComponentViewSet,
    IncidentUpdatesViewSet,
    StakeholdersViewSet,
)
from incidents.core.api.catalogue import (
    Me,
    PersonViewSet,
    RevisionViewSet,
    ServiceViewSet,
    TeamViewSet,
    TokenViewSet,
)
from incidents.core.api.incidents import IncidentViewSet
from incidents.core.api.timers import TimerViewSet
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.services.idempotency import KeyReused
from incidents.escalation.api import (
    AssignmentViewSet,
    IncidentPagingViewSet,
    PageViewSet,
    PolicyViewSet,
)
from incidents.notifications.api import ContactMethodViewSet, DeliveryViewSet
from incidents.oncall.api import ScheduleViewSet
from incidents.reviews.api import ReviewViewSet
from incidents.reviews.document_api import ReviewDocumentViewSet
from incidents.reviews.errors import Stale
from incidents.reviews.items_api import ActionItemViewSet, IncidentItemsViewSet

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5

router = SimpleRouter()
for prefix, viewset, name in [
    ("incidents", IncidentViewSet, "incident"),
    ("services", ServiceViewSet, "service"),
    ("teams", TeamViewSet, "team"),
    ("people", PersonViewSet, "person"),
    ("runbook-revisions", RevisionViewSet, "runbook-revision"),
    ("timers", TimerViewSet, "timer"),
    ("tokens", TokenViewSet, "token"),
    ("alerts", AlertViewSet, "alert"),
    ("sources", SourceViewSet, "source"),
    ("incidents", IncidentPagingViewSet, "incident-paging"),
    ("incidents", IncidentUpdatesViewSet, "incident-updates"),
    ("incidents", IncidentItemsViewSet, "incident-action-items"),
    ("action-items", ActionItemViewSet, "action-item"),
    ("stakeholders", StakeholdersViewSet, "stakeholders"),
    ("team-channels", ChannelViewSet, "team-channel"),
    ("components", ComponentViewSet, "component"),
    ("reviews", ReviewViewSet, "review"),
    ("reviews", ReviewDocumentViewSet, "review-document"),
    ("pages", PageViewSet, "page"),
    ("escalation-policies", PolicyViewSet, "escalation-policy"),
    ("policy-assignments", AssignmentViewSet, "policy-assignment"),
    ("schedules", ScheduleViewSet, "schedule"),
    ("contact-methods", ContactMethodViewSet, "contact-method"),
    ("deliveries", DeliveryViewSet, "delivery"),
]:
    router.register(prefix, viewset, name)


# --- Problems -------------------------------------------------------------------------------------


def problem(exc: Exception, _context: dict[str, Any]) -> Response | None:
    """The answer to `exc` (REST framework's EXCEPTION_HANDLER); None for what is a bug of ours."""
    found = _described(exc)
    if found is None:
        return None
    response = Response(found, status=found["status"], content_type=MEDIA_TYPE)
    for name, value in _headers(exc, found["status"]).items():
        response[name] = value
    return response


def _described(exc: Exception) -> dict[str, Any] | None:
    if isinstance(exc, DomainError):
        return _of_domain(exc)
    if isinstance(exc, exceptions.ValidationError):
        errors = list(_flat(exc.get_full_details()))
        told = "; ".join(f"{e['field']}: {e['message']}" for e in errors)
        return _document(400, told, "invalid", errors=errors)
    if isinstance(exc, exceptions.APIException):
        codes = exc.get_codes()
        code = codes if isinstance(codes, str) else exc.default_code
        return _document(exc.status_code, str(exc.detail), code)
    for kind, status, code in _KINDS:
        if isinstance(exc, kind):
            return _document(status, _detail(exc, status), code)
    return None


_KINDS: list[tuple[type[Exception], int, str]] = [
    (Http404, 404, "not_found"),
    (PermissionDenied, 403, "forbidden"),
    (RequestDataTooBig, 413, "too_large"),
    (SuspiciousOperation, 400, "bad_request"),
    (ValidationError, 400, "invalid"),
    (UnreadablePostError, 400, "unreadable"),
    (TransitionNotAllowed, 409, "refused"),
    (OperationalError, 503, "unavailable"),
    (InterfaceError, 503, "unavailable"),
]
_DETAILS = {
    400: "The request cannot be understood.",
    403: "You may not do this.",
    404: "There is nothing here. Addresses of the API end with a slash.",
    409: "This does not follow from the present state.",
    413: "The body is too large; send less.",
    500: "Something went wrong on our side; it has been logged.",
    503: "The database cannot be reached at present; try again.",
}


def _of_domain(exc: DomainError) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if exc.field:
        more["errors"] = [{"field": exc.field, "code": exc.code, "message": exc.message}]
    if isinstance(exc, Refused):
        unmet = [{"code": one.code, "message": one.message} for one in exc.unmet]
        more |= {"state": str(exc.state), "allowed": [str(to) for to in exc.allowed]}
        if isinstance(exc, Stale):
            more |= {"version": exc.version, "yours": exc.yours, "theirs": exc.theirs}
        return _document(409, exc.message, exc.code, unmet=unmet, **more)
    if isinstance(exc, InvalidPayload):
        more["errors"] = [
            {"field": field, "code": exc.code, "message": message}
            for field, message in exc.errors.items()
        ]
    if isinstance(exc, Forbidden):
        return _document(403, exc.message, "forbidden", **more)
    return _document(422 if isinstance(exc, KeyReused) else 400, exc.message, exc.code, **more)


def _flat(details: Any, at: str = "") -> Iterator[dict[str, str]]:
    """REST framework's nested details as a flat list; fields are written a.0.b."""
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        code = details["code"] or "invalid"  # Django's forms leave it out
        yield {"field": at or "body", "code": code, "message": details["message"]}
    elif isinstance(details, dict):
        for name, inner in details.items():
            here = "" if name == "non_field_errors" else str(name)
            yield from _flat(inner, ".".join(filter(None, [at, here])))
    else:
        for place, inner in enumerate(details):
            leaf = isinstance(inner, dict) and set(inner) == {"message", "code"}
            yield from _flat(inner, at if leaf else f"{at}.{place}".lstrip("."))


def _document(status: int, detail: str, code: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **more,
    }


def _detail(exc: Exception, status: int) -> str:
    told = str(exc.args[0]) if exc.args and isinstance(exc, Http404 | PermissionDenied) else ""
    # Django's own words for an unknown address name its patterns; get_object_or_404's, a model.
    return (
        told if told.endswith(".") and "matches the given query" not in told else _DETAILS[status]
    )


def _headers(exc: Exception, status: int) -> dict[str, str]:
    headers: dict[str, str] = {}
    if (challenge := getattr(exc, "auth_header", None)) is not None:
        headers["WWW-Authenticate"] = str(challenge)
    wait = getattr(exc, "wait", RETRY_AFTER_SECONDS if status == 503 else None)
    if wait is not None:
        headers["Retry-After"] = str(int(wait))
    return headers


# --- What Django answers outside of the API's views ----------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return _answer(_described(exception) or _document(400, _DETAILS[400], "bad_request"))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.permission_denied(request, exception)
    return _answer(_document(403, _DETAILS[403], "forbidden"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return _answer(_document(404, _DETAILS[404], "not_found"))


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 where the database is away: then even a page of the admin says so calmly."""
    found = _described(error) if isinstance(error := sys.exc_info()[1], Exception) else None
    if found is not None and found["status"] == 503:
        answer = _answer(found)
        answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return answer
    if not _is_api(request):
        return defaults.server_error(request)
    return _answer(_document(500, _DETAILS[500], "internal"))


# Exempt: a mistyped address is to be answered as such, not with a page about forgery.
@csrf_exempt
def nothing_here(request: HttpRequest) -> HttpResponse:
    """Any other address under /api/. Says so even where DEBUG would show Django's own page."""
    answer = _answer(_document(404, _DETAILS[404], "not_found"))
    # It may be a mistyped address of an alert source, and contain its key: not for the log.
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def _answer(document: dict[str, Any]) -> HttpResponse:
    return JsonResponse(document, status=document["status"], content_type=MEDIA_TYPE)


SCHEMA = Path(__file__).with_name("openapi.yaml")


@require_safe
def schema(_request: HttpRequest) -> FileResponse:
    """The description of the API, as committed (made of the code: see tests/api/test_schema.py).

    To make it anew for every reader takes the web process memory that it never gives back.
    """
    return FileResponse(SCHEMA.open("rb"), content_type="application/vnd.oai.openapi")


# --- Addresses, below /api/ -----------------------------------------------------------------------

api_urlpatterns: list[URLPattern | URLResolver] = [
    path("schema/", schema, name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    # Before the router's /alerts/{id}/. A monitor that forgets the last slash must not lose a page.
    re_path(rf"^v1/alerts/(?P<key>{KEY})/?$", Intake.as_view(), name="intake"),
    path("v1/me/", Me.as_view(), name="me"),
    path("v1/", include(router.urls)),
    re_path(r"", nothing_here),
]
