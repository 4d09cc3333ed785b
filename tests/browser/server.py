"""The product's own WSGI application on a port of its own, in this process.

In this process, so that a test may move the clock and read what the recorder sent; the same
application as in production, so that whitenoise serves the files and every header is real.
"""

import sqlite3
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.db import connections
from django.test.testcases import LiveServerThread

REST_WITHIN_SECONDS = 10.0


class House:
    """The running application; `errors`: what was raised behind a 500."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._busy, self._lock = 0, threading.Lock()
        self._application = WSGIHandler()
        self._thread = LiveServerThread("127.0.0.1", lambda _files: self._serve)

    def start(self) -> None:
        got_request_exception.connect(self._note_error)
        self._thread.daemon = True
        self._thread.start()
        self._thread.is_ready.wait()
        if self._thread.error:
            raise self._thread.error

    def stop(self) -> None:
        got_request_exception.disconnect(self._note_error)
        self._thread.terminate()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._thread.port}"

    def rest(self) -> None:
        """Returns when no request is being answered: a table may be emptied then."""
        deadline = time.monotonic() + REST_WITHIN_SECONDS
        while self._busy:
            if time.monotonic() > deadline:
                raise TimeoutError("The server is still answering.")
            time.sleep(0.01)

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        with self._lock:
            self._busy += 1
        try:
            response = self._application(environ, start_response)
            yield from response
            response.close()
        finally:
            with self._lock:
                self._busy -= 1

    def _note_error(self, *, request: Any, **_: Any) -> None:
        self.errors.append(f"{request.path}\n{traceback.format_exc()}")


@contextmanager
def shared_by_threads(folder: Path) -> Iterator[None]:
    """Let every thread have a connection of its own.

    SQLite's database in memory has one for all, in which transactions of two threads would mingle:
    for the time being it becomes a file.
    """
    connection = connections["default"]
    options = connection.settings_dict
    before, raw = dict(options), connection.connection
    options["CONN_MAX_AGE"] = 0
    in_memory = connection.vendor == "sqlite" and connection.is_in_memory_db()
    if in_memory:
        connection.ensure_connection()
        raw, file = connection.connection, folder / "browser.sqlite3"
        with sqlite3.connect(file) as copy:
            raw.backup(copy)
        copy.close()
        connection.connection, options["NAME"] = None, str(file)
        # No power fails in a test that would matter: nobody waits for a disk.
        quick = "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY;"
        options["OPTIONS"] = {**options["OPTIONS"], "init_command": quick}
    try:
        yield
    finally:
        if in_memory:
            connection.close()
            connection.connection = raw
        options.update(before)
