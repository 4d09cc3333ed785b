"""The outermost wire: somebody else's HTTP service that can misbehave."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from drills.demo.process import free_port
from tests.chaos.servers.waiting import eventually


@dataclass(frozen=True)
class Received:
    at: float  # Seconds since the epoch.
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Manner:
    """How to treat requests: answer `status` after `delay`, or never, or hang up."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hangs: bool = False
    hangs_up: bool = False
    over: threading.Event = field(default_factory=threading.Event)


class Provider:
    """Somebody else's service. `ledger` has every request that arrived, however it was treated.

    `at(path)` misbehaves towards requests of one path only, whatever the others get.
    """

    def __init__(self) -> None:
        self.ledger: list[Received] = []
        self.listener: Callable[[Received], None] | None = None
        self.manner = Manner()
        self._of_path: dict[str, Manner] = {}
        self._server = _ProviderServer(("127.0.0.1", free_port()), _ProviderHandler)
        self._server.provider = self
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def ok(self) -> None:
        self._behave(Manner())

    def slow(self, seconds: float) -> None:
        self._behave(Manner(delay=seconds))

    def hang(self) -> None:
        """Read requests and keep silent; hang up when another manner is chosen."""
        self._behave(Manner(hangs=True))

    def status(self, status: int, **headers: str) -> None:
        """Answer `status`, e.g. `status(429, Retry_After="1")`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._behave(Manner(status=status, headers=named))

    def close_before_reply(self) -> None:
        """Take requests and hang up: the sender cannot know whether they were accepted."""
        self._behave(Manner(hangs_up=True))

    def at(self, path: str, manner: Manner) -> None:
        """Treat requests of this path so, e.g. `at("ana", Manner(status=500))`."""
        before = self._of_path.get(f"/{path}", self.manner)
        self._of_path[f"/{path}"] = manner
        before.over.set()

    def manner_of(self, path: str) -> Manner:
        return self._of_path.get(path, self.manner)

    def calls(self, path: str) -> list[Received]:
        """What arrived at this path, in order."""
        return [call for call in list(self.ledger) if call.path == f"/{path}"]

    def forget(self) -> None:
        """A clean ledger and good manners, for the next test."""
        self._let_go()
        self._of_path, self.manner, self.listener = {}, Manner(), None
        self.ledger = []

    def wait_for(self, count: int, *, within: float = 5.0) -> list[Received]:
        """The ledger, as soon as it has `count` entries."""
        eventually(lambda: len(self.ledger) >= count, within=within)
        return list(self.ledger)

    def _let_go(self) -> None:
        for manner in [*self._of_path.values(), self.manner]:
            manner.over.set()

    def _behave(self, manner: Manner) -> None:
        before, self.manner = self.manner, manner
        before.over.set()

    def close(self) -> None:
        self._let_go()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _ProviderServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    provider: Provider

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Senders that give up on a slow provider are part of the game."""


class _ProviderHandler(BaseHTTPRequestHandler):
    server: _ProviderServer

    def _handle(self) -> None:
        provider = self.server.provider
        manner = provider.manner_of(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Received(time.time(), self.command, self.path, dict(self.headers), body)
        provider.ledger.append(call)
        if provider.listener:
            provider.listener(call)
        if manner.hangs:
            manner.over.wait()
        elif manner.delay:
            manner.over.wait(manner.delay)
        if manner.hangs or manner.hangs_up:
            return
        self.send_response(manner.status)
        for name, value in manner.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle

    def log_message(self, format: str, *args: Any) -> None:
        """The ledger is the log."""


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider on the loopback interface that accepts everything, to begin with."""
    with closing(Provider()) as server:
        yield server
