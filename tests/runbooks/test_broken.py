"""Broken runbook files: each exactly one clear line, never a traceback, nothing half applied."""

import os
from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.comms.language import OUTSIDE, VARIABLES
from incidents.core.models import Organisation, RunbookRevision, SeverityPolicy
from incidents.runbooks import document, loading, services

GOOD = """\
format: 1
slug: broken
title: Broken
severities:
  SEV1:
    name: P1
    definition: All is down.
    targets: {respond: 5 min}
  SEV2:
    name: P2
    definition: Much is down.
types:
  outage:
    title: Outage
    definition: Nothing answers.
    severity: SEV1
    alerts: [AllDown]
    checklist: triage
    procedure: restart
checklists:
  triage:
    title: Triage
    phases:
      - {title: Look, due: 5 min, items: [{text: Is it real?}]}
procedures:
  restart:
    title: Restart
    questions:
      - {ask: Does it run?, answers: [{if: "no", then: Start it}]}
    causes:
      - {cause: Crash, solution: Restart, takes: {text: 5 min + deploy, from: 5 min}}
escalation:
  roles:
    manager: {title: Manager}
    director: {title: Director}
  ladder:
    - {role: on_call, within: 15 min}
  triggers:
    - {id: stuck, title: Stuck, after: 30 min, to: {role: manager}}
communication:
  templates:
    initial: {internal: {body: "{service} is down"}}
reviews:
  rules:
    - {severities: [SEV1], required: true, latest: 48 h}
"""

