"""Who is at the other end of a request: the address behind the proxies, and known devices."""

import ipaddress
import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from incidents.core.models import User
from incidents.core.services import throttle

DEVICE_LIVES = 365 * 24 * 3600


def address_of(request: HttpRequest) -> str | None:
    """Where the request comes from, past TRUSTED_PROXIES proxies; None where nobody can tell.

    Of IPv6 the network: whoever has one address there has 2^64.
    """
    nearest = request.META.get("REMOTE_ADDR", "")
    passed = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    proxies = settings.TRUSTED_PROXIES
    told = passed[-proxies] if 0 < proxies <= len(passed) else nearest
    return _network(told) or _network(nearest)


def _network(text: str) -> str | None:
    """The address in `text`, which some proxies write with a port."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False).network_address)


def visitor_of(request: HttpRequest, user: User | None, typed: str = "") -> throttle.Visitor:
    """Who tries to get into the account of `user`, or of whom `typed` would name."""
    account = throttle.account_key(user, typed)
    secret = request.get_signed_cookie(
        _cookie(account), default="", salt=account, max_age=DEVICE_LIVES
    )
    device = throttle.device_key(secret) if secret else ""
    return throttle.Visitor(account, address_of(request), device)


def know_device(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """This browser has logged in: from now on its tries are counted by themselves."""
    account = throttle.account_key(user, "")
    response.set_signed_cookie(
        _cookie(account),
        secrets.token_urlsafe(16),
        salt=account,
        max_age=DEVICE_LIVES,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def _cookie(account: str) -> str:
    return f"device_{account[:16]}"
