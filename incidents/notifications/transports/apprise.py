"""Everything that the Apprise library reaches by URL: ntfy, Telegram, Slack, SMS gateways.

Apprise opens its own connections. What names a host of its own choice is judged before, each of
its connections is judged again when it is made, and what is made to call arbitrary hosts, or leaves
the network altogether, is refused: unless WEBHOOK_ALLOW_PRIVATE is set, which a proxy on the own
network needs as well.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import apprise
from django.conf import settings

from incidents.notifications.transports import network
from incidents.notifications.transports.base import Outgoing, Sent, TransportError

# Local devices and desktops, plain HTTP to anywhere, and mail that avoids our own SMTP server.
REFUSED = frozenset(
    {
        *("amqp", "amqps", "aprs", "blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx"),
        *("mqtt", "mqtts", "qt", "rsyslog", "smpp", "smpps", "syslog", "windows"),
        *("apprise", "apprises", "form", "forms", "json", "jsons", "mailto", "mailtos"),
        *("xml", "xmls"),
    }
)


def check(address: str) -> None:
    _plugin(address)


def send(outgoing: Outgoing) -> Sent:
    with _overheard() as said:
        plugin = _plugin(outgoing.address)
        _check_host(plugin)
        try:
            with nullcontext() if settings.WEBHOOK_ALLOW_PRIVATE else network.public_only():
                taken = plugin.notify(
                    title=outgoing.subject,
                    body=outgoing.text,
                    body_format=apprise.NotifyFormat.TEXT,
                )
        except network.PrivateAddress as error:
            raise TransportError(str(error), permanent=True) from error
    if not taken:
        raise TransportError("; ".join(said) or f"{plugin.service_name} did not take it.")
    return Sent()


def _plugin(address: str) -> Any:
    scheme = address.partition(":")[0].lower()
    if scheme in REFUSED and not settings.WEBHOOK_ALLOW_PRIVATE:
        raise TransportError(
            f"{scheme}:// could reach inside this network; set WEBHOOK_ALLOW_PRIVATE to use it.",
            permanent=True,
        )
    asset = apprise.AppriseAsset(
        app_id="Tocsin", app_desc="Tocsin", storage_mode=apprise.PersistentStoreMode.MEMORY
    )
    with _overheard():
        plugin = apprise.Apprise.instantiate(address, asset=asset)
    if plugin is None:
        raise TransportError("Apprise cannot read this address.", permanent=True)
    plugin.redirects = False
    return plugin


def _check_host(plugin: Any) -> None:
    if settings.WEBHOOK_ALLOW_PRIVATE or not any("{host}" in t for t in plugin.templates):
        return
    try:
        network.look_up(plugin.host, getattr(plugin, "port", None) or 443, allow_private=False)
    except network.PrivateAddress as error:
        raise TransportError(str(error), permanent=True) from error
    except OSError:
        return  # Not a name at all (an ntfy topic), or one that leads nowhere.


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What Apprise says in this thread: it explains failures in its log only.

    It also writes addresses with their secrets there, so nothing of it goes on to the house's log.
    """
    said: list[str] = []
    thread = threading.get_ident()

    def listen(record: logging.LogRecord) -> bool:
        if record.thread != thread:
            return True
        if record.levelno >= logging.WARNING:
            said.append(record.getMessage())
        return False

    log = logging.getLogger("apprise")
    log.addFilter(listen)
    try:
        yield said
    finally:
        log.removeFilter(listen)
