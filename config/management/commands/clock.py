import queue
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.auditor import Auditor
from config.rounds import do_each
from incidents.notifications import engine as outbox
from incidents.timers import engine as timers
from incidents.timers import heart


class Command(BaseCommand):
    help = (
        "Make everything happen that is due and send what is to be sent, without any broker.\n"
        "The same loop as the workers', for the time when Redis is down; run it beside them.\n"
        "Example: manage.py clock"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is due now, then end")
        parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS")

    def handle(self, *_args: Any, once: bool, every: float, **_options: Any) -> None:
        if once:
            timers.tick()
            outbox.dispatch(wait=True)
            return
        heart.begin()
        auditor = Auditor()
        # Not an Event: a handler that sets one can deadlock with the waiter that it interrupts.
        stop: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _frame: stop.put(number))
        while not _asked_within(stop, every):
            do_each(timers.tick, outbox.dispatch, auditor.now_and_then)
        outbox.shutdown(wait=True)


def _asked_within(stop: "queue.SimpleQueue[int]", seconds: float) -> bool:
    try:
        stop.get(timeout=seconds)
    except queue.Empty:
        return False
    return True