# What is broken: what is replaced, by what, and the one line that is said.
BROKEN = {
    "a duration without a unit": (
        "respond: 5 min",
        'respond: "5"',
        'severities.SEV1.targets.respond: "5" is no duration; write e.g. "5 min", "2 h", "1 week".',
    ),
    "a bare number": (
        "respond: 5 min",
        "respond: 5",
        'severities.SEV1.targets.respond: 5 is no duration; write e.g. "5 min", "2 h", "1 week".',
    ),
    "no time at all": (
        "respond: 5 min",
        "respond: 0 min",
        'severities.SEV1.targets.respond: "0 min" is no time at all; write e.g. 5 min.',
    ),
    "a duration beyond counting": (
        "respond: 5 min",
        "respond: 999999 weeks",
        'severities.SEV1.targets.respond: "999999 weeks" is longer than 520 weeks.',
    ),
    "a severity that is none": (
        "  SEV2:\n",
        "  SEV5:\n",
        'severities.SEV5: "SEV5" is not allowed; use SEV1, SEV2, SEV3 or SEV4.',
    ),
    "a severity that this runbook does not have": (
        "severities: [SEV1]",
        "severities: [SEV3]",
        'reviews.rules[0].severities[0]: severity "SEV3" is unknown; did you mean "SEV2"? '
        "Allowed are SEV1, SEV2.",
    ),
    "a key that is misspelt": (
        "respond: 5 min",
        "respnd: 5 min",
        'severities.SEV1.targets: "respnd" is unknown; did you mean "respond"? Allowed are detect, '
        "identify, mitigate, resolve, respond, respond_ends, working_time.",
    ),
    "something that must be there": (
        "    definition: Much is down.\n",
        "",
        "severities.SEV2.definition: is missing.",
    ),
    "a checklist that is not there": (
        "checklist: triage",
        "checklist: triaje",
        'types.outage.checklist: checklist "triaje" is unknown; did you mean "triage"? '
        "Allowed are triage.",
    ),
    "a procedure that is not there": (
        "procedure: restart",
        "procedure: reboot",
        'types.outage.procedure: procedure "reboot" is unknown; allowed are restart.',
    ),
    "an answer that leads back": (
        "then: Start it}",
        "then: Start it, procedure: restart}",
        "procedures.restart: its answers lead back to itself: restart → restart.",
    ),
    "an alert of two types": (
        "checklists:\n",
        "  other: {title: O, definition: O, severity: SEV2, alerts: [AllDown]}\nchecklists:\n",
        'types.other.alerts: "AllDown" is an alert of "outage" already.',
    ),
    "a range the wrong way round": (
        "from: 5 min}",
        "from: 5 min, to: 2 min}",
        "procedures.restart.causes[0].takes: from is longer than to.",
    ),
    "a window that ends before it begins": (
        "due: 5 min, items",
        "opens: 5 min, due: 5 min, items",
        "checklists.triage.phases[0]: due must be later than opens.",
    ),
    "an empty list": (
        "items: [{text: Is it real?}]",
        "items: []",
        "checklists.triage.phases[0].items: must not be empty.",
    ),
    "a role that nobody has": (
        "{role: manager}",
        "{role: mangaer}",
        'escalation: triggers[0].to.role: the role "mangaer" is unknown; did you mean "manager"? '
        "Allowed are director, manager, on_call, team.",
    ),
    "levels in a circle": (
        "manager: {title: Manager}\n    director: {title: Director}",
        "manager: {title: M, fallback: [director]}\n    director: {title: D, fallback: [manager]}",
        "escalation: roles: manager → director → manager is a cycle; "
        "a fallback must end somewhere.",
    ),
    "two triggers of one name": (
        "to: {role: manager}}\n",
        "to: {role: manager}}\n    - {id: stuck, title: Again, after: 1 h, to: {role: manager}}\n",
        'escalation: triggers: "stuck" is the id of 2 of them.',
    ),
    "a template with a variable that nobody fills in": (
        "{service} is down",
        "{root_cuase} is down",
        "communication.templates.initial.internal.body: {root_cuase} is unknown; allowed are "
        + ", ".join(sorted(set(VARIABLES)))
        + ".",
    ),
    "a template with half a brace": (
        "{service} is down",
        "{service is down",
        "communication.templates.initial.internal.body: "
        "A single { means nothing: write {{ for a brace.",
    ),
    "a cause told to customers by itself": (
        'internal: {body: "{service} is down"}',
        'external: {body: "{root_cause}"}',
        "communication.templates.initial.external.body: {root_cause} is for colleagues only; "
        "allowed are " + ", ".join(sorted(OUTSIDE)) + ".",
    ),
    "a reminder that comes too early": (
        "  templates:",
        "  cadence: [{every: 5 min, remind: 6 min}]\n  templates:",
        "communication.cadence[0]: "
        "remind must be shorter than every: it is the time before an update.",
    ),
    "customers told of a number that is none": (
        "  templates:",
        "  customers: [{when: {users_over: many}}]\n  templates:",
        'communication.customers[0].when.users_over: "many" must be a whole number.',
    ),
    "an audience on Mars": (
        "  templates:",
        "  zones: {internal: Mars}\n  templates:",
        'communication.zones.internal: "Mars" is no time zone; write one like Europe/Berlin.',
    ),
    "a cadence of a type that is not there": (
        "  templates:",
        "  cadence: [{types: [outrage], every: 5 min}]\n  templates:",
        'communication.cadence[0].types[0]: type "outrage" is unknown; did you mean "outage"? '
        "Allowed are outage.",
    ),
    "a reference that cannot be made": (
        "title: Broken\n",
        'title: Broken\nreference: "INC-{day}-{number}"\n',
        'reference: variable "day" is unknown; allowed are date, number, service, time, year.',
    ),
    "a reference that no address can hold": (
        "title: Broken\n",
        'title: Broken\nreference: "INC/{date}-{number}"\n',
        'reference: "INC/{date}-{number}" has a slash in it, '
        "which would end the address of the page.",
    ),
    "a reference that is no pattern": (
        "title: Broken\n",
        'title: Broken\nreference: "INC-{number"\n',
        'reference: "INC-{number" is no pattern; write e.g. "INC-{date}-{number:03}".',
    ),
    "a reference a gigabyte long": (
        "title: Broken\n",
        'title: Broken\nreference: "INC-{number:999999999}"\n',
        'reference: "INC-{number:999999999}" is no pattern; write e.g. "INC-{date}-{number:03}".',
    ),
    "a reference of two lines": (
        "title: Broken\n",
        'title: Broken\nreference: "INC\\n{number}"\n',
        'reference: "INC\\n{number}" is no pattern; write e.g. "INC-{date}-{number:03}".',
    ),
    "a reference that looks inside": (
        "title: Broken\n",
        'title: Broken\nreference: "{date.__class__}"\n',
        'reference: variable "date.__class__" is unknown; '
        "allowed are date, number, service, time, year.",
    ),
    "a character that no database takes": (
        "title: Broken",
        'title: "Brok\\0en"',
        "line 3: holds a character that is no text.",
    ),
    "a colour for the terminal": (
        "title: Broken",
        'title: "\\e[31mBroken"',
        "line 3: holds a character that is no text.",
    ),
    "a line that is turned round": (
        "title: Broken",
        "title: \u202enekorB",
        "line 3: holds a character that is no text.",
    ),
    "a merge key": (
        "    name: P2\n",
        "    <<: {name: P2}\n",
        'severities.SEV2: "<<" is unknown; allowed are definition, detector_commands, examples, '
        "name, next_working_day, procedures, process, resolve, response, roles, roles_when, "
        "targets.",
    ),
    "a date for a key": (
        "  SEV2:\n",
        "  2026-01-01:\n",
        'severities.2026-01-01: "2026-01-01" is not allowed; use SEV1, SEV2, SEV3 or SEV4.',
    ),
    "a list for a key": ("  SEV2:\n", "  ? [a, b]\n  :\n", "line 9: a key must be text."),
    "a key that stands twice further down": (
        "    definition: Much is down.\n",
        "    definition: Much is down.\n    name: P3\n",
        'line 12: "name" stands here twice.',
    ),
    "not a number": (
        "targets: {respond: 5 min}",
        "resolve: {attest: [{fact: error_rate, below: .nan}]}",
        'severities.SEV1.resolve.attest[0].below: ".nan" must be a number.',
    ),
    "a role that stands in for itself": (
        "manager: {title: Manager}",
        "manager: {title: Manager, fallback: [manager]}",
        "escalation: roles: manager → manager is a cycle; a fallback must end somewhere.",
    ),
    "a title of many pages": (
        "title: Broken",
        "title: " + "x" * 100_000,
        f'title: "{"x" * 76}…: string should have at most 200 characters.',
    ),
    "a fact that is none": (
        "    checklist: triage\n",
        "    checklist: triage\n    facts: [weather]\n",
        'types.outage.facts[0]: "weather" is not allowed; use multiple_services, infrastructure, '
        "database, security, backup, data_loss, sla_at_risk, customer_escalation, "
        "decision_needed or unclear.",
    ),
    "a time zone on Mars": (
        "title: Broken\n",
        "title: Broken\nworking_hours: {zone: Mars/Olympus}\n",
        'working_hours.zone: "Mars/Olympus" is no time zone; write one like Europe/Berlin.',
    ),
    "a number for text": (
        "title: Broken",
        "title: 14",
        "title: 14 must be text; put it in quotes.",
    ),
    "yes for true": (
        "required: true",
        "required: yes",
        'reviews.rules[0].required: "yes" must be true or false.',
    ),
    "another format": ("format: 1", "format: 2", "format: 2 is not known; write format: 1."),
    "a slug with a space": (
        "slug: broken",
        "slug: my runbook",
        'slug: "my runbook" is no name; write small letters, digits, - and _.',
    ),
    "a list for a mapping": (
        "escalation:\n  roles:",
        "escalation: []\nunused:\n  roles:",
        '"unused" is unknown; allowed are bridge, channel, checklists, communication, contacts, '
        "dashboards, declaration, drill, escalation, format, goals, key_metrics, lifecycle, "
        "origin, owner, principles, procedures, reference, related, reopen_window, "
        "review_cycle, reviews, severities, slo, slug, status_page, summary, title, tools, track, "
        "types, working_hours.",
    ),
    "a key that stands twice": (
        "title: Broken\n",
        "title: Broken\ntitle: Again\n",
        'line 4: "title" stands here twice.',
    ),
    "tabs": (
        "  SEV2:\n    name",
        "  SEV2:\n\tname",
        "line 10: begins with a tab; indent by spaces.",
    ),
    "a Python object": (
        "title: Broken",
        'title: !!python/object/apply:os.system ["true"]',
        'line 3: the tag "tag:yaml.org,2002:python/object/apply:os.system" is not taken; '
        "write plain values.",
    ),
    "anchors": (
        "title: Broken",
        "title: &a Broken",
        "line 3: anchors (&) and aliases (*) are not taken; write it out.",
    ),
    "a second document": (
        "title: Broken\n",
        "title: Broken\n---\n",
        "line 4: a second document begins; a file holds one.",
    ),
    "no YAML": (
        "title: Broken",
        "title: [Broken",
        "line 4: is no YAML here: did not find expected ',' or ']'.",
    ),
}

BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 9))
    for name in range(ord("b"), ord("j"))
)
FILES = {
    "nothing": (b"", "is empty."),
    "only a comment": (b"# nothing yet\n", "is empty."),
    "a bomb of aliases": (
        BOMB,
        "line 1: anchors (&) and aliases (*) are not taken; write it out.",
    ),
    "a huge file": (b"# " + b"x" * 300 * 1024, "has 300 KiB; a runbook may have 256 KiB."),
    "a tower": (b"[" * 5_000, "line 1: is nested deeper than 30 levels."),
    "another encoding": ("title: Störung".encode("latin-1"), "line 1: this is no UTF-8 text."),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0", "line 1: this is no UTF-8 text."),
    "binary nought": (
        b"title: a\0b\n",
        "line 1: holds a character that is no text.",
    ),
    "a list": (b"- one\n- two\n", '["one", "two"] must be a mapping (key: value).'),
    "plain text": (b"once upon a time\n", '"once upon a time" must be a mapping (key: value).'),
}


def _fallbacks(count: int, of: Callable[[int], Iterable[int]]) -> str:
    """Roles that stand in for each other, as the runbook's only ones but two."""
    roles = "".join(
        f"    r{n}: {{title: R, fallback: [{', '.join(f'r{m}' for m in of(n))}]}}\n"
        for n in range(count)
    )
    return GOOD.replace("    manager: {title: Manager}\n", f"    manager: {{title: M}}\n{roles}")


