"""The door for machines: what comes in is accepted, or refused with a problem; never 500."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents.alerts import services
from incidents.alerts.models import Alert, Source
from incidents.core.models import Incident

Send = Callable[..., Any]


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["detail"]
    return document


def nested(depth: int) -> str:
    return '{"summary": "x", "labels": ' + '{"a":' * depth + "1" + "}" * depth + "}"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"", 400, "invalid_alert", id="nothing"),
        pytest.param(b"{}", 400, "invalid_alert", id="an empty object"),
        pytest.param(b"[]", 400, "invalid_alert", id="a list"),
        pytest.param(b'"down"', 400, "invalid_alert", id="a text"),
        pytest.param(b"null", 400, "invalid_alert", id="null"),
        pytest.param(b"{not json", 400, "parse_error", id="no JSON"),
        pytest.param(b'{"summary": NaN}', 400, "parse_error", id="NaN"),
        pytest.param(b'{"summary": "x", "a": -Infinity}', 400, "parse_error", id="Infinity"),
        pytest.param(b'{"summary": "x", "a": 1e999}', 400, "parse_error", id="too large"),
        pytest.param(
            b'{"summary": "x", "a": ' + b"9" * 5_000 + b"}", 400, "parse_error", id="digits"
        ),
        pytest.param(nested(40), 400, "parse_error", id="deep"),
        pytest.param(nested(20_000), 400, "parse_error", id="very deep"),
        pytest.param("[" * 200_000, 400, "parse_error", id="deep and unfinished"),
        pytest.param(
            json.dumps({"summary": "x"} | {f"k{n}": n for n in range(250)}),
            400,
            "parse_error",
            id="many keys",
        ),
        pytest.param(b'{"summary": "' + b"x" * 262_144 + b'"}', 413, "too_large", id="large"),
        pytest.param(b'{"summary": 7}', 400, "invalid_alert", id="a wrong type"),
    ],
)
def test_it_refuses_with_a_problem(send: Send, body: Any, status: int, code: str) -> None:
    assert_problem(send(body), status, code)

    assert not Incident.objects.exists()


def test_it_names_the_wrong_fields(send: Send) -> None:
    document = assert_problem(send(summary=7, labels=[]), 400, "invalid_alert")

    assert [error["field"] for error in document["errors"]] == ["summary", "labels"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(rb'{"summary": "a\u0000b", "labels": {"k\u0000": "v"}}', id="NUL"),
        pytest.param(rb'{"summary": "a\ud800b"}', id="a lone surrogate"),
        pytest.param(b'{"summary": "a\xff\xfeb"}', id="no UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"summary": "a"}', id="a byte order mark"),
        pytest.param(b'{"summary": "a", "later": {"we": ["may", "know"]}}', id="unknown fields"),
        pytest.param(nested(20), id="labels within labels"),
        pytest.param(b'{"summary": "a", "summary": "b"}', id="a field twice"),
    ],
)
def test_a_page_is_not_lost_for(send: Send, body: Any) -> None:
    answer = send(body)

    assert answer.status_code == 202, answer.content
    assert Incident.objects.count() == 1


def test_it_refuses_an_unknown_source(send: Send) -> None:
    assert_problem(send(key="x" * 32), 404, "unknown_source")


@pytest.mark.parametrize("key", ["short", "a%00b", "ключ", "x" * 200])
def test_what_cannot_be_a_key_is_told_to_be_none(client: Client, db: None, key: str) -> None:
    answer = client.post(f"/api/v1/alerts/{key}/", "{}", content_type="application/json")

    assert_problem(answer, 404, "unknown_source")
    assert answer.json()["detail"].startswith("No source has this key;")


def test_an_address_below_that_of_a_key_is_not_found(client: Client, db: None) -> None:
    answer = client.post("/api/v1/alerts/../people/", "{}", content_type="application/json")

    assert_problem(answer, 404, "not_found")


def test_it_refuses_a_source_that_is_switched_off(send: Send, source: Source) -> None:
    Source.objects.update(is_active=False)

    assert_problem(send(), 403, "inactive_source")
    assert not Incident.objects.exists()


def test_it_does_not_read_forms(client: Client, source: Source) -> None:
    answer = client.post(f"/api/v1/alerts/{source.key}/", {"summary": "x"})
    encoded = client.post(
        f"/api/v1/alerts/{source.key}/",
        "summary=x",
        content_type="application/x-www-form-urlencoded",
    )

    assert_problem(answer, 415, "unsupported_media_type")
    assert_problem(encoded, 415, "unsupported_media_type")


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options"])
def test_it_only_takes_posts(client: Client, source: Source, method: str) -> None:
    answer = getattr(client, method)(f"/api/v1/alerts/{source.key}/")

    assert_problem(answer, 405, "method_not_allowed")


def test_a_missing_last_slash_loses_no_page(client: Client, source: Source) -> None:
    address = f"/api/v1/alerts/{source.key}"

    answer = client.post(address, '{"summary": "x"}', content_type="application/json")

    assert answer.status_code == 202


def test_it_answers_whatever_the_accept_header_says(client: Client, source: Source) -> None:
    answer = client.post(
        f"/api/v1/alerts/{source.key}/?format=xml",
        '{"summary": "x"}',
        content_type="application/json; charset=latin-1",
        headers={"Accept": "text/html"},
    )

    assert answer.status_code == 202


def test_without_a_database_it_says_when_to_try_again(
    send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(services, "ingest", unreachable)

    answer = send()

    assert_problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "5"


@pytest.mark.parametrize("body", ["{}", "[]", '{"summary": "x"}'])
def test_no_key_gets_into_the_log(
    client: Client,
    source: Source,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(services, "ingest", broken)
    client.raise_request_exception = False
    caplog.set_level(logging.DEBUG)
    logging.getLogger("django.request").propagate = True

    for address in [f"{source.key}/", source.key, f"{source.key}-/", f"{source.key}/x/"]:
        answer = client.post(f"/api/v1/alerts/{address}", body, content_type="application/json")
        assert answer.status_code >= 400

    assert caplog.records
    assert source.key not in caplog.text
    assert not any(source.key in str(record.__dict__) for record in caplog.records)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        *("dedup_key", "status", "service", "severity", "summary", "description", "links"),
        *("labels", "started_at", "unknown"),
    ]
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=st.dictionaries(FIELDS, JSON) | JSON)
def test_no_body_is_answered_with_a_server_error(send: Send, body: Any) -> None:
    answer = send(json.dumps(body))

    assert answer.status_code in {202, 400}
    assert answer.status_code != 202 or Alert.objects.exists()


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(raw=st.binary(max_size=200))
def test_no_bytes_are_answered_with_a_server_error(send: Send, raw: bytes) -> None:
    assert send(raw).status_code in {202, 400}
