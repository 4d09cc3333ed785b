"""Times in the reader's zone, and what every answer forbids the browser."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.csp import CSP

INLINE_STYLES = {**settings.SECURE_CSP, "style-src": [CSP.SELF, CSP.UNSAFE_INLINE]}
ADMIN_CSP = {**INLINE_STYLES, "script-src": [CSP.SELF, CSP.UNSAFE_EVAL]}
# Nothing of what a device can do is needed; what is not named here asks the person anyway.
FORBIDDEN = ", ".join(
    f"{feature}=()"
    for feature in [
        *("accelerometer", "autoplay", "browsing-topics", "camera", "display-capture"),
        *("encrypted-media", "fullscreen", "geolocation", "gyroscope", "hid", "idle-detection"),
        *("local-fonts", "magnetometer", "microphone", "midi", "payment", "picture-in-picture"),
        *("publickey-credentials-get", "screen-wake-lock", "serial", "usb"),
        "xr-spatial-tracking",
    ]
)


class ReadersZone:
    """Shows times in the zone that the person who is logged in has chosen."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        zone = getattr(request.user, "timezone", None) if _is_page(request) else None
        with timezone.override(zone or "UTC"):
            return self.get_response(request)


def _is_page(request: HttpRequest) -> bool:
    # The API speaks UTC, and alerts are not to cost a look at a session. The public page speaks UTC
    # as well, and is shown when there is no database to look at.
    return not request.path.startswith(("/api/", "/status"))


class SafeAnswers:
    """Headers beyond Django's: no features of the device, no copy of a page left behind.

    The content security policy has two exceptions: unfold's Alpine evaluates expressions and sets
    styles, under the admin's path; the page that describes the API has a style of its own.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.admin, self.api_docs = reverse("admin:index"), reverse("docs")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response: Any = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", FORBIDDEN)
        if not request.path.startswith(settings.STATIC_URL):
            # Whoever presses "back" on a shared machine after a logout must not see it again.
            response.headers.setdefault("Cache-Control", "no-store")
        if request.path.startswith(self.admin):
            response._csp_config = ADMIN_CSP
        elif request.path == self.api_docs:
            response._csp_config = INLINE_STYLES
        return response