def test_what_is_long_or_winding_is_looked_through_once(tmp_path):
    """A chain that no recursion bears, and one of 2^40 ways; a circle at the end is found."""
    chain = _fallbacks(1_500, lambda n: [n + 1] if n < 1_499 else [])
    dense = _fallbacks(40, lambda n: range(n + 1, 40))
    circle = _fallbacks(1_500, lambda n: [(n + 1) % 1_500])

    assert document.parse(loading.read(chain)).escalation.fallbacks("r0")[-1] == "r1499"
    assert len(document.parse(loading.read(dense)).escalation.roles) == 42
    with pytest.raises(document.Faulty, match="r1499 → r0 is a cycle"):
        document.parse(loading.read(circle))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_however_an_editor_ends_its_lines_and_begins_its_file(tmp_path, ending):
    plain = document.parse(loading.read(GOOD))

    assert (
        document.parse(loading.read(b"\xef\xbb\xbf" + GOOD.replace("\n", ending).encode())) == plain
    )


def test_a_link_is_followed_and_one_that_leads_nowhere_is_refused(tmp_path, db):
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "link.yaml").symlink_to(tmp_path / "good.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "folder.yaml").symlink_to(tmp_path)

    assert services.load(str(tmp_path / "link.yaml")).slug == "broken"
    assert refused(tmp_path / "folder.yaml") == ["folder.yaml: is a folder; name a file."]
    (line,) = refused(tmp_path / "loop.yaml")
    assert line.startswith("loop.yaml: cannot be read: ")


def refused(path: Path) -> list[str]:
    """What `apply` says, line by line."""
    with pytest.raises(CommandError) as error:
        call_command("runbook", "apply", str(path), "--default", "--yes", stdout=StringIO())
    return str(error.value).splitlines()


def nothing_was_written() -> bool:
    rows = RunbookRevision.objects.count() + SeverityPolicy.objects.count()
    return rows == 0 and Organisation.current().runbook == "default"


def test_what_the_table_breaks_is_right(tmp_path, db):
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)

    assert services.load(str(path)).slug == "broken"
    assert len(BROKEN) + len(FILES) >= 25


