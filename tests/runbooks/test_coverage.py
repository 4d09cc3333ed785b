"""Everything that the five documents name is kept somewhere, and proved by something."""

import json

from incidents.runbooks.loading import read_file
from tests.runbooks import coverage, extractor
from tests.runbooks.extractor import Fact


def test_everything_is_in_a_row():
    assert list(coverage.problems(coverage.facts())) == []
    assert len(coverage.facts()) > 450
    assert {fact.document for fact in coverage.facts()} == set(coverage.RUNBOOKS)


def test_the_table_in_docs_is_made_of_what_is_here():
    assert coverage.TABLE.read_text() == coverage.render(coverage.facts())


def test_the_facts_were_extracted_by_this_extractor():
    kept = json.loads(coverage.FACTS.read_text())

    assert kept["extractor"] == coverage.extractor_hash()
    assert sorted(kept["documents"]) == sorted(coverage.RUNBOOKS)


def test_it_notices_what_is_in_no_row_and_what_is_not_kept():
    nowhere = Fact("000", "A new heading", "duration", "420", "7 minutes")
    elsewhere = Fact("000", "Incident Metrics", "duration", "420", "7 minutes")
    known = coverage.facts()

    assert list(coverage.problems([*known, nowhere])) == [
        "000 › A new heading: 7 minutes is in no row."
    ]
    assert list(coverage.problems([*known, elsewhere])) == [
        "000 › Incident Metrics: '7 minutes' is not in ['goals', 'track', "
        "'severities.SEV1.targets']."
    ]


def test_it_notices_a_row_that_proves_nothing(monkeypatch):
    rows = read_file(coverage.ROWS)
    rows["004"][0] |= {"where": ["nowhere.at.all"], "proof": ["test_that_nobody_wrote"]}
    monkeypatch.setattr(coverage, "read_file", lambda path: rows)

    assert list(coverage.problems(coverage.facts())) == [
        "004 › TARS Incident Response Runbook: there is no test test_that_nobody_wrote.",
        "004 › TARS Incident Response Runbook: tars.yaml has no nowhere.at.all.",
    ]


def test_the_extractor_finds_what_people_write(tmp_path):
    (tmp_path / "009_x.txt").write_text(
        "# Title\n\n## Targets (SEV-1)\n\n1. Answer in 5-10 minutes, resolve in < 1 hour\n"
        "2. Under 0.1 % errors for 10+ consecutive minutes, T+15, monthly\n"
        "```bash\n# no heading\nscale worker=10 --last=1h\n```\n"
        "- Page the engineering manager on 2024-01-15 at 14:15 (p95)\n"
    )

    found = {(fact.heading, fact.kind, fact.value) for fact in extractor.of_folder(tmp_path)}
    targets = "Targets (SEV-1)"
    assert found == {
        ("Title", "heading", ""),
        (targets, "heading", ""),
        *((targets, "duration", value) for value in ["300", "600", "3600", "900", "2592000"]),
        (targets, "percentage", "0.1"),
        (targets, "count", "10"),
        (targets, "role", "manager"),
    }


def test_the_command_says_what_is_missing(tmp_path, capsys):
    assert coverage.main([]) == 0
    assert "0 not covered" in capsys.readouterr().out

    (tmp_path / "000_x.txt").write_text("# Metrics\n\nAnswer in 7 minutes\n")
    assert coverage.main([str(tmp_path)]) == 1
    assert "000 › Metrics: 7 minutes is in no row." in capsys.readouterr().out
