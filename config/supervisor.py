"""Runs several programs as one: starts them, restarts what dies, stops them together.

Used by `manage.py demo`, and by `manage.py up`, which becomes a process of this file alone when the
house is ready: 15 MB instead of 80. So it imports nothing but Python's own.

A child leads a session and process group of its own, so that what it started can be ended with it.
A group is only signalled while its leader is an unreaped child of this process: until then nobody
else can be given its number.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, NoReturn

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
STABLE_AFTER_SECONDS = 30.0
GRACE_SECONDS = 20.0
LOOK_EVERY_SECONDS = 0.1
CANNOT_START = 127  # The exit code that shells use.

# Runs in the new process, then becomes the program: SIGTERM when the supervisor dies, however it
# dies. Not a preexec_fn, which may deadlock in a process that has threads.
LAUNCHER = """
import os, signal, sys
parent, program = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    import ctypes
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() != parent:
    sys.exit(143)
try:
    os.execvp(program[0], program)
except OSError as error:
    sys.stderr.write(f"Cannot start {program[0]}: {error.strerror}\\n")
    sys.exit(127)
"""


@dataclass(frozen=True)
class Child:
    """A program to keep running.

    `env` is added to the supervisor's environment. Output is appended to the file
    `log` (None: goes where the supervisor's goes). Without `restart` its end is only reported.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    restart: bool = True
    log: Path | None = None


def next_pause(previous: float, lived: float) -> float:
    """Seconds to wait before a restart; 0 for `previous` means that it is the first."""
    if not previous or lived >= STABLE_AFTER_SECONDS:
        return FIRST_PAUSE_SECONDS
    return min(previous * 2, LONGEST_PAUSE_SECONDS)


def say_to_stderr(line: str) -> None:
    with suppress(OSError):  # The terminal may be gone; the children still are to be looked after.
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class Running:
    """One child over all its lives."""

    def __init__(self, child: Child, say: Callable[[str], None]) -> None:
        self.child = child
        self.exit_code: int | None = None  # Of the last life, as `Popen.returncode`.
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._born = 0.0
        self._pause = 0.0
        self._due: float | None = None  # When to start it again.

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def finished(self) -> bool:
        return self._process is None and self._due is None

    def start(self) -> None:
        self._born, self._due = time.monotonic(), None
        try:
            self._process = self._spawn()
        except OSError as error:  # No memory, too many processes, the log cannot be written.
            self.exit_code = CANNOT_START
            self._plan_restart(f"could not be started ({error})", lived=0)

    def poll(self) -> None:
        """Notice its death; start it again when that is due."""
        if self.reap():
            verb = "died" if self.exit_code else "ended"
            lived = time.monotonic() - self._born
            self._plan_restart(f"{verb} (exit {self.exit_code})", lived=lived)
        if self._due is not None and time.monotonic() >= self._due:
            self.start()

    def reap(self) -> bool:
        """Whether it died since the last look. What it left behind in its group dies too."""
        if self._process is None:
            return False
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self.kill_group()
        self.exit_code = self._process.wait()
        self._process = None
        return True

    def terminate(self) -> None:
        """Ask it to end; it is the leader's business to end what it started in good order."""
        self._due = None
        if self._process is not None:
            # Not by Popen, which might reap it before its group is dealt with.
            os.kill(self._process.pid, signal.SIGTERM)

    def kill_group(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS: only zombies are left.
                os.killpg(self._process.pid, signal.SIGKILL)

    def _plan_restart(self, why: str, *, lived: float) -> None:
        if not self.child.restart:
            self._say(f"{self.child.name} {why}, not starting it again")
            return
        self._pause = next_pause(self._pause, lived)
        self._due = time.monotonic() + self._pause
        self._say(f"{self.child.name} {why}, starting it again in {self._pause:g} s")

    def _spawn(self) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), *self.child.argv]
        log = self.child.log.open("ab") if self.child.log else None
        try:
            return subprocess.Popen(  # noqa: S603 (the programs are named in our own code)
                argv,
                env={**os.environ, **self.child.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT if log else None,
                start_new_session=True,
            )
        finally:
            if log:
                log.close()


class Supervisor:
    """Either `run()`, or `start()`, `poll()` every now and then, and `stop()`.

    All from the main thread: Linux ends a child when the *thread* that started it does, and signal
    handlers can be set nowhere else.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        grace: float = GRACE_SECONDS,
        say: Callable[[str], None] = say_to_stderr,
    ) -> None:
        self._running = [Running(child, say) for child in children]
        self._grace = grace
        self._say = say
        # Not an Event: setting one in a handler deadlocks if its waiter is the thread interrupted.
        self._signals: SimpleQueue[int] = SimpleQueue()
        self._asked_to_stop = False

    def run(self) -> int:
        """Keep the children running until SIGTERM, SIGINT or SIGHUP, then stop them.

        Returns 0 after a signal; if all children ended by themselves, the first exit code that is
        not 0, as a shell would report it.
        """
        before = self._listen()
        try:
            self.start()
            while self.poll():
                if self._signalled(within=LOOK_EVERY_SECONDS):
                    return 0
            codes = [running.exit_code or 0 for running in self._running]
            return next((code if code > 0 else 128 - code for code in codes if code), 0)
        finally:
            self.stop()
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def start(self) -> None:
        self._must_be_main_thread()
        for running in self._running:
            running.start()

    def poll(self) -> bool:
        """Restart what died. Returns whether anything runs or is going to."""
        self._must_be_main_thread()
        for running in self._running:
            running.poll()
        return any(not running.finished for running in self._running)

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL to the groups of those left after the grace.

        A second SIGTERM or SIGINT meanwhile ends the grace. Returns when no child is left.
        """
        deadline = time.monotonic() + self._grace
        try:
            for running in self._running:
                running.terminate()
            while self._left() and time.monotonic() < deadline:
                if self._signalled(within=0.02):
                    break
        finally:  # Ctrl-C during stop() leaves nothing behind either.
            self._kill()

    def pids(self) -> dict[str, int | None]:
        """Process id by name; None for a child that does not run just now."""
        return {running.child.name: running.pid for running in self._running}

    def _left(self) -> list[Running]:
        for running in self._running:
            running.reap()
        return [running for running in self._running if running.pid is not None]

    def _kill(self) -> None:
        left = self._left()
        for running in left:
            running.kill_group()
        if left:
            self._say(f"killed {', '.join(running.child.name for running in left)}")
        while self._left():
            time.sleep(0.01)

    def _listen(self) -> dict[int, Any]:
        """Take the stop signals over; returns the handlers that were there."""
        before: dict[int, Any] = {}
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signum == signal.SIGHUP and signal.getsignal(signum) == signal.SIG_IGN:
                continue  # Started with nohup.
            before[signum] = signal.signal(signum, self._note)
        return before

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        if signum == signal.SIGHUP and self._asked_to_stop:
            return  # A closing terminal sends it twice: that is nobody's impatience.
        self._asked_to_stop = True
        self._signals.put(signum)

    def _signalled(self, *, within: float) -> bool:
        try:
            self._signals.get(timeout=within)
        except Empty:
            return False
        return True

    @staticmethod
    def _must_be_main_thread() -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("Children are started from the main thread only.")


def become_supervisor(children: Sequence[Child]) -> NoReturn:
    """Turn this process into one that does nothing but run `children`; their `log` stays here."""
    plan = json.dumps([asdict(child) for child in children])
    # -P: what lies beside this file must not shadow Python's own modules.
    os.execv(sys.executable, [sys.executable, "-P", __file__, plan])  # noqa: S606


if __name__ == "__main__":
    raise SystemExit(Supervisor([Child(**plan) for plan in json.loads(sys.argv[1])]).run())
