"""Signed webhooks by the Standard Webhooks specification (id, timestamp, signature v1)."""

import json
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from urllib.parse import urlsplit

import httpcore
import httpx
from django.conf import settings
from standardwebhooks.webhooks import Webhook

from incidents.notifications.transports import network
from incidents.notifications.transports.base import Outgoing, Sent, TransportError
from incidents.timers import clock

SECONDS = 10.0
ECHO_BYTES = 1024
PORTS = frozenset({443, 8443})
RETRIED = frozenset({408, 425, 429})


def check(address: str) -> None:
    parts = urlsplit(address)
    private = settings.WEBHOOK_ALLOW_PRIVATE
    if parts.scheme not in ({"https", "http"} if private else {"https"}) or not parts.hostname:
        raise TransportError("A webhook is an https:// address.", permanent=True)
    if parts.username or parts.password:
        raise TransportError(
            "A webhook's address carries no password; requests are signed instead.", permanent=True
        )
    try:
        port = httpx.URL(address).port or 443
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise TransportError(f"The webhook's address is wrong: {error}", permanent=True) from None
    if port not in PORTS and not private:
        raise TransportError(
            f"A webhook listens on port 443 or 8443, not {port} "
            "(unless WEBHOOK_ALLOW_PRIVATE is set).",
            permanent=True,
        )


def send(outgoing: Outgoing) -> Sent:
    check(outgoing.address)
    body = _body(outgoing)
    headers = _headers(outgoing, body)
    status, answered, echo = _request("POST", outgoing.address, headers, body)
    _judge(status, answered, echo, outgoing.at)
    return Sent(provider_id=answered.get("x-request-id", "")[:200])


def ping(address: str) -> None:
    """GET it, by the rules for webhooks. Raises TransportError unless the answer is a 2xx."""
    check(address)
    headers = {
        "host": httpx.URL(address).netloc.decode(),
        "user-agent": "Tocsin",
        "connection": "close",
    }
    status, answered, echo = _request("GET", address, headers, "")
    _judge(status, answered, echo, clock.now())


def _request(
    method: str, address: str, headers: dict[str, str], body: str
) -> tuple[int, dict[str, str], str]:
    try:
        return _exchange(method, address, headers, body)
    except network.PrivateAddress as error:
        raise TransportError(str(error), permanent=True) from error
    except (OSError, *_FAILURES) as error:
        raise TransportError(f"{type(error).__name__}: {error}") from error


_FAILURES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


def _body(outgoing: Outgoing) -> str:
    data = {
        "subject": outgoing.subject,
        "body": outgoing.body,
        "incident": outgoing.reference or None,
        "incidents": [name for name in [outgoing.reference, *outgoing.others] if name],
        "links": [{"title": link.title, "url": link.url} for link in outgoing.links],
    }
    kind = f"incident.{outgoing.urgency}"
    return json.dumps({"type": kind, "timestamp": outgoing.at.isoformat(), "data": data})


def _headers(outgoing: Outgoing, body: str) -> dict[str, str]:
    at = outgoing.at.astimezone(UTC)
    headers = {
        "host": httpx.URL(outgoing.address).netloc.decode(),
        "content-type": "application/json",
        "content-length": str(len(body.encode())),
        "user-agent": "Tocsin",
        "connection": "close",
        "webhook-id": outgoing.id,
        "webhook-timestamp": str(int(at.timestamp())),
    }
    if outgoing.secret:
        try:
            signature = Webhook(outgoing.secret).sign(outgoing.id, at, body)
        except ValueError as error:
            raise TransportError(f"The secret is not whsec_…: {error}", permanent=True) from None
        headers["webhook-signature"] = signature
    return headers


def _exchange(
    method: str, address: str, headers: dict[str, str], body: str
) -> tuple[int, dict[str, str], str]:
    """Status, headers (names in lower case) and the first KiB of the answer."""
    url = httpx.URL(address)
    target = httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
    deadline = time.monotonic() + SECONDS
    backend = network.CheckedBackend(
        deadline=deadline, allow_private=settings.WEBHOOK_ALLOW_PRIVATE
    )
    with (
        httpcore.ConnectionPool(ssl_context=_trust(), network_backend=backend) as pool,
        pool.stream(
            method, target, headers=list(headers.items()), content=body.encode()
        ) as response,
    ):
        names = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers
        }
        return response.status, names, _echo(response)


def _echo(response: httpcore.Response) -> str:
    echo = b""
    try:
        for chunk in response.iter_stream():
            echo += chunk
            if len(echo) >= ECHO_BYTES:
                break
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
        pass  # The status is known, and that is the answer.
    return echo[:ECHO_BYTES].decode(errors="replace")


def _judge(status: int, headers: dict[str, str], echo: str, at: datetime) -> None:
    """Raises TransportError unless the answer is a 2xx."""
    if 200 <= status < 300:
        return
    said = f"{status} {echo}".strip().replace("\x00", "")
    if status >= 500 or status in RETRIED:
        raise TransportError(said, retry_after=_seconds(headers.get("retry-after", ""), at))
    if 300 <= status < 400:
        said = f"{status}: a redirect, which is never followed. Enter the final address."
    raise TransportError(said, permanent=True)


def _seconds(retry_after: str, at: datetime) -> float | None:
    """Seconds from `at` by a Retry-After header: a number or a date; None if it is neither."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - at).total_seconds())


@cache
def _trust() -> ssl.SSLContext:
    return httpx.create_ssl_context()
