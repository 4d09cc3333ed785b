"""What every answer forbids the browser; walked over every page there is."""

import pytest
from django.contrib import admin
from django.urls import get_resolver, reverse
from django.urls.resolvers import URLPattern

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


@pytest.fixture
def root(db):
    return UserFactory(username="root", is_staff=True, is_superuser=True)


def policy_of(answer):
    pieces = answer["Content-Security-Policy"].split(";")
    return dict(piece.strip().split(" ", 1) for piece in pieces)


def pages(patterns=None, before=""):
    """Every address outside the admin, with something made up for what it names."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = before + str(pattern.pattern).lstrip("^")
        if isinstance(pattern, URLPattern):
            yield path
        elif not path.startswith("admin/"):
            yield from pages(pattern.url_patterns, path)


def filled(path, incident):
    for name, value in {"reference": incident.reference, "pk": "1"}.items():
        for kind in ["str:", "slug:", "int:", "uuid:", ""]:
            path = path.replace(f"<{kind}{name}>", value)
    return "/" + path


def outside_the_admin(incident):
    found = {filled(path, incident) for path in pages()}
    plain = {path for path in found if not set(path) & set("<>()[]\\^$")}
    return sorted(
        plain | {"/welcome/MQ/x-y/", "/a/made-up-token/", "/nothing/here/", "/api/nothing"}
    )


def test_every_page_outside_the_admin_has_the_strict_headers(client, root, incident):
    client.force_login(root)
    walked = outside_the_admin(incident)

    for path in walked:
        answer = client.get(path)
        assert policy_of(answer) == (
            STRICT | {"style-src": "'self' 'unsafe-inline'"} if path == "/api/docs/" else STRICT
        ), path
        kept = "public, max-age=10" if path.startswith("/status") else "no-store"
        assert kept in answer["Cache-Control"], path
        assert "camera=()" in answer["Permissions-Policy"], path
        assert answer["X-Content-Type-Options"] == "nosniff", path
        assert answer["X-Frame-Options"] == "DENY", path
        assert answer["Referrer-Policy"] in {"same-origin", "no-referrer"}, path
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", path
    assert {"/login/", "/i/", "/me/", "/me/password/", "/forgotten/", "/api/docs/"} <= set(walked)


def test_no_page_of_ours_needs_what_the_policy_forbids(client, root, incident):
    client.force_login(root)

    for path in outside_the_admin(incident):
        answer = client.get(path)
        if "text/html" not in answer["Content-Type"] or path == "/api/docs/":
            continue
        page = answer.content.decode()
        assert " style=" not in page, path
        assert "<style" not in page, path
        assert "<script>" not in page, path
        assert " onclick=" not in page, path


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=lambda model: model._meta.label))
def test_the_admin_gets_what_unfold_needs_and_no_more(client, root, model):
    client.force_login(root)
    answer = client.get(
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    )

    assert policy_of(answer) == STRICT | {
        "script-src": "'self' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
    }
    assert "no-store" in answer["Cache-Control"]
    assert "camera=()" in answer["Permissions-Policy"]


def test_files_may_be_kept(client):
    answer = client.get("/static/tocsin/pocket.css")

    assert answer.status_code == 200
    assert "no-store" not in answer["Cache-Control"]


def test_with_https_nothing_travels_without(client, settings):
    settings.SECURE_HSTS_SECONDS = 31_536_000

    assert "max-age=31536000" in client.get("/login/", secure=True)["Strict-Transport-Security"]
