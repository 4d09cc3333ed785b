import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from incidents.notifications.addresses import new_secret
from incidents.notifications.transports import network, webhook
from incidents.notifications.transports.base import Link, Outgoing, TransportError

SECRET = new_secret()


@pytest.fixture
def private(settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True


def outgoing(address: str, **facts) -> Outgoing:
    usual = {
        "id": "8a1a8c3e-0000-4000-8000-000000000001",
        "secret": SECRET,
        "subject": "Checkout is down",
        "body": "Größer",
        "at": datetime.now(UTC),
        "links": [Link("Acknowledge", "https://example.org/ack")],
        "urgency": "page",
        "reference": "INC-1",
    }
    return Outgoing(address=address, **(usual | facts))


def read_request(connection: socket.socket) -> None:
    request = b""
    while not request.endswith(b"}}"):
        request += connection.recv(65_536)


def test_it_works(receiver, private):
    webhook.send(outgoing(receiver.url + "hook?x=1"))

    request = receiver.ledger[0]
    assert (request.method, request.path) == ("POST", "/hook?x=1")
    assert request.headers["webhook-id"] == "8a1a8c3e-0000-4000-8000-000000000001"
    assert request.json()["type"] == "incident.page"
    assert request.json()["data"] == {
        "subject": "Checkout is down",
        "body": "Größer",
        "incident": "INC-1",
        "incidents": ["INC-1"],
        "links": [{"title": "Acknowledge", "url": "https://example.org/ack"}],
    }


def test_the_receiver_can_tell_that_it_is_genuine(receiver, private):
    webhook.send(outgoing(receiver.url))

    request = receiver.ledger[0]
    assert Webhook(SECRET).verify(request.body, dict(request.headers)) == json.loads(request.body)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body + b" ", dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(request.body, dict(request.headers))


def test_a_wrong_secret_is_a_permanent_failure(receiver, private):
    with pytest.raises(TransportError) as failed:
        webhook.send(outgoing(receiver.url, secret="whsec_ä"))

    assert failed.value.permanent
    assert receiver.ledger == []


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        *((status, True) for status in (301, 302, 307, 308, 400, 401, 403, 404, 410, 422)),
        *((status, False) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_it_tells_for_ever_from_for_now(receiver, private, status: int, permanent: bool):
    receiver.status(status)

    with pytest.raises(TransportError) as failed:
        webhook.send(outgoing(receiver.url))

    assert failed.value.permanent is permanent
    assert str(status) in str(failed.value)


def test_it_follows_no_redirect(receiver, private):
    receiver.status(302, Location=receiver.url + "elsewhere")

    with pytest.raises(TransportError, match="redirect"):
        webhook.send(outgoing(receiver.url))

    assert [request.path for request in receiver.ledger] == ["/"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("soon", None), ("Mon, 02 Mar 2026 10:00:30 GMT", 30.0)],
)
def test_it_hears_when_to_come_again(receiver, private, header: str, seconds: float | None):
    receiver.status(429, Retry_After=header)

    with pytest.raises(TransportError) as failed:
        webhook.send(outgoing(receiver.url, at=datetime(2026, 3, 2, 10, tzinfo=UTC)))

    assert failed.value.retry_after == seconds


def test_an_unknown_end_is_a_failure_for_now(receiver, private):
    receiver.close_before_reply()

    with pytest.raises(TransportError) as failed:
        webhook.send(outgoing(receiver.url))

    assert not failed.value.permanent


def test_it_waits_ten_seconds_at_most(receiver, private, monkeypatch):
    monkeypatch.setattr(webhook, "SECONDS", 0.3)
    receiver.hang()
    began = time.monotonic()

    with pytest.raises(TransportError) as failed:
        webhook.send(outgoing(receiver.url))

    assert not failed.value.permanent
    assert time.monotonic() - began < 1.5


def test_it_waits_no_longer_for_an_answer_that_drips(private, monkeypatch):
    monkeypatch.setattr(webhook, "SECONDS", 0.5)
    over = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            while not over.wait(0.1):
                try:
                    connection.sendall(b"H")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=[server])
        thread.start()
        began = time.monotonic()
        with pytest.raises(TransportError):
            webhook.send(outgoing(f"http://127.0.0.1:{server.getsockname()[1]}/"))
        took = time.monotonic() - began
        over.set()
        thread.join()

    assert took < 1.5


