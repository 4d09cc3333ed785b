"""Every page of the house, found by itself: from the admin's registry, the verbs and the URLs.

What is added later is visited without being named here. An address with arguments that nobody can
guess needs a line in `EXAMPLES`; one that is no page needs a reason in `NO_PAGE`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.test import RequestFactory
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from playwright.sync_api import Error, Page, Response

from incidents.core.adminsite import known_verbs, offered
from incidents.core.models import User
from tests.sizes import size

ROWS_TRIED = 60
# Pages that look different in every state.
ROWS_SHOWN = {"incidents.incident": size(7, 3), "reviews.review": 5}

# Named addresses that show no page of their own, each with the reason.
NO_PAGE = {
    "front": "sends on",
    "logout": "takes POST only",
    "contacts-do": "takes POST only",
    "admin:login": "sends on to the login page",
    "admin:review-export": "is a file",
    "status-json": "is a document",
    "status-feed": "is a document",
    "admin:logout": "takes POST only",
    "admin:autocomplete": "answers a script",
    "admin:search": "answers a script",
    "admin:jsi18n": "is a script",
    "admin:view_on_site": "is Django's; no model has a page there",
    "admin:password_change": "is Django's; one's own password is changed at /me/password/",
    "admin:password_change_done": "is Django's",
}
# The same for what each list or row has.
NO_PAGE_OF_A_MODEL = {
    "delete": "nothing is deleted",
    "history": "history is the timeline",
    "export": "is a file",
    "save_view": "takes POST only",
    "forget_view": "takes POST only",
}
NOBODY_LOGGED_IN = {"login", "forgotten", "welcome", "escalation:acknowledge"}


@dataclass(frozen=True)
class Visit:
    """`name`: that of the URL pattern, which counts as visited."""

    name: str
    path: str

    def __str__(self) -> str:
        return self.path


def open_at(page: Page, visit: Visit) -> Response | None:
    """Go there; returns the answer, None of what takes POST only."""
    try:
        answer = page.goto(visit.path)
    except Error as error:  # an answer without a body
        if "ERR_HTTP_RESPONSE_CODE_FAILURE" not in error.message:
            raise
        page.wait_for_url(lambda url: url.startswith("chrome-error:"))  # before the next one
        assert page.request.get(visit.path).status == 405
        return None
    assert answer is not None
    return None if answer.status == 405 else answer


def registered() -> list[type[Model]]:
    return sorted(admin.site._registry, key=lambda model: model._meta.label_lower)


def of_model(model: type[Model], user: User) -> Iterator[Visit]:
    """Its list, its form for a new row, the page of a row, and the page of each verb."""
    options = model._meta
    stem = f"admin:{options.app_label}_{options.model_name}"
    model_admin = admin.site._registry[model]
    request: Any = RequestFactory().get("/")
    request.user = user
    yield Visit(f"{stem}_changelist", reverse(f"{stem}_changelist"))
    if model_admin.has_add_permission(request):
        yield Visit(f"{stem}_add", reverse(f"{stem}_add"))
    rows = model._default_manager.order_by("pk")[: ROWS_SHOWN.get(options.label_lower, 1)]
    assert rows, f"tests/browser/world.py makes no {options.verbose_name}."
    for row in rows:
        yield Visit(f"{stem}_change", reverse(f"{stem}_change", args=[row.pk]))
    offers = verbs_of(model, user)
    missing = {verb.name for verb in known_verbs(options.label_lower)} - set(offers)
    assert not missing, f"tests/browser/world.py has no {options.label} for {', '.join(missing)}."
    # The pages of all verbs have one template; those of incidents are pressed one by one elsewhere.
    for verb, subject in list(offers.items())[: size(len(offers), 1)]:
        yield Visit(f"{stem}_verb", reverse(f"{stem}_verb", args=[subject.pk, verb]))


def verbs_of(model: type[Model], user: User) -> dict[str, Any]:
    """Each verb that is offered on some row, with the first row on which it is."""
    label, found = model._meta.label_lower, {}
    for row in model._default_manager.order_by("pk")[:ROWS_TRIED]:
        for verb in offered(label, user, row):
            found.setdefault(verb.name, row)
    return found


def named(
    resolver: URLResolver | None = None, namespace: str = ""
) -> Iterator[tuple[str, URLPattern]]:
    """Every named URL pattern that leads to a page: the API has tests of its own."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            if str(pattern.pattern) != "api/":
                inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
                yield from named(pattern, inner)
        elif pattern.name:
            yield f"{namespace}{pattern.name}", pattern


def places() -> list[str]:
    """The names of all pages that belong to no model of the admin."""
    return sorted({name for name, _ in named() if name not in NO_PAGE and not _model_of(name)})


def at(name: str, examples: dict[str, list[dict[str, Any]]]) -> Iterator[Visit]:
    """The page of this name, once for each of its examples' arguments."""
    for arguments in examples.get(name, [{}]):
        try:
            yield Visit(name, reverse(name, kwargs=arguments))
        except NoReverseMatch:
            raise AssertionError(f"tests/browser/examples.py has no example of {name}.") from None


def excused(name: str) -> bool:
    stem = _model_of(name)
    return name in NO_PAGE or name.removeprefix(stem) in NO_PAGE_OF_A_MODEL


def _model_of(name: str) -> str:
    """ "admin:incidents_team_" of "admin:incidents_team_add"; empty for what is of no model."""
    stems = (f"admin:{m._meta.app_label}_{m._meta.model_name}_" for m in registered())
    return next((stem for stem in stems if name.startswith(stem)), "")
