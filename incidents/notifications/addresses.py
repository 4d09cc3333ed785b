"""Addresses as people write them: parsed, and shown without the secrets in them."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
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


def kinds(*, keep: str = "") -> list[tuple[str, str]]:
    """What may be chosen here: ways by which something can be sent, and `keep`."""
    useless = set() if settings.DEMO_TRANSPORTS else set(DEMO)
    useless |= set() if settings.SMTP_HOST else {Channel.EMAIL}
    return [choice for choice in Channel.choices if choice[0] == keep or choice[0] not in useless]


@dataclass(frozen=True)
class Address:
    """Where to, and how. `secret` signs webhooks (`whsec_…`) and is never shown."""

    kind: str
    address: str
    secret: str = ""

    @property
    def masked(self) -> str:
        """Safe to show: an address may itself be the secret that lets others send there."""
        return mask(self.kind, self.address)


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
    """The address without what would let its reader send there: safe to show and to log.

    Four hex digits of its hash tell two addresses at one host apart, and nothing else.
    """
    mark = hashlib.sha256(address.encode()).hexdigest()[-4:]
    if kind == Channel.WEBHOOK:
        return f"{urlsplit(address).scheme}://{urlsplit(address).hostname or '?'}/… ({mark})"
    if kind == Channel.APPRISE:
        return f"{address.partition(':')[0]}://… ({mark})"
    return address
