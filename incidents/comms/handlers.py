"""What happens by itself: an update is due, or was missed. The engine has locked the incident."""

from datetime import datetime

from incidents.comms import services
from incidents.core.models import Incident
from incidents.timers.models import Timer


def update_due(timer: Timer, incident: Incident, now: datetime) -> None:
    services.act_on_promise(timer, incident, now)
