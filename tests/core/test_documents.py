"""What sections of a runbook are made of, and what is said when they are wrong."""

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Literal, get_args

import pytest
from pydantic import ValidationError

from incidents.core import section as core_section
from incidents.core import services
from incidents.core.documents import (
    Duration,
    Offset,
    Percent,
    Section,
    Slug,
    complaints,
    digest_of_document,
    duration_text,
    section_of,
)
from incidents.core.models import Incident, IncidentRole
from incidents.core.section import CoreSection, MitigationName, RoleName


class Page(Section):
    respond: Duration | None = None
    opens: Offset | None = None
    share: Percent | None = None
    name: Slug | None = None
    words: list[str] = []


class Timed(Section):
    takes: Duration


def read(**facts):
    return Page.model_validate(facts)


def said_of(model, document):
    with pytest.raises(ValidationError) as refused:
        model.model_validate(document)
    return complaints(refused.value)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90 s", timedelta(seconds=90)),
        ("5 min", timedelta(minutes=5)),
        ("5min", timedelta(minutes=5)),
        ("1 h 30 min", timedelta(minutes=90)),
        ("2 h", timedelta(hours=2)),
        ("1 day", timedelta(days=1)),
        ("2 days", timedelta(days=2)),
        ("1 week", timedelta(weeks=1)),
        ("13 weeks", timedelta(weeks=13)),
    ],
)
def test_it_reads_durations_as_people_write_them(text, duration):
    assert read(respond=text).respond == duration


@pytest.mark.parametrize(
    "wrong",
    ["5", 5, 5.5, "", "5 minutes and more", "-5 min", "5 min + deploy", "1.5 h", None, True, []],
)
def test_it_never_guesses_a_unit(wrong):
    lines = said_of(Timed, {"takes": wrong})

    assert len(lines) == 1
    assert 'is no duration; write e.g. "5 min", "2 h", "1 week".' in lines[0]


def test_no_time_at_all_is_a_beginning_and_no_target():
    assert read(opens="0 min").opens == timedelta()
    assert said_of(Page, {"respond": "0 min"}) == [
        'respond: "0 min" is no time at all; write e.g. 5 min.'
    ]


def test_it_refuses_what_no_computer_could_count_to():
    assert said_of(Page, {"respond": "999999 weeks"}) == [
        'respond: "999999 weeks" is longer than 520 weeks.'
    ]


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "0 min"),
        (timedelta(seconds=90), "1 min 30 s"),
        (timedelta(minutes=90), "1 h 30 min"),
        (timedelta(hours=24), "24 h"),
        (timedelta(hours=72), "72 h"),
        (timedelta(days=4), "4 days"),
        (timedelta(weeks=1), "1 week"),
        (timedelta(weeks=13), "13 weeks"),
    ],
)
def test_it_says_durations_as_people_do(duration, text):
    assert duration_text(duration) == text
    assert read(opens=text).opens == duration


def test_it_writes_what_it_reads():
    page = read(respond="90 min", share="99.95 %", name="high-error-rate", words=["a"])

    stored = page.as_json()

    assert stored == {
        "respond": "1 h 30 min",
        "share": "99.95 %",
        "name": "high-error-rate",
        "words": ["a"],
    }
    assert Page.model_validate(stored) == page
    assert page.share == Decimal("99.95")


@pytest.mark.parametrize(
    ("document", "line"),
    [
        (
            {"respnd": "5 min"},
            '"respnd" is unknown; did you mean "respond"? '
            "Allowed are name, opens, respond, share, words.",
        ),
        ({"zzz": 1}, '"zzz" is unknown; allowed are name, opens, respond, share, words.'),
        ({"share": "101 %"}, 'share: "101 %" is no percentage; write e.g. "99.95 %".'),
        ({"share": 0.5}, 'share: 0.5 is no percentage; write e.g. "99.95 %".'),
        (
            {"name": "High Error"},
            'name: "High Error" is no name; write small letters, digits, - and _.',
        ),
        ({"words": "one"}, 'words: "one" must be a list (lines that begin with -).'),
        ({"words": ["one", 2]}, "words[1]: 2 must be text; put it in quotes."),
        ([], "[] must be a mapping (key: value)."),
    ],
)
def test_it_says_what_is_wrong_in_one_line(document, line):
    assert said_of(Page, document) == [line]


class Limit(Section):
    users_over: int


class Told(Section):
    when: Literal["always"] | Limit


@pytest.mark.parametrize(
    ("when", "line"),
    [
        ("never", 'when: "never" is not allowed; use always.'),
        (7, "when: 7 is not allowed; use always."),
        ({"users_over": "many"}, 'when.users_over: "many" must be a whole number.'),
        ({"over": 7}, 'when: "over" is unknown; allowed are users_over.'),
        ({}, "when.users_over: is missing."),
    ],
)
def test_where_a_word_or_a_mapping_may_stand_only_the_written_one_is_judged(when, line):
    assert said_of(Told, {"when": when}) == [line]


def test_everything_that_is_wrong_is_said_at_once():
    assert len(said_of(Page, {"respond": "soon", "share": "much", "words": [1, 2]})) == 4


def test_the_roles_and_kinds_of_mitigation_are_those_of_the_incident():
    assert list(get_args(RoleName)) == IncidentRole.values
    assert list(get_args(MitigationName)) == Incident.MitigationKind.values


def test_a_checklist_that_ends_before_it_begins_is_refused():
    phase = {"title": "Triage", "opens": "5 min", "due": "5 min", "items": [{"text": "Look"}]}

    lines = said_of(CoreSection, {"checklists": {"triage": {"title": "T", "phases": [phase]}}})

    assert lines == ["checklists.triage.phases[0]: due must be later than opens."]


@pytest.mark.parametrize(
    ("hours", "line"),
    [
        (
            {"zone": "Mars/Olympus"},
            'working_hours.zone: "Mars/Olympus" is no time zone; write one like Europe/Berlin.',
        ),
        (
            {"opens": "9 o'clock"},
            'working_hours.opens: "9 o\'clock" is no time of day; write e.g. "09:00".',
        ),
        ({"opens": "17:00", "closes": "09:00"}, "working_hours: closes must be later than opens."),
    ],
)
def test_working_hours_must_exist(hours, line):
    assert said_of(CoreSection, {"working_hours": hours}) == [line]


DOCUMENT = {
    "title": "of another room",
    "severities": {
        "SEV1": {"name": "P1", "definition": "All is down.", "targets": {"respond": "5 min"}}
    },
}


def test_a_revision_gives_its_section(db):
    revision = services.publish_revision(slug="s", title="S", policies=[], document=DOCUMENT)

    assert core_section.of(revision).severities["SEV1"].targets.respond == timedelta(minutes=5)
    assert core_section.of(revision) is core_section.of(revision)  # read once
    assert revision.digest == digest_of_document(DOCUMENT)


def test_a_section_of_a_key_and_one_that_is_left_out(db):
    revision = services.publish_revision(
        slug="s", title="S", policies=[], document={"page": {"respond": "2 h"}}
    )

    assert section_of(Page, revision, key="page").respond == timedelta(hours=2)
    assert section_of(Page, revision, key="other") == Page()


@pytest.mark.parametrize("document", [{"severities": {"SEV9": 1}}, {"severities": 7}, [], "text"])
def test_a_document_that_cannot_be_read_stops_nobody(db, service, document, caplog):
    revision = services.publish_revision(slug="default", title="S", policies=[], document=document)

    with caplog.at_level(logging.ERROR):
        assert core_section.of(revision) == CoreSection()
    assert services.declare(title="Down", service=service).revision == revision
