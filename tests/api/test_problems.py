"""Everything that goes wrong is told in one form, with a code for programs and words for people."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from incidents.core import services as core
from incidents.core.models import ApiToken, Incident, User
from incidents.timers.clock import VirtualClock
from tests.api.conftest import Caller, World

As = Callable[..., Caller]


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= set(document)
    assert (document["status"], document["code"]) == (status, code)
    return document


# --- Who ------------------------------------------------------------------------------------------


def test_without_credentials_it_says_how_to_bring_some(client: Client, db: None) -> None:
    answer = client.get("/api/v1/incidents/")

    assert_problem(answer, 401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("secret", ["tocsin_wrong", "", "tocsin_\xff", "a b c"])
def test_it_refuses_a_token_that_it_does_not_know(db: None, secret: str) -> None:
    answer = Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/me/")

    assert_problem(answer, 401, "bad_token")
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("how", ["revoked", "expired", "deactivated"])
def test_it_refuses_a_token_that_is_over(bob: User, clock: VirtualClock, how: str) -> None:
    token, secret = core.issue_token(
        bob, name="x", scope="read", expires_at=clock.at + timedelta(hours=1)
    )
    client = Caller(secret)
    worked = client.get("/api/v1/me/").status_code

    if how == "revoked":
        core.revoke_token(token)
    elif how == "expired":
        clock.forward(hours=1)
    else:
        User.objects.filter(pk=bob.pk).update(is_active=False)

    assert worked == 200
    assert_problem(client.get("/api/v1/me/"), 401, "bad_token")


def test_a_session_needs_the_csrf_token(bob: User, world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)

    answer = client.post(
        f"/api/v1/incidents/{world.incident.reference}/acknowledge/",
        "{}",
        content_type="application/json",
    )

    assert_problem(answer, 403, "permission_denied")
    assert not Incident.objects.get(pk=world.incident.pk).is_acknowledged


# --- What -----------------------------------------------------------------------------------------


def test_it_lists_what_is_wrong_by_field(as_: As, world: World) -> None:
    answer = as_("responder").send(
        "POST", "/api/v1/incidents/", {"title": "", "service": "nope", "colour": "red"}
    )

    document = assert_problem(answer, 400, "invalid")
    assert {error["field"] for error in document["errors"]} == {"colour"}
    assert "known are: title, service" in document["errors"][0]["message"]


def test_it_names_the_place_within_a_list(as_: As, world: World) -> None:
    levels = [
        {"timeout": 300, "targets": [{"kind": "schedule"}]},
        {"timeout": -1, "targets": [{"kind": "astrologer"}]},
    ]

    answer = as_("manager").send("PUT", "/api/v1/escalation-policies/payments/", {"levels": levels})

    document = assert_problem(answer, 400, "invalid")
    assert {error["field"] for error in document["errors"]} == {
        "levels.1.timeout",
        "levels.1.targets.0.kind",
    }


def test_a_verb_s_own_refusal_names_its_field(as_: As, world: World) -> None:
    answer = as_("responder").send(
        "POST",
        f"/api/v1/incidents/{world.incident.reference}/snooze/",
        {"until": "2026-03-01T00:00:00Z", "reason": "Later."},
    )

    document = assert_problem(answer, 400, "invalid")
    assert document["errors"][0]["field"] == "until"


def test_a_refused_step_tells_where_it_stands_and_what_is_missing(as_: As, world: World) -> None:
    answer = as_("responder").send(
        "POST", f"/api/v1/incidents/{world.incident.reference}/resolve/", {"root_cause": "DNS"}
    )

    document = assert_problem(answer, 409, "unmet_criteria")
    assert document["state"] == "investigating"
    assert "identified" in document["allowed"]
    assert {one["code"] for one in document["unmet"]} >= {"mitigation", "recovered"}
    assert all(one["message"] for one in document["unmet"])


def test_a_step_out_of_order_is_a_conflict(as_: As, world: World) -> None:
    answer = as_("responder").send(
        "POST",
        f"/api/v1/incidents/{world.incident.reference}/start-mitigating/",
        {"mitigation": "Restart", "kind": "restart"},
    )

    document = assert_problem(answer, 409, "refused")
    assert document["state"] == "investigating"
    assert document["allowed"] == ["dismiss", "identified"]


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("GET", "/api/v1/incidents/INC-1999-01-01-001/", 404, "not_found"),
        ("GET", "/api/v1/incidents/%00/", 404, "not_found"),
        ("GET", "/api/v1/incidents/a%0Ab/", 404, "not_found"),
        ("GET", f"/api/v1/people/{'9' * 30}/", 404, "not_found"),
        ("GET", f"/api/v1/people/{'9' * 5_000}/", 404, "not_found"),
        ("GET", "/api/v1/deliveries/------------------------------------/", 404, "not_found"),
        ("GET", "/api/v1/nothing/", 404, "not_found"),
        ("GET", "/api/", 404, "not_found"),
        ("GET", "/api/v1/incidents", 404, "not_found"),
        ("GET", "/api/v1/incidents/?cursor=nonsense", 404, "not_found"),
        ("GET", "/api/v1/incidents/?cursor=cD14", 404, "not_found"),
        ("GET", "/api/v1/timers/?cursor=cD14", 404, "not_found"),
        ("GET", "/api/v1/deliveries/?cursor=cD14", 404, "not_found"),
        ("GET", "/api/v1/incidents/?severity=SEV9", 400, "invalid"),
        ("GET", "/api/v1/incidents/?search=%00", 400, "invalid"),
        ("GET", "/api/v1/incidents/?declared_after=yesterday", 400, "invalid"),
        ("GET", "/api/v1/schedules/payments/roster/?start=x", 400, "invalid"),
        ("GET", "/api/v1/schedules/payments/roster/?end=2190-01-01T00:00:00Z", 400, "invalid"),
        ("DELETE", "/api/v1/incidents/", 405, "method_not_allowed"),
        ("PUT", "/api/v1/services/checkout/", 405, "method_not_allowed"),
        ("OPTIONS", "/api/v1/incidents/", 405, "method_not_allowed"),
    ],
)
def test_addresses_and_questions_that_make_no_sense(
    as_: As, world: World, method: str, address: str, status: int, code: str
) -> None:
    assert_problem(as_("administrator").generic(method, address), status, code)


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"]
)
def test_the_edges_of_time_are_no_server_error(as_: As, world: World, moment: str) -> None:
    for name in ["declared_after", "declared_before"]:
        answer = as_("viewer").get(f"/api/v1/incidents/?{name}={moment}")

        assert answer.status_code in {200, 400}, answer.content


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        ("{", "application/json", 400, "parse_error"),
        ('{"text": NaN}', "application/json", 400, "parse_error"),
        ('{"text": ' + "[" * 50_000, "application/json", 400, "parse_error"),
        ('{"text": "' + "x" * 262_144 + '"}', "application/json", 413, "too_large"),
        ("[1, 2]", "application/json", 400, "invalid"),
        ('"text"', "application/json", 400, "invalid"),
        ("text=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ("x", "text/plain", 415, "unsupported_media_type"),
    ],
)
def test_bodies_that_are_refused(
    as_: As, world: World, body: str, content_type: str, status: int, code: str
) -> None:
    answer = as_("responder").post(
        f"/api/v1/incidents/{world.incident.reference}/note/", body, content_type=content_type
    )

    assert_problem(answer, status, code)


def test_text_that_no_database_keeps_is_replaced(as_: As, world: World) -> None:
    raw = rb'{"text": "a\u0000b\ud800c' + b'\xff"}'

    answer = as_("responder").post(
        f"/api/v1/incidents/{world.incident.reference}/note/", raw, content_type="application/json"
    )

    told = world.incident.timeline.get(kind="note").summary
    assert answer.status_code == 200
    assert told == "a�b�c�"


def test_a_list_cannot_be_longer_than_sense(as_: As, world: World) -> None:
    answer = as_("responder").send(
        "POST",
        f"/api/v1/incidents/{world.incident.reference}/record-impact/",
        {"affected_services": ["checkout"] * 201},
    )

    assert_problem(answer, 400, "invalid")


# --- When things break ----------------------------------------------------------------------------


def test_without_a_database_it_says_when_to_try_again(
    as_: As, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused on 10.0.0.5")

    client = as_("responder")
    monkeypatch.setattr(core, "acknowledge", unreachable)

    answer = client.send("POST", f"/api/v1/incidents/{world.incident.reference}/acknowledge/")

    document = assert_problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "5"
    assert "10.0.0.5" not in json.dumps(document)


def test_a_bug_of_ours_is_told_without_its_details(
    as_: As, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("secret")

    client = as_("responder")
    client.raise_request_exception = False
    monkeypatch.setattr(core, "acknowledge", broken)

    answer = client.send("POST", f"/api/v1/incidents/{world.incident.reference}/acknowledge/")

    document = assert_problem(answer, 500, "internal")
    assert "secret" not in json.dumps(document)


def test_a_page_that_is_no_api_is_no_problem_document(client: Client, db: None) -> None:
    answer = client.get("/nothing/")

    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


def test_a_read_token_of_an_administrator_changes_nothing(as_: As, world: World) -> None:
    client = as_("administrator", ApiToken.Scope.READ)

    answer = client.send("POST", f"/api/v1/incidents/{world.incident.reference}/acknowledge/")

    assert_problem(answer, 403, "scope")
    assert not Incident.objects.get(pk=world.incident.pk).is_acknowledged
