"""API tokens: issue, use, revoke."""

import secrets
from datetime import datetime, timedelta

from incidents.core.errors import DomainError
from incidents.core.models import ApiToken, User, digest_of
from incidents.core.services.recording import require_text
from incidents.timers import clock

PREFIX = "tocsin_"
LAST_USED_PRECISION = timedelta(minutes=1)


def issue_token(
    user: User, *, name: str, scope: str, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown this once and not kept."""
    now = clock.now()
    if scope not in ApiToken.Scope.values:
        allowed = ", ".join(ApiToken.Scope.values)
        raise DomainError(f"{scope!r} is no scope; use one of {allowed}.", field="scope")
    if expires_at is not None and expires_at <= now:
        raise DomainError("It would have expired already.", field="expires_at")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=require_text(name, "The name", field="name", longest=120),
        scope=scope,
        prefix=secret[:12],
        digest=digest_of(secret),
        created_at=now,
        expires_at=expires_at,
    )
    return token, secret


def token_for(secret: str) -> ApiToken | None:
    """The usable token with this secret; notes its use, at most once a minute."""
    now = clock.now()
    tokens = ApiToken.objects.usable(now).select_related("user")
    token = tokens.filter(digest=digest_of(secret)).first()
    if token is None:
        return None
    if token.last_used_at is None or token.last_used_at < now - LAST_USED_PRECISION:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def revoke_token(token: ApiToken) -> None:
    """It opens nothing any more, from this moment on."""
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=clock.now())
