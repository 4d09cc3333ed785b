"""An installation as a new user has it: `manage.py up` on an empty folder, nothing else."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from drills.demo.process import free_port
from tests.chaos.installation import ROOT, kill
from tests.chaos.servers import eventually

UP_WITHIN_SECONDS = 120.0
OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE", "SMTP_HOST")


@dataclass(frozen=True)
class Fresh:
    url: str
    password: str
    pid: int


@contextmanager
def fresh(folder: Path, **settings: str) -> Iterator[Fresh]:
    """On an empty folder; the administrator's password is the one that `up` prints."""
    with running(folder, **settings) as (url, said, pid):
        password = re.search(r"admin, password (\S+)", said)
        assert password, said
        yield Fresh(url, password[1], pid)


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[tuple[str, str, int]]:
    """`manage.py up` on what is in the folder: address, what it said, and its process's number."""
    port, log = free_port(), folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--bind", f"127.0.0.1:{port}"],
            env=environment(folder, PUBLIC_URL=f"http://127.0.0.1:{port}", **settings),
            cwd=ROOT,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        eventually(lambda: _answers(port, process, log), within=UP_WITHIN_SECONDS, every=0.2)
        yield f"http://127.0.0.1:{port}", log.read_text(), process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        kill(process)


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """The process's own, without what would lead to other data."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    ours = {"DATA_DIR": str(folder / "data"), "LOG_LEVEL": "WARNING", "COLUMNS": "200"}
    return kept | ours | settings


def _answers(port: int, process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        pytest.fail(f"It did not come up:\n{log.read_text()}")
    try:
        return httpx.get(f"http://127.0.0.1:{port}/login/").is_success
    except httpx.TransportError:
        return False
