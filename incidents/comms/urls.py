from django.urls import path

from incidents.comms import views

urlpatterns = [
    path("status/", views.page, name="status"),
    path("status.json", views.document, name="status-json"),
    path("status/feed.atom", views.feed, name="status-feed"),
    path("status/<slug:public_id>/", views.affair, name="status-incident"),
]
