"""Addresses that lead inside: nothing connects, whoever is asked to.

What connects is counted twice: by listeners on the loopback interface, and by the interpreter,
which stops every other attempt of these tests before it leaves the machine.
"""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from incidents.notifications.transports import apprise, network, webhook
from incidents.notifications.transports.base import Outgoing, TransportError
from tests.proof.report import note

PUBLIC = "93.184.216.34"

HOSTS = [
    # IPv4: this host, private, shared, link-local (metadata), tests, multicast, broadcast
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1"),
    *("172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255", "169.254.169.254"),
    *("192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    # The same written otherwise: decimal, octal, hexadecimal, short, padded, with a dot
    *("2130706433", "017700000001", "0x7f000001", "0177.0.0.1", "0x7f.0.0.1", "127.1", "127.0.1"),
    *("0", "0x0", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"),
    *("127.000.000.001", "0x7F.1", "127.0.0.1.", "localhost.", "10.1", "3232235521"),
    # IPv6: itself, private, site-local, link-local, multicast, documentation
    *("[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[fc00::1]", "[fd12:3456::1]"),
    *("[fec0::1]", "[fe80::1]", "[fe80::1%25lo]", "[ff02::1]", "[ff0e::1]", "[2001:db8::1]"),
    *("[3fff::1]", "[100::1]", "[5f00::1]"),
    # IPv6 that carries an IPv4 address: mapped, compatible, NAT64, 6to4, Teredo, translated
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:a00:1]", "[::127.0.0.1]"),
    *("[::ffff:169.254.169.254]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]"),
    *("[64:ff9b::169.254.169.254]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::]"),
    *("[2001:0:7f00:1::]", "[2001:0:53aa:64c:0:0:80ff:fffe]"),
    # Names, letters and digits of other scripts
    *("localhost", "LOCALHOST", "LocalHost", "ⓛocalhost", "ｌｏｃａｌｈｏｓｔ", "１２７.０.０.１"),
    *("①②⑦.⓪.⓪.①", "127。0。0。1", "ip6-localhost", "٢١٣٠٧٠٦٤٣٣"),
]
# {host} is each of a few of them, {port} the listener's
TRICKS = [
    *("https://good.example@{host}:{port}/", "https://good.example:443@{host}:{port}/"),
    *("https://{host}:{port}\\@good.example/", "https://{host}:{port}#@good.example/"),
    *("https://{host}:{port}?@good.example/", "https:{host}:{port}/", "https:///{host}:{port}/"),
    *("HTTPS://{host}:{port}/", " https://{host}:{port}/", "https://{host}:{port}/%2e%2e/"),
    *(
        "https://{host}%00.good.example:{port}/",
        "https://{host}\t:{port}/",
        "https://{host}\n:{port}/",
    ),
    *("http://{host}:{port}/", "gopher://{host}:{port}/", "file:///etc/passwd", "ftp://{host}/"),
]
APPRISE = [
    *("ntfy://{host}:{port}/topic", "ntfys://{host}:{port}/topic", "gotify://{host}:{port}/token"),
    *(
        "mmost://{host}:{port}/abcdefghijklmnopqrstuvwx",
        "rocket://user:password@{host}:{port}/%23a",
    ),
    *("matrix://user:password@{host}:{port}/%23room", "nctalk://user:pass@{host}:{port}/room"),
    *(
        "ncloud://user:pass@{host}:{port}/to",
        "synology://{host}:{port}/token",
        "kodi://{host}:{port}",
    ),
    *("xbmc://{host}:{port}", "enigma2://{host}:{port}", "emby://user@{host}:{port}"),
    *("bark://{host}:{port}/key", "signal://{host}:{port}/+15551234567/+15551234568"),
    *("lametric://apikey@{host}:{port}", "hassio://{host}:{port}/token", "guilded://{host}/{port}"),
    *("json://{host}:{port}/", "xml://{host}:{port}/", "form://{host}:{port}/"),
    *("apprise://{host}:{port}/token", "mailto://user:password@{host}:{port}?to=a@b.example"),
    *(
        "mqtt://{host}:{port}/topic",
        "syslog://",
        "rsyslog://{host}:{port}",
        "dbus://",
        "growl://{host}",
    ),
    *("workflows://{host}:{port}/WFID/SIGNATURE/", "homeassistant://{host}:{port}/token"),
]


class Watched:
    """What the threads of this test tried to reach. Public addresses are refused here, too."""

    def __init__(self) -> None:
        self.is_on, self.tried = False, list[str]()

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if not self.is_on or event not in {"socket.connect", "socket.sendto"}:
            return
        where = args[1]
        self.tried.append(str(where[0] if isinstance(where, tuple) else where))
        raise ConnectionRefusedError("stopped by the test")


watched = Watched()
sys.addaudithook(watched)


@pytest.fixture(autouse=True)
def _nothing_leaves(settings) -> Iterator[None]:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    watched.tried.clear()
    watched.is_on = True
    yield
    watched.is_on = False


class Listener:
    """On 127.0.0.1 and ::1 at one port: whoever comes is counted."""

    def __init__(self, family: int, host: str, port: int) -> None:
        self.came = 0
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, port))
        self.socket.listen()
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._count, daemon=True)
        self.thread.start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.came += 1
            connection.close()

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


