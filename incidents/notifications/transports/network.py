"""Connections to addresses that people typed in: to the public internet only.

The name is resolved once, every address it has is judged, and the connection goes to the very
address that was judged: a second answer of a hostile name server is never asked for. A whole
request has one deadline, however slowly the other side drips.

For libraries that connect by themselves there is `public_only`: the interpreter itself stops what
would go elsewhere.
"""

import ipaddress
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore

CONNECT_SECONDS = 3.0

# What `ipaddress` calls global and is not, or what leads to an IPv4 address by a detour.
_DENIED_V4 = [
    ipaddress.ip_network(network)
    for network in [
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    ]
]
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
_DENIED_V6 = [
    ipaddress.ip_network(network)
    for network in ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]
]


class PrivateAddress(Exception):
    """The name leads to an address that is not on the public internet."""


def is_public(address: str) -> bool:
    """Whether an IP address (as text) is on the public internet, and not by a detour."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _DENIED_V4)
    return ip in _PUBLIC_V6 and not any(ip in network for network in _DENIED_V6)


def look_up(host: str, port: int, *, allow_private: bool) -> list[tuple[Any, ...]]:
    """Every address of `host` as `socket.getaddrinfo` tells it.

    Raises PrivateAddress when one of them is not public, OSError when there is none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    private = [entry[4][0] for entry in found if not is_public(str(entry[4][0]))]
    if private and not allow_private:
        raise PrivateAddress(f"{host} is {private[0]}, which is not on the public internet.")
    return found


_guarded = threading.local()


@contextmanager
def public_only() -> Iterator[None]:
    """Within it, this thread reaches public addresses only, whichever library it is that connects.

    Anything else raises PrivateAddress out of the connect: also a proxy of the environment, and a
    name whose second answer is another one than the first.
    """
    _guarded.is_on = True
    try:
        yield
    finally:
        _guarded.is_on = False


def _stop_private(event: str, args: tuple[Any, ...]) -> None:
    """An audit hook (PEP 578): called by the interpreter before a socket connects."""
    if event not in {"socket.connect", "socket.sendto"} or not getattr(_guarded, "is_on", False):
        return
    where = args[1][0] if isinstance(args[1], tuple) else args[1]
    try:
        allowed = is_public(str(where))
    except ValueError:  # a name, which would be looked up behind our back, or a local socket
        allowed = False
    if not allowed:
        raise PrivateAddress(f"{where} is not on the public internet.")


sys.addaudithook(_stop_private)


class CheckedBackend(httpcore.NetworkBackend):
    """Connects as `look_up` allows, and ends everything at `deadline` (monotonic seconds)."""

    def __init__(self, *, deadline: float, allow_private: bool) -> None:
        self._deadline, self._allow_private = deadline, allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = OSError(f"{host} has no address.")
        for *_, where in look_up(host, port, allow_private=self._allow_private):
            patience = min(CONNECT_SECONDS, remaining(self._deadline))
            try:
                stream = httpcore.SyncBackend().connect_tcp(str(where[0]), port, patience)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self._deadline)
        raise failure

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        raise NotImplementedError("A webhook is not a local socket.")


class _Stream(httpcore.NetworkStream):
    """A stream whose every step ends at the deadline of the whole."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, remaining(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, remaining(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        patience = min(CONNECT_SECONDS, remaining(self._deadline))
        return _Stream(
            self._stream.start_tls(ssl_context, server_hostname, patience), self._deadline
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def remaining(deadline: float) -> float:
    """Seconds that are left; raises ReadTimeout when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("It took too long.")
    return left
