"""The demo service as a process that can be frozen, killed and started again."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

PROJECT = Path(__file__).resolve().parents[2]
HEALTHY_WITHIN_SECONDS = 10.0


def free_port(bind: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on now.

    Below the range from which kernels draw the ports of outgoing connections: a client that keeps
    calling a stopped server up there is, sooner or later, connected to itself and holds the port.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((bind, port))
            except OSError:
                continue
            return port
    raise OSError("No free TCP port between 20000 and 32000 was found.")


class TargetNotRunning(RuntimeError):
    """There is no process to signal: it was never started, or has ended."""


class TargetNotHealthy(RuntimeError):
    """The service was started but does not answer as itself."""


class TargetProcess:
    """One instance of the demo service, at a port that stays the same over restarts.

    Signals only the child that it holds unreaped, so never a stranger who got a recycled pid.
    Nothing stays behind, not even a frozen service whose owner was killed (on Linux).
    """

    def __init__(self, port: int | None = None, *, bind: str = "127.0.0.1") -> None:
        self.bind = bind
        self.port = port or free_port(bind)
        self._process: subprocess.Popen[bytes] | None = None
        self._spawner: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://{self.bind}:{self.port}/"

    @property
    def health_url(self) -> str:
        return f"{self.url}health"

    @property
    def running(self) -> bool:
        """Whether the process exists; a frozen one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._alive().pid

    def start(self, *, within: float = HEALTHY_WITHIN_SECONDS) -> None:
        """Start the service and return when it answers; at once if it is running.

        Raises TargetNotHealthy after `within` seconds, or as soon as the process ends.
        """
        if self.running:
            return
        # Linux ties "die with the parent" to the thread that forked. This one lives as long as
        # its owner; the thread of a request or task would take the service down when it ends.
        if self._spawner is None:
            self._spawner = ThreadPoolExecutor(1, thread_name_prefix="demo-target")
        self._process = self._spawner.submit(self._spawn).result()
        self._wait_until_healthy(within)

    def healthy(self, *, timeout: float = 1.0) -> bool:
        """Whether this very process, not just anybody at its port, says that it is well."""
        try:
            answer = httpx.get(self.health_url, timeout=timeout, trust_env=False)
            return answer.is_success and answer.json()["pid"] == self.pid
        except (httpx.HTTPError, TargetNotRunning, ValueError, LookupError, TypeError):
            return False

    def freeze(self) -> None:
        """Stop it in its tracks: connections are accepted by the kernel, and never answered.

        Returns when it stands still, or has ended in that very moment.
        """
        process = self._alive()
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        self._alive().send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Crash it; returns when it is gone. Does nothing if it is gone already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self, *, within: float = HEALTHY_WITHIN_SECONDS) -> None:
        """What the responder does: away with the old process, a new one at the same port."""
        self.kill()
        self.start(within=within)

    def stop(self) -> None:
        """End it for good. Safe in every state, also twice."""
        self.kill()
        if self._spawner is not None:
            self._spawner.shutdown()
            self._spawner = None

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise TargetNotRunning("The demo service is not running.")
        return self._process

    def _spawn(self) -> subprocess.Popen[bytes]:
        service = ["-m", "drills.demo.target", "--port", str(self.port), "--bind", self.bind]
        return subprocess.Popen(  # noqa: S603 (nothing in it comes from outside)
            [sys.executable, *service, "--parent", str(os.getpid())],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for the demo, which then stops it.
        )

    def _wait_until_healthy(self, within: float) -> None:
        deadline = time.monotonic() + within
        while not self.healthy():
            if not self.running:
                raise TargetNotHealthy(f"The demo service ended at once; see {self.url} and above.")
            if time.monotonic() > deadline:
                raise TargetNotHealthy(f"{self.health_url} does not answer after {within:g} s.")
            time.sleep(0.02)