@pytest.fixture
def listeners(monkeypatch) -> Iterator[list[Listener]]:
    first = Listener(socket.AF_INET, "127.0.0.1", 0)
    found = [first]
    if socket.has_ipv6:
        found.append(Listener(socket.AF_INET6, "::1", first.port))
    monkeypatch.setattr(webhook, "PORTS", frozenset({443, 8443, first.port}))
    yield found
    for listener in found:
        listener.close()


def outgoing(address: str) -> Outgoing:
    at = datetime.now(UTC)
    return Outgoing("id", address, "", subject="It is down", body="Really", at=at)


def refused(transport, address: str) -> None:
    with pytest.raises(TransportError):
        transport.send(outgoing(address))


def nobody_was_reached(listeners: list[Listener]) -> None:
    assert watched.tried == []
    assert sum(listener.came for listener in listeners) == 0


def test_the_instruments_measure(listeners):
    """A connection would be seen: by the interpreter, which stops it, and by the listener."""
    where = ("127.0.0.1", listeners[0].port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, 1)
    assert watched.tried == ["127.0.0.1"]

    watched.is_on = False
    socket.create_connection(where, 1).close()
    until = time.monotonic() + 10
    while not listeners[0].came and time.monotonic() < until:
        time.sleep(0.01)
    assert listeners[0].came == 1


def test_a_webhook_reaches_no_address_inside(listeners):
    port = listeners[0].port
    for host in HOSTS:
        refused(webhook, f"https://{host}:{port}/")
        refused(webhook, f"https://{host}/")
    for trick in TRICKS:
        for host in ["127.0.0.1", "localhost", "[::1]"]:
            refused(webhook, trick.format(host=host, port=port))

    nobody_was_reached(listeners)
    tried = 2 * len(HOSTS) + 3 * len(TRICKS)
    note("Webhooks to addresses inside", f"0 connections of {tried}", "0", met=True)


def test_apprise_reaches_no_address_inside(listeners):
    port, tried = listeners[0].port, 0
    for url in APPRISE:
        for host in [
            "127.0.0.1",
            "localhost",
            "2130706433",
            "0x7f.1",
            "127.1",
            "[::1]",
            "10.0.0.1",
        ]:
            refused(apprise, url.format(host=host, port=port))
            tried += 1

    nobody_was_reached(listeners)
    note("Apprise to addresses inside", f"0 connections of {tried}", "0", met=True)


