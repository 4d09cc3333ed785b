"""Declaring once, however often the request is repeated."""

import hashlib
import json
from typing import Any

from django.db import IntegrityError, transaction

from incidents.core.errors import DomainError
from incidents.core.models import IdempotencyKey, Incident, User
from incidents.core.services.declaring import declare, reserve_reference
from incidents.timers import clock


class KeyReused(DomainError):
    """The same Idempotency-Key came with another request body."""


def declare_once(
    *, key: str, request: dict[str, Any], actor: User, **facts: Any
) -> tuple[Incident, bool]:
    """`declare(**facts)` the first time `actor` uses `key`; later the same incident, and False.

    `request` is the body as it came; another body under the same key raises KeyReused.
    """
    if not key.strip() or len(key) > 200:
        raise DomainError("Idempotency-Key must have 1 to 200 characters.", field="Idempotency-Key")
    body = json.dumps(request, sort_keys=True, default=str)
    fingerprint = hashlib.sha256(body.encode()).hexdigest()
    if (earlier := _earlier(actor, key, fingerprint)) is not None:
        return earlier, False
    reservation = reserve_reference(facts["service"])
    try:
        with transaction.atomic():
            incident = declare(actor=actor, reservation=reservation, **facts)
            IdempotencyKey.objects.create(
                user=actor,
                key=key,
                fingerprint=fingerprint,
                incident=incident,
                created_at=clock.now(),
            )
    except IntegrityError:
        # A twin of this request was quicker; whatever else went wrong is raised again.
        earlier = _earlier(actor, key, fingerprint)
        if earlier is None:
            raise
        return earlier, False
    return incident, True


def _earlier(actor: User, key: str, fingerprint: str) -> Incident | None:
    used = (
        IdempotencyKey.objects.filter(user=actor, key=key)
        .select_related("incident__service__team", "incident__revision")
        .first()
    )
    if used is None:
        return None
    if used.fingerprint != fingerprint:
        raise KeyReused(
            "This Idempotency-Key was used for another request; send a new key.",
            code="idempotency_key_reused",
        )
    return used.incident
