"""Puts the payloads into every text that the house keeps, past the verbs that would refuse them."""

from itertools import count

from django.apps import apps
from django.db import models, transaction

from incidents.alerts import services as alerts
from incidents.alerts.models import Alert
from incidents.alerts.payload import parse
from incidents.core import history
from incidents.core import services as core
from tests.browser.payloads import ADDRESSES, PAYLOADS, packs
from tests.browser.world import World, settle

ROOMS = [
    "timers",
    "incidents",
    "oncall",
    "notifications",
    "escalation",
    "alerts",
    "insights",
    "reviews",
]
UNLIMITED = 5_000
SHORTEST = min(len(payload) for payload in PAYLOADS)

# What programs read and no door lets anybody type.
OF_MACHINES = {
    *("timezone", "reference", "reference_format", "country", "subdivision", "currency", "page"),
    *("key", "open_key", "pending_key", "kind", "subject_type", "cause", "recipient_key"),
    *("password", "secret", "fingerprint", "digest", "link_digest", "key_digest"),
    *("verification_digest", "account", "device", "transport", "status", "state", "series"),
}


def poisoned_fields() -> list[models.Field]:
    """Every column for free text."""
    return [
        field
        for room in ROOMS
        for model in apps.get_app_config(room).get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.CharField | models.TextField)
        if not field.choices and not isinstance(field, models.SlugField)
        if (field.max_length or UNLIMITED) > SHORTEST
        if field.name not in OF_MACHINES
    ]


def send_alerts(world: World) -> None:
    """Through the door: every payload in every part of an alert."""
    supply = packs(290, 0)
    for number in range(len(PAYLOADS)):
        text = next(supply)
        body = {
            "dedup_key": f"{number} {text}"[:250],
            "summary": text,
            "description": " ".join(PAYLOADS),
            "service": PAYLOADS[number][:100] if number < 20 else "search",
            "severity": "SEV3" if number % 20 else PAYLOADS[number],
            "labels": {PAYLOADS[number][:90]: text},
            "links": [{"href": address, "text": text} for address in ADDRESSES],
        }
        alerts.ingest(world.source, parse(body))
    settle()


def write_notes(world: World) -> None:
    """Through the verbs: one incident that is nothing but payloads."""
    for payload in PAYLOADS:
        core.note(world.incidents["taken"], text=payload, actor=world.bob)
        core.add_checklist_item(world.incidents["taken"], text=payload, actor=world.bob)


def poison(start: int) -> set[str]:
    """Past the verbs: every text of every row. Returns what was stored."""
    stored: set[str] = set()
    with transaction.atomic(), history.opened():
        for offset, field in enumerate(poisoned_fields()):
            _poison_field(field, start + 7 * offset, stored)
        for alert in Alert.objects.all():
            links = [{"href": address, "text": PAYLOADS[0]} for address in ADDRESSES]
            Alert.objects.filter(pk=alert.pk).update(links=links)
    return stored


def _poison_field(field: models.Field, start: int, stored: set[str]) -> None:
    rows, number = field.model._base_manager, count(start)
    longest = field.max_length or UNLIMITED
    supply = packs(longest - 8 * field.unique, start)
    for pk, now in rows.values_list("pk", field.name):
        if isinstance(field, models.URLField):
            text = ADDRESSES[next(number) % len(ADDRESSES)]
        elif field.name == "address":
            text = f"https://example.org/{next(number)}{PAYLOADS[next(number) % len(PAYLOADS)]}"
        elif now is None:
            continue  # empty on purpose
        else:
            text = next(supply) + (f" {next(number)}" if field.unique else "")
        rows.filter(pk=pk).update(**{field.name: text})
        stored.add(text)
