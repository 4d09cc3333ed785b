from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.api import (
    api_urlpatterns,
    bad_request,
    not_found,
    permission_denied,
    server_error,
)

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/", include(api_urlpatterns)),
    path("a/", include("incidents.escalation.urls")),
]

handler400 = bad_request
handler403 = permission_denied
handler404 = not_found
handler500 = server_error