@pytest.mark.parametrize("case", BROKEN)
def test_it_says_in_one_line_what_is_wrong(case, tmp_path, db):
    old, new, line = BROKEN[case]
    assert old in GOOD
    path = tmp_path / "broken.yaml"
    path.write_text(GOOD.replace(old, new, 1))

    assert refused(path) == [f"broken.yaml: {line}"]
    assert nothing_was_written()


@pytest.mark.parametrize("case", FILES)
def test_it_says_in_one_line_what_is_no_runbook(case, tmp_path, db):
    content, line = FILES[case]
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)

    assert refused(path) == [f"broken.yaml: {line}"]
    assert nothing_was_written()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_is_written_it_is_a_runbook_or_refused_in_lines(data):
    """Characters of a good file are taken away, doubled and replaced."""
    text = GOOD
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(text) - 1))
        end = start + data.draw(st.integers(0, 12))
        put = data.draw(st.sampled_from(["", "\t", ": ", "- ", "{", "]", '"', "&a ", "null", "9"]))
        text = text[:start] + put + text[end:]

    try:
        runbook = document.parse(loading.read(text.encode()))
    except loading.NotReadable as error:
        lines = [str(error)]
    except document.Faulty as error:
        lines = error.lines
    else:
        assert document.parse(runbook.as_json()) == runbook
        return

    assert lines
    assert all(line and "\n" not in line and "Traceback" not in line for line in lines)


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_at_all_are_refused_in_one_line(content):
    with pytest.raises((loading.NotReadable, document.Faulty)) as refused:
        document.parse(loading.read(content))

    assert len(str(refused.value).splitlines()) >= 1


def test_a_file_that_is_not_there(tmp_path, db):
    assert refused(tmp_path / "none.yaml") == [
        "none.yaml: cannot be read: no such file or directory."
    ]
    assert refused(Path("sass")) == [
        "sass: is no file, and none of the runbooks fintech, saas, schedgen, tars, tps."
    ]


def test_what_never_ends_is_not_read(tmp_path, db):
    os.mkfifo(tmp_path / "pipe.yaml")

    assert refused(tmp_path / "pipe.yaml") == ["pipe.yaml: is a device or a pipe; name a file."]
    assert refused(Path("/dev/zero.yaml").with_suffix("")) == [
        "zero: is a device or a pipe; name a file."
    ]
    assert refused(Path("x" * 300 + ".yaml"))[0].endswith("cannot be read: file name too long.")
    assert refused(Path("\0.yaml"))[0].endswith("is no name that a file can have.")


def test_a_folder_is_no_file(tmp_path, db):
    (tmp_path / "a.yaml").mkdir()

    assert refused(tmp_path / "a.yaml") == ["a.yaml: is a folder; name a file."]


def test_a_huge_file_is_not_even_read(tmp_path, monkeypatch):
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"x" * (loading.LARGEST + 1))
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("it was read"))

    with pytest.raises(loading.NotReadable, match="256 KiB"):
        loading.read_file(path)


def test_everything_that_is_wrong_is_said_with_the_name_of_its_file(tmp_path, db):
    (tmp_path / "one.yaml").write_text(GOOD.replace("5 min", "soon"))
    (tmp_path / "two.yaml").write_text("")
    (tmp_path / "good.yaml").write_text(GOOD)
    out = StringIO()

    with pytest.raises(CommandError) as error:
        call_command(
            *("runbook", "validate"),
            *(str(tmp_path / name) for name in ["one.yaml", "good.yaml", "two.yaml"]),
            stdout=out,
        )

    assert [line.split(": ")[0] for line in str(error.value).splitlines()] == [
        *("one.yaml", "one.yaml", "one.yaml", "one.yaml", "two.yaml")
    ]
    assert out.getvalue() == f"{tmp_path / 'good.yaml'}: is right (Broken).\n"
