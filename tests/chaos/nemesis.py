"""Who kills, and who reports meanwhile."""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import httpx

from tests.chaos.installation import Installation, Running, kill

type Start = Callable[[], Running]

# Where a process may die by itself, and how often it does when it comes by.
FAILPOINTS = ";".join(
    f"{name}=kill@{chance}"
    for name, chance in {
        "ingest.before_commit": 0.02,
        "ingest.after_commit": 0.02,
        "tick.after_claim": 0.02,
        "tick.before_commit": 0.02,
        "send.after_claim": 0.02,
        "send.before_connect": 0.01,
        "send.before_mark": 0.02,
    }.items()
)


class Nemesis:
    """Kills one process of a crew every `every` seconds, and starts again what is dead.

    In the main thread: what is started here ends with the thread that started it.
    """

    def __init__(
        self, house: Installation, crew: Mapping[str, Start], rng: random.Random, *, every: float
    ) -> None:
        self.house, self.crew, self.rng, self.every = house, crew, rng, every
        self.running = {name: start() for name, start in crew.items()}

    def rage(self, *, until: Callable[[], bool], longest: float) -> None:
        """Returns when it is `until`, or after `longest` seconds."""
        end, strike = time.monotonic() + longest, time.monotonic() + self.every
        while not until() and time.monotonic() < end:
            self._revive()
            if time.monotonic() >= strike:
                strike += self.every
                who = self.rng.choice(sorted(self.running))
                kill(self.running[who])
                self._start_again(who)
            time.sleep(0.05)

    def calm(self) -> None:
        """Everything runs again, and nothing is going to die."""
        self._revive()

    def _revive(self) -> None:
        for name, process in self.running.items():
            if process.poll() is not None:
                kill(process)
                self._start_again(name)

    def _start_again(self, name: str) -> None:
        self.house.history.note("fault", fault="kill", who=name)
        self.running[name] = self.crew[name]()


class Monitors:
    """Threads that post each signal until it is accepted, as monitors do."""

    def __init__(
        self,
        house: Installation,
        signals: Sequence[tuple[str, str]],
        *,
        pause: float,
        after: Callable[[str], None] | None = None,
        threads: int = 2,
    ) -> None:
        """`signals`: (dedup_key, world); `after(incident)` is called for each that was accepted."""
        self._house, self._pause, self._after = house, pause, after
        self._left = list(reversed(signals))
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._post, daemon=True) for _ in range(threads)]

    def __enter__(self) -> "Monitors":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    @property
    def done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def _post(self) -> None:
        while not self._stopped.is_set():
            try:
                dedup_key, world = self._left.pop()
            except IndexError:
                return
            while not self._stopped.is_set():
                try:
                    answer = self._house.alert(dedup_key, world)
                except httpx.TransportError:
                    self._stopped.wait(0.3)
                    continue
                if answer.status_code == 202:
                    break
                self._stopped.wait(0.3)
            else:
                return
            if self._after:
                self._after(answer.json()["incident"])
            self._stopped.wait(self._pause)
