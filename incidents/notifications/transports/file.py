"""Appends one line of JSON per message to a file inside DATA_DIR. For demos and chaos tests."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from django.conf import settings

from incidents.notifications.transports.base import (
    Outgoing,
    Sent,
    TransportError,
    require_demo,
)


def check(address: str) -> None:
    require_demo("file")
    _path(address)


def send(outgoing: Outgoing) -> Sent:
    require_demo("file")
    path = _path(outgoing.address)
    facts = {**asdict(outgoing), "at": outgoing.at.isoformat()}
    del facts["secret"]
    line = json.dumps(facts, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One write of an appending descriptor: lines of several processes do not mix.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise TransportError(f"{path.name}: {error}") from error
    return Sent()


def _path(address: str) -> Path:
    folder = Path(os.path.realpath(settings.DATA_DIR))
    path = Path(os.path.realpath(folder / address))
    if not path.is_relative_to(folder) or path == folder:
        raise TransportError(f"{address!r} is not a file inside DATA_DIR.", permanent=True)
    return path
