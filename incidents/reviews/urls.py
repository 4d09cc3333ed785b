"""Below /i/action-items/: what a responder has to do, on a phone."""

from django.urls import path

from incidents.reviews import pages

urlpatterns = [
    path("", pages.own_items, name="action-items"),
    path("<int:pk>/", pages.one_item, name="action-item"),
    path("<int:pk>/<slug:verb>/", pages.act, name="action-item-verb"),
]