@contextmanager
def name_server(monkeypatch, answers: list[list[str]]) -> Iterator[list[str]]:
    """Gives these answers one after the other, the last one for ever; says what it was asked."""
    asked: list[str] = []

    def resolve(host, port, *_args, **_kwargs):
        if str(host).replace(".", "").isdigit() or ":" in str(host):
            found = [str(host)]  # an address is asked of nobody
        else:
            found = answers[min(len(asked), len(answers) - 1)]
            asked.append(str(host))
        return [
            (
                socket.AF_INET6 if ":" in ip else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (ip, port, 0, 0) if ":" in ip else (ip, port),
            )
            for ip in found
        ]

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", resolve)
        yield asked


@pytest.mark.parametrize(
    ("transport", "address"),
    [
        (webhook, "https://rebinding.example:{port}/"),
        (apprise, "ntfy://rebinding.example:{port}/topic"),
        (apprise, "gotifys://rebinding.example:{port}/token"),
    ],
)
@pytest.mark.parametrize("inside", ["127.0.0.1", "::1", "169.254.169.254"])
def test_a_second_answer_of_the_name_server_is_no_way_in(
    listeners, monkeypatch, transport, address, inside
):
    with name_server(monkeypatch, [[PUBLIC], [inside]]):
        refused(transport, address.format(port=listeners[0].port))

    # What was judged may be tried (this test stops it); what came second may not.
    assert set(watched.tried) <= {PUBLIC}
    assert sum(listener.came for listener in listeners) == 0


@pytest.mark.parametrize(
    "order", [[PUBLIC, "10.0.0.1"], ["::1", PUBLIC], [PUBLIC, "::ffff:7f00:1"]]
)
@pytest.mark.parametrize(
    ("transport", "address"),
    [(webhook, "https://mixed.example/"), (apprise, "ntfys://mixed.example/topic")],
)
def test_one_address_inside_among_others_is_enough_to_refuse(
    listeners, monkeypatch, transport, address, order
):
    with name_server(monkeypatch, [order]):
        refused(transport, address)

    nobody_was_reached(listeners)


@pytest.mark.parametrize(
    "name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"]
)
def test_a_proxy_of_the_environment_is_no_way_in(listeners, monkeypatch, name):
    monkeypatch.setenv(name, f"http://127.0.0.1:{listeners[0].port}")
    with name_server(monkeypatch, [[PUBLIC]]):
        refused(webhook, "https://hooks.example.org/x")
        refused(apprise, "ntfys://ntfy.example.org/topic")
        refused(apprise, "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/%23general")

    assert set(watched.tried) <= {PUBLIC}
    assert sum(listener.came for listener in listeners) == 0


def test_a_redirect_is_followed_by_nobody(listeners, monkeypatch):
    """The one that answers is reached because private addresses are allowed here, only for that."""
    target = f"http://127.0.0.1:{listeners[0].port}/"
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=redirect, args=(server, target, 4), daemon=True)
        answering.start()
        monkeypatch.setattr("django.conf.settings.WEBHOOK_ALLOW_PRIVATE", True)
        watched.is_on = False
        where = f"127.0.0.1:{server.getsockname()[1]}"
        for transport, address in [
            (webhook, f"http://{where}/"),
            (apprise, f"ntfy://{where}/topic"),
        ]:
            refused(transport, address)

    assert sum(listener.came for listener in listeners) == 0


def redirect(server: socket.socket, target: str, times: int) -> None:
    lines = ["HTTP/1.1 307 Moved", f"Location: {target}", "Content-Length: 0", "", ""]
    answer = "\r\n".join(lines)
    for _ in range(times):
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.recv(65_536)
            connection.sendall(answer.encode())


def test_the_guard_ends_with_its_block_and_counts_for_its_thread_only(listeners):
    watched.is_on = False
    where = ("127.0.0.1", listeners[0].port)
    reached: list[bool] = []

    def elsewhere() -> None:
        socket.create_connection(where, 1).close()
        reached.append(True)

    with network.public_only():
        with pytest.raises(network.PrivateAddress):
            socket.create_connection(where, 1)
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
    socket.create_connection(where, 1).close()

    assert reached == [True]
