import os
import sys
import time
import warnings
from typing import Any

from celery import beat, signals
from celery.exceptions import SecurityWarning
from celery.platforms import EX_FAILURE
from django.core.management.base import BaseCommand, CommandParser

from config.alarm import OwnAlarm
from config.celery import app
from incidents.notifications import engine as outbox
from incidents.timers import heart

PAUSE_SECONDS = 1.0


class Command(BaseCommand):
    help = (
        "Run a Celery worker (threads) with its own beat: timers happen, pages leave.\n"
        "Any number of them may run, on any number of machines.  Example: manage.py worker"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--threads", type=int, default=4, help="tasks at once (default 4)")
        parser.add_argument(
            "--no-beat", action="store_true", help="leave the beat to the other workers"
        )

    def handle(self, *_args: Any, threads: int, no_beat: bool, **_options: Any) -> None:
        heart.begin()
        alarm = OwnAlarm()
        signals.task_prerun.connect(alarm.heard, weak=False)
        alarm.start()
        if not no_beat:
            # Threads, and a schedule in memory: the in-memory broker is in this process only, and
            # a beat that fires twice or late does no harm.
            service: Any = beat.EmbeddedService(
                app, thread=True, max_interval=1, scheduler_cls=beat.Scheduler
            )
            signals.worker_ready.connect(lambda **_: service.start(), weak=False)
            signals.worker_shutting_down.connect(lambda **_: service.stop(), weak=False)
        # It is about pickle; only JSON is accepted here.
        warnings.filterwarnings("ignore", category=SecurityWarning)
        worker = app.Worker(
            pool="threads",
            concurrency=threads,
            queues=["clock", "outbox"],
            loglevel="WARNING",
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        worker.start()
        alarm.stop()
        outbox.shutdown(wait=True)
        if worker.exitcode == EX_FAILURE:
            # Celery gave up, as it does when the broker goes away in the wrong moment. We do not.
            time.sleep(PAUSE_SECONDS)
            os.execv(sys.executable, sys.orig_argv)  # noqa: S606 (ourselves)
        raise SystemExit(worker.exitcode)
