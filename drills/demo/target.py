"""The demo's patient: the checkout of a small shop, to be frozen and killed at will.

    python -m drills.demo.target --port 8090

Stands alone: no framework, no database, so that nothing but the drill can break it.
"""

import argparse
import ctypes
import itertools
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PR_SET_PDEATHSIG = 1
PARENT_CHECK_SECONDS = 0.5


class Shop(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, Checkout)
        self.served = itertools.count(1)

    def handle_error(self, request: object, client_address: object) -> None:
        # After a thaw, the clients that gave up meanwhile are still in the accept queue.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Checkout(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        served = next(self.server.served)
        if self.path == "/health":
            self._reply(200, {"status": "ok", "pid": os.getpid(), "served": served})
        elif self.path == "/":
            self._reply(200, {"shop": "Tocsin demo shop", "checkout": "open"})
        else:
            self._reply(404, {"error": "There is nothing here."})

    def _reply(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet: the monitor asks every second."""


def die_with_parent(parent: int) -> None:
    """Arrange that this process ends when `parent`, its parent's pid, does.

    On Linux by SIGKILL, the only signal that also ends a stopped process; elsewhere by looking
    twice a second, which a stopped process cannot do.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # It died before the arrangement was made.
        sys.exit("The process that started this service is gone.")


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m drills.demo.target",
        description="A small shop checkout that exists to be broken.",
        epilog="Example: python -m drills.demo.target --port 8090",
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--parent", type=int, default=os.getppid(), help="pid to end with (default: its parent)"
    )
    options = parser.parse_args()
    die_with_parent(options.parent)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        Shop((options.bind, options.port)).serve_forever()
    except OSError as error:
        sys.exit(f"Cannot listen on {options.bind}:{options.port}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
