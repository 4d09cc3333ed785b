"""What every request to the API passes: parser, authentication, rule, pages of a list.

Named in REST_FRAMEWORK, so nothing here may import rest_framework's views. Those that the rooms
build on are in `incidents.core.api.base`.
"""

import json
import math
import re
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django_filters import BooleanFilter
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions, status
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from incidents.core import services as core
from incidents.core.access import Rule, role_allows, scope_allows
from incidents.core.models import ApiToken, User

DEEPEST = 32
MOST_KEYS = 4_000
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"

    def __init__(self) -> None:
        kibibytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024
        super().__init__(f"The body is larger than {kibibytes} KiB; send less.")


def storable(text: str) -> str:
    """`text` with U+FFFD in place of what no database keeps: NUL and lone surrogates."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


class SafeJSONParser(BaseParser):
    """JSON from strangers: bounded in size, depth and keys, and storable whatever it contains.

    Bytes that are no UTF-8 are replaced rather than refused: a page must not be lost for a byte.
    Raises TooLarge (413), and ParseError (400) for what is no JSON, NaN and Infinity included.
    """

    media_type = "application/json"
    renderer_class = JSONRenderer
    most_keys = MOST_KEYS

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        longest: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(longest + 1)
        if len(raw) > longest:
            raise TooLarge
        if not raw.strip():
            return {}
        try:
            value = json.loads(
                raw.decode("utf-8-sig", errors="replace"), parse_constant=_refuse_constant
            )
        except RecursionError:
            raise exceptions.ParseError(f"Nested deeper than {DEEPEST} levels.") from None
        except ValueError as error:
            raise exceptions.ParseError(f"This is no JSON: {error}") from None
        return _Cleaning(self.most_keys).clean(value, depth=1)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


class _Cleaning:
    def __init__(self, most_keys: int) -> None:
        self.keys, self.most_keys = 0, most_keys

    def clean(self, value: Any, *, depth: int) -> object:
        if isinstance(value, str):
            return storable(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise exceptions.ParseError("A number is too large.")
        if not isinstance(value, dict | list):
            return value
        if depth > DEEPEST:
            raise exceptions.ParseError(f"Nested deeper than {DEEPEST} levels.")
        if isinstance(value, list):
            return [self.clean(item, depth=depth + 1) for item in value]
        self.keys += len(value)
        if self.keys > self.most_keys:
            raise exceptions.ParseError(f"More than {self.most_keys} keys; send fewer.")
        return {storable(key): self.clean(item, depth=depth + 1) for key, item in value.items()}


class AlwaysJSON(DefaultContentNegotiation):
    """Answers in JSON whatever the Accept header asks for: nothing is refused for a header."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer tocsin_…`; `request.auth` is the ApiToken."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = core.token_for(secret.strip())
        if token is None:
            raise exceptions.AuthenticationFailed(
                "This token is unknown, expired or revoked; issue a new one.", code="bad_token"
            )
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="tocsin"'


class SessionAuthentication(authentication.SessionAuthentication):
    """The admin's login, with its CSRF token on every request that changes something."""


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "incidents.core.rest.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "tocsin_…"}


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "incidents.core.rest.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class RuledPermission(BasePermission):
    """Every route says what it asks in its view's `rules`: action (or method) → Rule.

    A route without a rule is a mistake of ours and raises ImproperlyConfigured.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        rule = rule_of(view, request.method or "")
        if rule is None:
            return True  # No such method here: the answer will be 405.
        if not role_allows(request.user, rule):
            return False
        token = request.auth
        if isinstance(token, ApiToken) and not scope_allows(token.scope, rule):
            raise exceptions.PermissionDenied(
                f"This token may only {token.get_scope_display().lower()}.", code="scope"
            )
        return True


def rule_of(view: Any, method: str) -> Rule | None:
    """The rule of the action (viewsets) or method (plain views); None where there is no handler."""
    actions = getattr(view, "action_map", None)
    if actions is not None:
        name = actions.get(method.lower())
    else:
        name = method.lower() if hasattr(view, method.lower()) else None
    if name is None or method == "OPTIONS":
        return None
    rules = getattr(view, "rules", {})
    if name not in rules:
        raise ImproperlyConfigured(f"{type(view).__name__}.rules says nothing about {name!r}.")
    return rules[name]


class Filters(DjangoFilterBackend):
    """A filter that cannot be read is refused; yes or no would be passed over otherwise."""

    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        found = super().filter_queryset(request, queryset, view)
        filterset = self.get_filterset(request, queryset, view)
        filters = filterset.filters if filterset is not None else {}
        wrong = {
            name: "Write true or false."
            for name, one in filters.items()
            if isinstance(one, BooleanFilter) and not _is_yes_or_no(request.query_params.get(name))
        }
        if wrong:
            raise exceptions.ValidationError(wrong)
        return found


def _is_yes_or_no(given: str | None) -> bool:
    return not given or given.lower() in {"true", "false"}


class NewestFirst(CursorPagination):
    """Pages by primary key, newest first; a view whose key is no number names its `newest_by`."""

    ordering = "-pk"
    page_size_query_param = "page_size"
    max_page_size = 100
    template = None

    def get_page_size(self, request: Request) -> int:
        """What was asked for, at most 100; REST framework passes over what is no number."""
        given = request.query_params.get(self.page_size_query_param, "")
        if not given:
            return self.page_size or self.max_page_size
        if not re.fullmatch("[0-9]{1,9}", given) or not int(given):
            told = "Write a whole number from 1 on; more than 100 is read as 100."
            raise exceptions.ValidationError({self.page_size_query_param: told})
        return min(int(given), self.max_page_size)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": 999_999_999}
        return parameters

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        return tuple(getattr(view, "newest_by", (self.ordering,)))

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ArithmeticError, ValidationError):
            if self.cursor_query_param not in request.query_params:
                raise
            # Somebody made it up.
            raise exceptions.NotFound(self.invalid_cursor_message) from None
