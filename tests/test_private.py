"""What is private is named nowhere to whom it does not concern: every page is opened and read."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse

from incidents.alerts import services as alerts
from incidents.alerts.payload import parse
from incidents.core import services as core
from incidents.core.admin.declaring import declare
from incidents.core.adminsite import HouseAdmin
from incidents.core.models import Incident, User
from incidents.escalation import services as escalation
from incidents.reviews import services as reviews
from incidents.timers import clock
from tests.browser.world import World, build, settle
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db

REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)
SECRET = "xylophone"
NEWEST = 10  # the affair is the last thing that happened


@pytest.fixture
def world() -> World:
    return build()


@pytest.fixture
def affair(world: World) -> Iterator[list[Incident]]:
    """Two private incidents with everything that hangs on one; Alice and Bob are told."""
    facts: dict[str, Any] = {"once": "", "severity": "SEV1", "is_private": True}
    facts |= {"incident_type": ""}
    facts |= {"title": f"The {SECRET} leaked", "service": world.service}
    facts |= {"description": f"All about the {SECRET}", "audience": [world.bob]}
    own = declare(world.alice, facts)
    settle()
    core.acknowledge(own, actor=world.bob)
    core.assign_role(own, role="commander", user=world.bob, actor=world.alice)
    core.note(own, text=f"The {SECRET} again", actor=world.bob)
    core.add_checklist_item(own, text=f"Hide the {SECRET}", actor=world.bob)
    item = reviews.add_item(own, title=f"Bury the {SECRET}", owner=world.bob, actor=world.bob)
    reviews.comment_item(item, text=f"The {SECRET} is buried", actor=world.bob)
    escalation.page_person(own, user=world.alice, reason=f"The {SECRET}!", actor=world.bob)
    core.expect_signal(
        matchers={"dedup_key": "quiet"},
        until=clock.now() + timedelta(hours=1),
        audience=[world.bob],
    )
    signal = parse({"dedup_key": "quiet", "summary": f"{SECRET} fell over"})
    heard = alerts.ingest(world.source, signal)
    assert heard.incident is not None
    alerts.log_request(world.source, status=202, body=f"{SECRET}", receipt=heard)
    settle()
    yield [own, heard.incident]


@pytest.fixture
def stranger(world: World) -> Client:
    """Manages the very team, and is not told."""
    mallory = UserFactory(username="mallory")
    MembershipFactory(team=world.team, user=mallory, role="manager")
    return _browser(mallory)


def _browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _addresses() -> Iterator[str]:
    for model in REGISTERED:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        yield f"{reverse(f'{name}_changelist')}?q={SECRET}"
        if isinstance(admin.site._registry[model], HouseAdmin):
            yield reverse(f"{name}_export")
        for row in model._default_manager.order_by("-pk")[:NEWEST]:
            yield reverse(f"{name}_change", args=[row.pk])
            yield reverse(f"{name}_history", args=[row.pk])
    yield from ["/admin/", "/admin/set-up/", f"/admin/search/?s={SECRET}&extended=1"]
    yield from ["/i/", "/i/resolved/", "/me/", "/i/declare/"]


def _pieces() -> Iterator[str]:
    yield from [reverse(f"admin:cockpit_{name}") for name in ["now", "charts", "set_up", "trial"]]
    yield "/i/"


def _read(answer: Any) -> str:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return body.decode(errors="replace")


def _naming(client: Client, affair: list[Incident]) -> list[str]:
    """The addresses whose pages tell of it."""
    references = [incident.reference for incident in affair]
    answers = [(url, client.get(url)) for url in _addresses()]
    answers += [(url, client.get(url, headers={"X-Requested-With": "live"})) for url in _pieces()]
    found = []
    for url, answer in answers:
        text = _read(answer)
        # A search repeats what was typed; what it has found is there with its reference.
        words = references if SECRET in url else [SECRET, *references]
        found += [f"{url}: {word}" for word in words if word in text]
    return found


def test_no_page_names_it_to_a_stranger(affair: list[Incident], stranger: Client) -> None:
    assert "\n".join(_naming(stranger, affair)) == ""


def test_pages_do_name_it_to_the_audience(affair: list[Incident], world: World) -> None:
    """Else the test above would not see a thing."""
    assert len(_naming(_browser(world.alice), affair)) > 10


def _hidden_columns() -> Iterator[tuple[str, str]]:
    """Every text that a model keeps and that no filter or quick view of its list is about."""
    for model in REGISTERED:
        page = admin.site._registry[model]
        if isinstance(page, HouseAdmin):
            names = [one[0] if isinstance(one, tuple) else one for one in page.list_filter]
            offered = {getattr(name, "parameter_name", name) for name in names}
            for field in model._meta.get_fields():
                kept = isinstance(field, models.CharField | models.TextField)
                if kept and field.name not in offered:
                    yield (
                        reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist"),
                        field.name,
                    )


def test_no_list_tells_what_it_hides_letter_by_letter(world: World) -> None:
    """`?password__startswith=p` and the like: a hash, a masked address, a link in a message."""
    client = _browser(world.root)
    hidden = list(_hidden_columns())
    assert ("/admin/incidents/user/", "password") in hidden
    assert ("/admin/notifications/delivery/", "body") in hidden
    assert ("/admin/notifications/contactmethod/", "address") in hidden

    open_ones = [
        f"{page}?{name}"
        for page, name in hidden
        if client.get(page, {f"{name}__startswith": "a"}).status_code != 400
    ]
    assert "\n".join(open_ones) == ""
