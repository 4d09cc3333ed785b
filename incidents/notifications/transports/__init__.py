"""The ways out, by name. Each is a module of its own with `check` and `send`."""

from incidents.notifications.transports import (
    apprise,
    console,
    email,
    file,
    recorder,
    sandbox,
    webhook,
)
from incidents.notifications.transports.base import Transport

TRANSPORTS: dict[str, Transport] = {
    "email": email,
    "webhook": webhook,
    "apprise": apprise,
    "console": console,
    "file": file,
    "recorder": recorder,
    "sandbox": sandbox,
}
