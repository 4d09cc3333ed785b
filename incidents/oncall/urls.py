from django.urls import path

from incidents.oncall import pocket

urlpatterns = [
    path("", pocket.on_call, name="on-call"),
    path("<slug:slug>/take/", pocket.take, name="on-call-take"),
]
