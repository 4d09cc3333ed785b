"""Named places where a chaos test kills, stops or delays a process that it started itself.

Active only when TOCSIN_FAILPOINTS is set, e.g. `send.before_mark=kill;tick.after_claim=sleep:2`.
`kill@0.05` is done once in twenty times; TOCSIN_FAILPOINTS_SEED makes the chances repeatable.
"""

import os
import random
import signal
import time

_ACTIONS = dict(
    entry.split("=", 1) for entry in os.environ.get("TOCSIN_FAILPOINTS", "").split(";") if entry
)
_chance = random.Random(os.environ.get("TOCSIN_FAILPOINTS_SEED"))


def reach(name: str) -> None:
    """Do here what TOCSIN_FAILPOINTS says of `name`: kill, stop, sleep:SECONDS or raise."""
    if name not in _ACTIONS:
        return
    action, _, probability = _ACTIONS[name].partition("@")
    if probability and _chance.random() >= float(probability):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.1)  # Another thread may have taken the signal: this one goes no further.
    elif action.startswith("sleep:"):
        time.sleep(float(action.removeprefix("sleep:")))
    elif action == "raise":
        raise RuntimeError(f"failpoint {name}")
