"""The product's addresses and the floor: the least that a view which keeps something must do."""

import json

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config import urls
from config.urls import *  # noqa: F403
from incidents.alerts.models import IntakeRequest
from incidents.timers import clock


@csrf_exempt
def floor(request: HttpRequest) -> JsonResponse:
    """Reads the body, inserts one row and answers 202 after the commit."""
    body = request.body.decode()
    row = IntakeRequest.objects.create(
        source_id=1,
        at=clock.now(),
        status=202,
        outcome=IntakeRequest.Outcome.COUNTED,
        dedup_key=json.loads(body)["dedup_key"],
        body=body,
    )
    return JsonResponse({"status": "accepted", "row": row.pk}, status=202)


urlpatterns = [path("bench/floor/", floor), *urls.urlpatterns]
