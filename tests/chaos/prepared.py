"""Processes forked from one that has loaded the libraries: each begins in a third of the time.

What is ours each of them loads by itself, under its own environment; from there on it is what
`python ARGV` is, up to the end of its interpreter. `Process` is as much of a Popen as tests use.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# What needs no settings, and takes longest to load.
LIBRARIES = (
    *("django.core.management", "django.db.backends.postgresql.base", "django.template.engine"),
    *("django.contrib.postgres.fields", "django.core.handlers.wsgi", "django.test.signals"),
    *("celery.beat", "celery.concurrency.thread", "celery.bin.celery", "kombu.transport.redis"),
    *("rest_framework.serializers", "rest_framework.compat", "drf_spectacular.utils"),
    *("pydantic", "apprise", "httpx", "rich.console", "rich.table", "structlog", "holidays"),
    *("yaml", "markdown_it", "nh3", "icalendar", "prometheus_client.core", "smtplib"),
)
PR_SET_PDEATHSIG = 1


class Process:
    """One that was forked; its parent is asked what became of it."""

    def __init__(self, parent: "Parent", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._parent = parent

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._parent.ask(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = time.monotonic() + (timeout if timeout is not None else 1e9)
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(0.01)
        return code

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class Parent:
    """The process that is ready. Started with the first order, by the main thread: what is started
    so as to end with the tests ends with the thread that started it."""

    def __init__(self) -> None:
        tied = [setpriv, "--pdeathsig", "TERM"] if (setpriv := shutil.which("setpriv")) else []
        self._asking = threading.Lock()
        self._process = subprocess.Popen(
            [*tied, sys.executable, "-m", "tests.chaos.prepared"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def start(self, argv: Sequence[str], env: Mapping[str, str], log: Path) -> Process:
        return Process(self, self.ask({"argv": argv, "env": dict(env), "log": str(log)}))

    def ask(self, order: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        with self._asking:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())


_parent: Parent | None = None


def start(argv: Sequence[str], env: Mapping[str, str], log: Path) -> Process:
    """`python ARGV` in a session of its own, under this environment; what it says is in `log`."""
    global _parent  # noqa: PLW0603
    if _parent is None:
        _parent = Parent()
    return _parent.start(argv, env, log)


def main() -> None:
    """Obey orders: a number asks whether that process has ended, anything else starts one."""
    for name in LIBRARIES:
        importlib.import_module(name)
    assert threading.active_count() == 1, "A fork would lose the other threads"
    gc.freeze()
    while line := sys.stdin.readline():
        order = json.loads(line)
        if isinstance(order, int):
            ended, status = os.waitpid(order, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        else:
            answer = os.fork()
            if answer == 0:
                begin(order)
                return
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


def begin(order: dict[str, Any]) -> None:
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(order["env"])
    gc.unfreeze()
    sys.argv = order["argv"]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
