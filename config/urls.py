from django.contrib import admin
from django.urls import include, path

from config import health
from config.api import (
    api_urlpatterns,
    bad_request,
    not_found,
    permission_denied,
    server_error,
)

urlpatterns = [
    path("metrics", health.metrics),  # with a token, and the other probes: config.health.Probes
    path("i/on-call/", include("incidents.oncall.urls")),  # before /i/<reference>/
    path("i/action-items/", include("incidents.reviews.urls")),  # before it as well
    path("", include("incidents.core.pages.urls")),  # login, home, /i/<reference>/, /me/
    path("me/contacts/", include("incidents.notifications.urls")),
    path("a/", include("incidents.escalation.urls")),
    path("", include("incidents.comms.urls")),  # /status/, /status.json
    path("admin/", admin.site.urls),
    path("api/", include(api_urlpatterns)),
]

handler400 = bad_request
handler403 = permission_denied
handler404 = not_found
handler500 = server_error
