"""Many threads that each have something to write write it together: one transaction for all.

A commit waits for the disk, and a disk syncs ten as fast as one. Whoever comes while another writes
waits for that, and then writes for all who came meanwhile.
"""

import threading
from collections.abc import Callable, Sequence


class _Entry[Item]:
    def __init__(self, item: Item) -> None:
        self.item = item
        self.is_done = False
        self.error: Exception | None = None


class Together[Item]:
    """`write` is called with what came together, by one of those who wait for it."""

    def __init__(self, write: Callable[[Sequence[Item]], None]) -> None:
        self._write = write
        self._entries: list[_Entry[Item]] = []
        self._collecting = threading.Lock()
        self._writing = threading.Lock()

    def put(self, *items: Item) -> None:
        """Returns when they are written. Raises what writing one of them raised."""
        entries = [_Entry(item) for item in items]
        with self._collecting:
            self._entries += entries
        with self._writing:
            if not all(entry.is_done for entry in entries):
                with self._collecting:
                    waiting, self._entries = self._entries, []
                self._write_all(waiting)
        for entry in entries:
            if entry.error is not None:
                raise entry.error

    def _write_all(self, entries: Sequence[_Entry[Item]]) -> None:
        """Where that fails, each alone: one that cannot be written stops only itself."""
        try:
            self._write([entry.item for entry in entries])
        except Exception as error:
            if len(entries) == 1:
                entries[0].error = error
            else:
                for entry in entries:
                    self._write_all([entry])
        for entry in entries:
            entry.is_done = True
