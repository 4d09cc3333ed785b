import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from incidents.alerts import services
from incidents.alerts.models import Source
from incidents.core.models import Service


@pytest.fixture
def source(service: Service) -> Source:
    """A monitor of Payments that knows the service Checkout by its slug."""
    return services.create_source(name="Probe", team=service.team, actor=None)


@pytest.fixture
def send(source: Source, client: Client) -> Callable[..., Any]:
    """Post a signal as the monitor does: fields, or `raw` bytes as they are."""
    facts = {"dedup_key": "checkout:health", "summary": "Checkout is down", "service": "checkout"}

    def post(raw: bytes | str | None = None, /, *, key: str = "", **changes: Any) -> Any:
        body = json.dumps(facts | changes) if raw is None else raw
        address = f"/api/v1/alerts/{key or source.key}/"
        return client.post(address, body, content_type="application/json")

    return post
