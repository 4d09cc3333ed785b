from django.urls import path

from incidents.escalation import views

app_name = "escalation"
urlpatterns = [path("<str:token>/", views.acknowledge, name="acknowledge")]
