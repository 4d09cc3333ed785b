"""What happens by itself to a runbook. The engine has locked its row of upkeep."""

from datetime import datetime

from incidents.runbooks import services
from incidents.runbooks.models import Upkeep
from incidents.timers.models import Timer


def ask_for_review(_timer: Timer, upkeep: Upkeep, now: datetime) -> None:
    services.ask_for_review(upkeep, now=now)