def test_it_keeps_only_a_little_of_the_answer(private):
    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            read_request(connection)
            connection.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 5000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=[server])
        thread.start()
        with pytest.raises(TransportError) as failed:
            webhook.send(outgoing(f"http://127.0.0.1:{server.getsockname()[1]}/"))
        thread.join()

    assert len(str(failed.value)) == 1024


def test_it_asks_no_proxy(receiver, private, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    webhook.send(outgoing(receiver.url))

    assert len(receiver.ledger) == 1


# --- Requests that a stranger would like to have made for them -----------------------------------

INSIDE = [
    *("0.0.0.0", "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1"),
    *("017700000001", "0177.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]"),
    *("[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd00::1]", "[ff02::1]", "[2001:db8::1]"),
    "localhost",
]


@pytest.mark.parametrize("host", INSIDE)
def test_it_never_reaches_inside(receiver, host: str, monkeypatch):
    port = int(receiver.url.rstrip("/").rpartition(":")[2])
    monkeypatch.setattr(webhook, "PORTS", frozenset({port}))

    with pytest.raises(TransportError) as refused:
        webhook.send(outgoing(f"https://{host}:{port}/"))

    assert refused.value.permanent
    assert "public internet" in str(refused.value) or "Invalid IPv4" in str(refused.value)
    assert receiver.ledger == []


def test_a_name_that_leads_inside_is_refused_before_anything_connects(monkeypatch):
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.settimeout(0.3)
        monkeypatch.setattr(webhook, "PORTS", frozenset({port}))

        with pytest.raises(TransportError, match="public internet"):
            webhook.send(outgoing(f"https://{socket.gethostname()}:{port}/"))
        with pytest.raises(TransportError, match="public internet"):
            webhook.send(outgoing(f"https://localhost:{port}/"))
        with pytest.raises(TimeoutError):
            accepted.append(listener.accept())

    assert accepted == []


def test_it_connects_to_the_very_address_that_it_judged(receiver, private, monkeypatch):
    port = int(receiver.url.rstrip("/").rpartition(":")[2])
    asked = []

    def rebinding(host: str, *args, **kwargs):
        asked.append(host)
        answer = "127.0.0.1" if len(asked) == 1 else "192.0.2.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, port))]

    monkeypatch.setattr(
        network.socket,
        "getaddrinfo",
        lambda host, *a, **k: (
            rebinding(host, *a, **k) if host == "rebinding.example" else real(host, *a, **k)
        ),
    )
    webhook.send(outgoing(f"http://rebinding.example:{port}/"))

    assert asked == ["rebinding.example"]
    assert receiver.ledger[0].headers["host"] == f"rebinding.example:{port}"


real = socket.getaddrinfo


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    mixed = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))
        for address in ("93.184.216.34", "10.0.0.1")
    ]
    monkeypatch.setattr(network.socket, "getaddrinfo", lambda *_, **__: mixed)

    with pytest.raises(network.PrivateAddress):
        network.look_up("mixed.example", 443, allow_private=False)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "2a00::1"])
def test_the_public_internet_may_be_reached(address: str):
    assert network.is_public(address)


@pytest.mark.parametrize(
    "address", ["http://example.org/", "https://example.org:22/", "file:///etc/passwd", "https://"]
)
def test_it_speaks_https_on_its_ports_only(address: str):
    with pytest.raises(TransportError) as refused:
        webhook.check(address)

    assert refused.value.permanent


def test_it_checks_the_certificate_against_the_name(private, tmp_path, monkeypatch):
    if not shutil.which("openssl"):
        if os.environ.get("CI"):
            pytest.fail("openssl is not installed.")
        pytest.skip("openssl is not installed.")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    subprocess.run(
        [*command.split(), "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    webhook._trust.cache_clear()

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            connection, _ = server.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    read_request(secured)
                    secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            except OSError:
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=serve, args=[server])
        thread.start()
        webhook.send(outgoing(f"https://localhost:{port}/"))
        with pytest.raises(TransportError, match=r"(?i)certificate"):
            webhook.send(outgoing(f"https://127.0.0.1:{port}/"))
        thread.join()
    webhook._trust.cache_clear()

    assert names[0] == "localhost"
