"""What tests of processes wait for."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def eventually(condition: Callable[[], Any], *, within: float = 5.0, every: float = 0.02) -> Any:
    """The first true answer of `condition`; fails the test when there is none in time."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"Did not come true within {within:g} s: {condition}")
        time.sleep(every)
    return answer


def alive(pid: int) -> bool:
    """Whether a process runs under this number; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
