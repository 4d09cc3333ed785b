from django.urls import path, re_path

from incidents.notifications import views

urlpatterns = [
    path("add/", views.add, name="contacts-add"),
    path("rules/", views.rules, name="contacts-rules"),
    path("<int:pk>/", views.method, name="contacts-method"),
    path("<int:pk>/verify/", views.verify, name="contacts-verify"),
    re_path(
        r"^(?P<pk>[0-9]{1,18})/(?P<verb>send-code|test|first|remove)/$",
        views.do,
        name="contacts-do",
    ),
]
