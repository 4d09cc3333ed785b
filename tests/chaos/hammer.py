"""Eight threads that take in signals by the verb: `python -m tests.chaos.hammer SOURCE COUNT FILE`.

Every signal that was committed is a line of FILE; started again, it goes on until there are COUNT.
What the database refused is a line on stderr.
"""

import json
import os
import random
import sys
import threading
from pathlib import Path

import django

django.setup()

from django.db import OperationalError, connections  # noqa: E402

from incidents.alerts import services as alerts  # noqa: E402
from incidents.alerts.payload import parse  # noqa: E402

THREADS = 8
NEW = 0.1  # Of ten signals one is about something new; the others repeat something known.


def hammer(source_key: str, left: threading.Semaphore, ledger: int) -> None:
    rng, known = random.Random(), 0
    name = f"{os.getpid()}-{threading.get_ident()}"
    while left.acquire(blocking=False):
        if not known or rng.random() < NEW:
            known += 1
        key = f"hammer-{name}-{rng.randint(1, known)}"
        try:
            source = alerts.source_of(source_key)
            alerts.ingest(source, parse({"dedup_key": key, "summary": "Nail"}))
        except OperationalError as error:
            sys.stderr.write(f"REFUSED {error}\n")
            left.release()
            continue
        os.write(ledger, json.dumps({"dedup_key": key}).encode() + b"\n")
    connections.close_all()


def main(source_key: str, count: str, path: str) -> None:
    done = len(Path(path).read_bytes().splitlines()) if Path(path).exists() else 0
    ledger = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    left = threading.Semaphore(max(int(count) - done, 0))
    threads = [
        threading.Thread(target=hammer, args=[source_key, left, ledger]) for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
