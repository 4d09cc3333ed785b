import logging
import queue
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections, connections

from incidents.insights import services as insights
from incidents.notifications import engine as outbox
from incidents.timers import engine as timers
from incidents.timers import heart

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 20.0


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
        # Beside the loop: an audit takes its time, and pages have none.
        threading.Thread(target=_keep_looking, name="auditor", daemon=True).start()
        # Not an Event: a handler that sets one can deadlock with the waiter that it interrupts.
        stop: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _frame: stop.put(number))
        while not _asked_within(stop, every):
            try:
                close_old_connections()
                timers.tick()
                outbox.dispatch()
            except Exception:
                # Whatever it is, the next second this loop has to be there.
                logger.exception("Unable to do what is due; trying again")
        outbox.shutdown(wait=True)


def _keep_looking() -> None:
    """The auditor looks once a minute, whichever process asks first; dies with this one."""
    pause = threading.Event()
    while not pause.wait(LOOK_EVERY_SECONDS):
        try:
            insights.look()
        except Exception:
            logger.exception("Unable to audit; trying again")
        finally:
            connections.close_all()


def _asked_within(stop: "queue.SimpleQueue[int]", seconds: float) -> bool:
    try:
        stop.get(timeout=seconds)
    except queue.Empty:
        return False
    return True
