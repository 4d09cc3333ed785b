"""The threads of a lane. Each keeps its database connection while there is work, and not longer.

Connecting anew for every page cost more than the page: PostgreSQL starts a process for each
connection and makes both sides compute a proof of the password. Threads that sit idle must not sit
on connections either, for there may be a hundred of them.
"""

import logging
import queue
import threading
from collections.abc import Callable

from django.db import close_old_connections, connections

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
type Job = Callable[[], None]


class Crew:
    """Up to `most` threads that do jobs, oldest job first. A thread that is idle goes home."""

    def __init__(self, most: int, *, name: str) -> None:
        self._most, self._name = most, name
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()  # those just leaving as well
        self._at_work = 0
        self._waiting = 0  # threads without a job, less the jobs without a thread
        self._changing = threading.Lock()
        self._closed = False

    def submit(self, job: Job) -> None:
        """Have it done by the next thread that is free. RuntimeError when closed."""
        with self._changing:
            if self._closed:
                raise RuntimeError("Nothing new is begun here.")
            self._jobs.put(job)
            self._waiting -= 1
            if self._waiting < 0 and self._at_work < self._most:
                self._waiting += 1
                self._at_work += 1
                thread = threading.Thread(target=self._work, name=self._name)
                self._threads.add(thread)
                thread.start()

    def close(self, *, wait: bool) -> None:
        """Take nothing new; what was submitted is still done. `wait` until it is."""
        with self._changing:
            self._closed = True
            threads = list(self._threads)
            for _ in threads:
                self._jobs.put(None)
        for thread in threads if wait else []:
            thread.join()

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                try:
                    close_old_connections()
                    job()
                except Exception:
                    logger.exception("Unable to finish a delivery")
                with self._changing:
                    self._waiting += 1
        finally:
            connections.close_all()
            with self._changing:
                self._threads.discard(threading.current_thread())

    def _next(self) -> Job | None:
        """The job that is to be done; None: this thread is to go."""
        while True:
            try:
                return self._jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._changing:
                    if self._waiting > 0:  # Else one has just come.
                        self._waiting -= 1
                        self._at_work -= 1
                        return None
