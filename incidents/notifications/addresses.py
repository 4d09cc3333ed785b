"""Addresses as people write them: parsed, and shown without the secrets in them."""

import base64
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.db import models


class Channel(models.TextChoices):
    """How a message leaves: the name of a transport."""

    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook"
    APPRISE = "apprise", "Apprise (ntfy, Telegram, SMS …)"
    CONSOLE = "console", "Console (demo)"
    FILE = "file", "File (demo)"
    RECORDER = "recorder", "Recorder (tests)"


DEMO = frozenset({Channel.CONSOLE, Channel.FILE, Channel.RECORDER})


@dataclass(frozen=True)
class Address:
    """Where to, and how. `secret` signs webhooks (`whsec_…`) and is never shown."""

    kind: str
    address: str
    secret: str = ""


def parse(text: str) -> Address:
    """An address out of one line of configuration.

    `mailto:me@example.org`, `https://host/path#whsec_…` (a webhook and the secret that signs it),
    `console:`, `file:pages.jsonl`, `recorder:anything`; any other URL is taken by Apprise.
    """
    text = text.strip()
    scheme, _, rest = text.partition(":")
    if scheme == "mailto" and not rest.startswith("//"):
        return Address(Channel.EMAIL, rest)
    if scheme in {"http", "https"}:
        url, _, fragment = text.partition("#")
        return Address(Channel.WEBHOOK, url, fragment)
    if scheme in DEMO:
        return Address(Channel(scheme), rest or scheme)
    return Address(Channel.APPRISE, text)


def new_secret() -> str:
    """A secret for signing webhooks, in the form of the Standard Webhooks specification."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def mask(kind: str, address: str) -> str:
    """The address without what would let its reader send there: safe to show and to log."""
    if kind == Channel.WEBHOOK:
        return f"{urlsplit(address).scheme}://{urlsplit(address).hostname or '?'}/…"
    if kind == Channel.APPRISE:
        return f"{address.partition(':')[0]}://…"
    return address
