"""The lists of the rooms below and of this one: quick views and exports lead somewhere."""

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from incidents.alerts import services
from incidents.alerts.models import Alert, Source
from incidents.core.models import User
from incidents.escalation.models import Escalation, EscalationPolicy, Page, PolicyAssignment
from incidents.notifications.models import ContactMethod, Delivery, LastResortAddress
from incidents.oncall.models import Override, Schedule

LISTS: list[Any] = [
    *(Alert, Source, Escalation, EscalationPolicy, Page, PolicyAssignment),
    *(ContactMethod, Delivery, LastResortAddress, Override, Schedule),
]


def address(model: Any) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


@pytest.fixture
def manager(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.mark.parametrize("model", LISTS)
def test_every_quick_view_is_a_list(manager: Client, alice: User, model: Any) -> None:
    request: Any = RequestFactory().get("/")
    request.user = alice
    page: Any = admin.site.get_model_admin(model)
    views = page.quick_views
    offered = views(request) if callable(views) else views

    for _, query in [("all", ""), *offered]:
        # A filter that does not exist leads away from the list.
        assert manager.get(f"{address(model)}?{query}").status_code == 200, query


@pytest.mark.parametrize("model", LISTS)
def test_every_list_is_exported(manager: Client, source: Source, send: Any, model: Any) -> None:
    send()

    exported = manager.get(f"{address(model)}export.csv")

    assert exported.status_code == 200
    assert exported["Content-Type"].startswith("text/csv")
    assert exported.getvalue()


def test_my_teams_are_one_press_away(manager: Client, source: Source) -> None:
    services.create_source(name="Of nobody", actor=None)
    query = f"team__in={source.team_id}"

    listed = manager.get(address(Source))
    mine = manager.get(f"{address(Source)}?{query}")

    assert f"?{query}" in listed.text
    assert [row.name for row in mine.context_data["cl"].result_list] == ["Probe"]


def test_the_list_of_sources_takes_the_same_queries_for_one_and_for_fifty(
    manager: Client, source: Source
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            manager.get(address(Source))
        return len(captured)

    queries()
    one = queries()
    for number in range(49):
        services.create_source(name=f"Source {number}", team=source.team, actor=None)

    assert queries() == one
