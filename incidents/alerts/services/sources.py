"""Keeping the monitors that report here, and their keys."""

import logging
from typing import Any

from incidents.alerts.models import Source, new_key
from incidents.core.configuration import remembered
from incidents.core.errors import DomainError
from incidents.core.models import Service, Team, User, digest_of

logger = logging.getLogger(__name__)

PREFIX = 6


def create_source(
    *, name: str, team: Team | None = None, service: Service | None = None, actor: User | None
) -> Source:
    """A new address for a monitor to report to. Its `key` is on this instance and nowhere else."""
    if Source.objects.filter(name=name).exists():
        raise DomainError(f"There is a source {name!r} already.", field="name")
    source = Source(name=name, team=team, service=service)
    _give_key(source)
    source.save(force_insert=True)
    logger.info("%s made the alert source %s", actor or "Tocsin", source)
    return source


def change_source(source: Source, *, actor: User | None, **fields: Any) -> Source:
    """Set name, team, service or is_active. An inactive source is refused with 403."""
    for name, value in fields.items():
        setattr(source, name, value)
    source.save(update_fields=list(fields))
    logger.info("%s changed %s of the source %s", actor or "Tocsin", ", ".join(fields), source)
    return source


def rotate_key(source: Source, *, actor: User | None) -> Source:
    """A new key, on this instance only; the old address opens nothing from this moment on."""
    _give_key(source)
    source.save(update_fields=["digest", "prefix"])
    logger.info("%s gave the alert source %s another key", actor or "Tocsin", source)
    return source


@remembered
def source_of(key: str) -> Source | None:
    """The source that has this key, active or not, in one query."""
    return Source.objects.select_related("service__team").filter(digest=digest_of(key)).first()


def _give_key(source: Source) -> None:
    source.key = new_key()
    source.digest, source.prefix = digest_of(source.key), source.key[:PREFIX]
