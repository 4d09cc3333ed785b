"""Times in the reader's zone, and the one exception to the content security policy."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.csp import CSP

ADMIN_CSP = {**settings.SECURE_CSP, "script-src": [CSP.SELF, CSP.UNSAFE_EVAL]}


class ReadersZone:
    """Shows times in the zone that the person who is logged in has chosen."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        zone = getattr(request.user, "timezone", None) if _is_page(request) else None
        with timezone.override(zone or "UTC"):
            return self.get_response(request)


def _is_page(request: HttpRequest) -> bool:
    # The API speaks UTC, and alerts are not to cost a look at a session.
    return not request.path.startswith("/api/")


class AdminContentSecurityPolicy:
    """Lets unfold's Alpine evaluate its expressions, under the admin's path and nowhere else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.prefix = reverse("admin:index")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith(self.prefix):
            response._csp_config = ADMIN_CSP  # type: ignore[attr-defined]
        return response
