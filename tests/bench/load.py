"""A load generator that costs little: bytes made beforehand, connections that stay open.

It runs on the same cores as what it measures, so every microsecond of it counts against that.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Outcome:
    """What became of a load: how long it took, each answer's status and duration in seconds."""

    seconds: float = 0.0
    statuses: list[int] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.statuses) / self.seconds

    def require(self, status: int) -> "Outcome":
        """The same; raises where an answer was another one."""
        others = sorted(set(self.statuses) - {status})
        if others:
            raise RuntimeError(f"Answers other than {status}: {others}")
        return self


def request(port: int, path: str, body: dict[str, Any]) -> bytes:
    """A whole POST request of HTTP/1.1."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def send(port: int, requests: Sequence[bytes], *, connections: int, rate: float = 0) -> Outcome:
    """Send all of them, one after the other on each connection.

    `rate` a second in all, evenly; 0: as fast as answers come.
    """
    return asyncio.run(_send(port, requests, connections, rate))


async def _send(port: int, requests: Sequence[bytes], connections: int, rate: float) -> Outcome:
    outcome, waiting = Outcome(), enumerate(requests)
    began = time.perf_counter()

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, raw in waiting:
            if rate:
                await asyncio.sleep(began + number / rate - time.perf_counter())
            sent = time.perf_counter()
            writer.write(raw)
            outcome.statuses.append(await _answer(reader))
            outcome.durations.append(time.perf_counter() - sent)
        writer.close()

    await asyncio.gather(*(worker() for _ in range(connections)))
    outcome.seconds = time.perf_counter() - began
    return outcome


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])
