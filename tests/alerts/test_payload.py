from datetime import UTC, datetime
from typing import Any

import pytest

from incidents.alerts.payload import CUT, InvalidPayload, Link, parse


def test_it_reads_everything_that_a_monitor_says() -> None:
    signal = parse(
        {
            "dedup_key": "checkout:health",
            "status": "firing",
            "service": "checkout",
            "severity": "P1",
            "summary": "Checkout is down",
            "description": "503 since 10:00",
            "links": [{"href": "https://grafana.example/d/1", "text": "Graph"}],
            "labels": {"region": "eu", "replicas": 3, "canary": False, "zone": None},
            "started_at": "2026-03-02T10:00:00+01:00",
        }
    )

    assert signal.dedup_key == "checkout:health"
    assert (signal.is_firing, signal.service, signal.severity) == (True, "checkout", "SEV1")
    assert signal.links == (Link("https://grafana.example/d/1", "Graph"),)
    assert signal.labels == {"region": "eu", "replicas": "3", "canary": "false", "zone": ""}
    assert signal.started_at == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    assert signal.notes == ()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        *[("SEV1", "SEV1"), ("sev-2", "SEV2"), ("P3", "SEV3"), ("p4", "SEV4"), ("P5", "SEV4")],
        *[("critical", "SEV1"), ("Error", "SEV2"), ("warning", "SEV3"), ("info", "SEV4")],
        *[("", ""), (None, "")],
    ],
)
def test_it_knows_what_monitors_call_a_severity(said: str | None, meant: str) -> None:
    assert parse({"summary": "x", "severity": said}).severity == meant


def test_it_notes_a_severity_that_it_does_not_know() -> None:
    signal = parse({"summary": "x", "severity": "catastrophic"})

    assert signal.severity == ""
    assert "catastrophic" in signal.notes[0]


def test_it_derives_the_key_from_service_and_summary() -> None:
    first = parse({"summary": "Disk full", "service": "db"})
    again = parse({"summary": "Disk full", "service": "db", "description": "99 %"})
    other = parse({"summary": "Disk full", "service": "web"})

    assert first.dedup_key == again.dedup_key
    assert first.dedup_key != other.dedup_key


def test_two_long_keys_with_the_same_beginning_stay_two() -> None:
    first, second = parse({"dedup_key": "k" * 400 + "1"}), parse({"dedup_key": "k" * 400 + "2"})

    assert len(first.dedup_key) == len(second.dedup_key) == 255
    assert first.dedup_key != second.dedup_key


def test_it_cuts_what_is_too_long_and_says_so() -> None:
    signal = parse(
        {
            "summary": "s" * 301,
            "description": "d" * 7_000,
            "labels": {f"key {n}": "v" * 501 for n in range(70)},
            "links": [f"https://example.org/{n}" for n in range(25)],
        }
    )

    assert len(signal.summary) == 300
    assert signal.summary.endswith(CUT)
    assert len(signal.description) == 6_000
    assert len(signal.labels) == 64
    assert {len(value) for value in signal.labels.values()} == {500}
    assert len(signal.links) == 20
    assert any("links" in note for note in signal.notes)


def test_what_fits_exactly_is_not_cut() -> None:
    assert parse({"summary": "s" * 300}).summary == "s" * 300


@pytest.mark.parametrize("body", [None, [], [1], "text", 7, True])
def test_it_refuses_what_is_no_object(body: object) -> None:
    with pytest.raises(InvalidPayload):
        parse(body)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("summary", 3), ("summary", ["x"]), ("dedup_key", {}), ("service", True)],
        *[("severity", 1), ("status", "broken"), ("status", 0), ("description", 1.5)],
        *[("labels", []), ("labels", "a=b"), ("links", {}), ("links", "https://a")],
        ("started_at", 1_700_000_000),
    ],
)
def test_it_names_the_field_of_a_wrong_type(field: str, value: Any) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({"dedup_key": "a", "summary": "x"} | {field: value})

    assert list(refused.value.errors) == [field]


def test_it_names_every_wrong_field_at_once() -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({"summary": 1, "links": [{"text": "no href"}], "labels": 2})

    assert set(refused.value.errors) == {"summary", "links.0", "labels"}


def test_it_asks_for_a_summary_or_a_key() -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({"summary": "   ", "service": "checkout"})

    assert "dedup_key" in refused.value.errors["summary"]


@pytest.mark.parametrize(
    "written", ["yesterday", "1999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-13-01"]
)
def test_a_time_that_cannot_be_true_is_noted_and_never_loses_the_alert(written: str) -> None:
    signal = parse({"summary": "x", "started_at": written})

    assert signal.started_at is None
    assert written in signal.notes[0]


def test_a_time_without_a_zone_is_utc() -> None:
    signal = parse({"summary": "x", "started_at": "2026-03-02T10:00:00"})

    assert signal.started_at == datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize("bad", ["\x00", "\ud800", "a\udfffb"])
def test_nothing_that_no_database_keeps_gets_through(bad: str) -> None:
    signal = parse({"summary": bad + "x", "dedup_key": bad, "labels": {bad: bad}})

    told = [signal.summary, signal.dedup_key, *signal.labels, *signal.labels.values()]
    assert all("\N{REPLACEMENT CHARACTER}" in text for text in told)
    assert "".join(told).encode()


def test_a_link_that_could_run_a_script_is_left_out() -> None:
    signal = parse({"summary": "x", "links": [{"href": "javascript:alert(1)"}, "https://ok"]})

    assert signal.links == (Link("https://ok"),)
    assert "left out" in signal.notes[0]
