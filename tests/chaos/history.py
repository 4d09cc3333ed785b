"""What happened as the outside saw it: posts, answers, calls at the provider, kills.

One JSON line each, `{"at": seconds since the epoch, "what": …, …}`, written at once, so that it is
there when a test fails. `what` is one of

- `accepted`: a signal was answered with 202 (`dedup_key`, `world`, `incident`: its reference)
- `refused`: it was answered otherwise, or not at all (`dedup_key`, `answer`)
- `acknowledged`: an acknowledgement was answered with 200 (`incident`)
- `call`: the provider was called (`path`, `key`: the webhook-id, `incident`)
- `fault`: what the nemesis did (`fault`, `who`)
"""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.servers import Received


class History:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[dict[str, Any]] = []
        self._writing = threading.Lock()
        self._file = path.open("a", buffering=1, encoding="utf-8")

    def note(self, what: str, *, at: float | None = None, **facts: Any) -> None:
        line = {"at": time.time() if at is None else at, "what": what, **facts}
        with self._writing:
            self._lines.append(line)
            self._file.write(json.dumps(line) + "\n")

    def hear(self, call: Received) -> None:
        """For `Provider.listener`."""
        self.note(
            "call",
            at=call.at,
            path=call.path.lstrip("/"),
            key=call.headers.get("webhook-id", ""),
            incident=call.json()["data"]["incident"],
        )

    def all(self, what: str) -> list[dict[str, Any]]:
        with self._writing:
            return [line for line in self._lines if line["what"] == what]

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
