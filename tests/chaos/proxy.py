"""A TCP proxy on the loopback interface that can fail as networks do."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from drills.demo.process import free_port

CHUNK = 65_536


class Proxy:
    """Passes bytes on to `port` until it is told otherwise. Methods are called from other threads.

    `hang()`: connections stay, nothing passes in either direction, new ones are accepted and hear
    nothing. `reset()`: all connections end at once with an RST. `cut_after(n)`: each connection is
    reset once `n` bytes have passed through it. `heal()`: new connections pass everything.
    """

    def __init__(self, port: int) -> None:
        self.port, self._upstream = free_port(), port
        self._cut_after: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", self.port))

    def hang(self) -> None:
        self._loop.call_soon_threadsafe(self._passing.clear)

    def reset(self) -> None:
        self._loop.call_soon_threadsafe(self._abort, set(self._writers))

    def cut_after(self, count: int) -> None:
        self._cut_after = count

    def heal(self) -> None:
        """What hung before is reset: nobody may go on as if no byte had been lost."""
        self._cut_after = None
        self.reset()
        self._loop.call_soon_threadsafe(self._passing.set)

    def close(self) -> None:
        self.reset()
        self._do(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _shut(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self._tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        with suppress(OSError, asyncio.CancelledError):
            await self._passing.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
            pair, passed = {writer, back}, [0]
            self._writers.add(back)
            ways = [(reader, back), (there, writer)]
            with suppress(OSError):
                await asyncio.gather(*(self._pass(*way, pair, passed) for way in ways))
            self._abort(pair)
        self._abort({writer})
        self._tasks.discard(asyncio.current_task())  # type: ignore[arg-type]

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: set[asyncio.StreamWriter],
        passed: list[int],
    ) -> None:
        while data := await reader.read(CHUNK):
            await self._passing.wait()
            limit = self._cut_after
            if limit is not None and passed[0] + len(data) >= limit:
                writer.write(data[: max(limit - passed[0], 0)])
                self._abort(pair)
                return
            passed[0] += len(data)
            writer.write(data)
            await writer.drain()
        writer.close()

    def _abort(self, writers: set[asyncio.StreamWriter]) -> None:
        for writer in writers:
            self._writers.discard(writer)
            writer.transport.abort()


@contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    """A proxy in front of this port of the loopback interface."""
    server = Proxy(port)
    try:
        yield server
    finally:
        server.close()
