from pathlib import Path

from tests.proof.groups import Run, groups
from tests.proof.report import note, noted
from tests.proof.sheet import Sheet, row


def test_it_writes_down_a_line_for_every_figure(tmp_path: Path, monkeypatch):
    file = tmp_path / "proof.jsonl"
    monkeypatch.setenv("TOCSIN_PROOF", str(file))

    note("Pages lost", 0, "0", met=True, seed=7)
    note("Lateness p99", "3.1 s", "≤ 2 s", met=False)

    first, second = noted(file)
    assert (first["check"], first["figure"], first["met"], first["seed"]) == (
        "Pages lost",
        "0",
        True,
        7,
    )
    assert (second["bar"], second["met"], second["seed"]) == ("≤ 2 s", False, None)


def test_it_writes_nothing_when_nobody_asked(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("TOCSIN_PROOF", raising=False)

    note("Pages lost", 0, "0", met=True)

    assert list(tmp_path.iterdir()) == []
    assert noted(tmp_path / "proof.jsonl") == []


def test_a_run_replaces_its_own_figures_and_leaves_the_others(tmp_path: Path):
    file = tmp_path / "proof.md"
    crashes, storms = Run("database", ["-m", "pytest"]), Run("storm", ["-m", "pytest"], {"A": "1"})
    line = {"check": "Lost", "figure": "0", "bar": "0", "met": True, "seed": 7, "at": "2026-01-01T"}
    sheet = Sheet.read(file)
    sheet.put("chaos", crashes, [row(line, crashes, 1.0)])
    sheet.put("storm", storms, [row({**line, "check": "Memory"}, storms, 1.0)])
    sheet.write(file)

    again = Sheet.read(file)
    again.put("chaos", crashes, [row({**line, "figure": "3", "met": False}, crashes, 1.0)])
    again.write(file)

    text = file.read_text()
    assert "| Lost | 3 | 0 | **no** | 7 |" in text
    assert "| Lost | 0 |" not in text
    assert "| Memory | 0 | 0 | yes | 7 |" in text
    assert "`A=1 uv run python -m pytest`" in text


def test_it_knows_the_runs_of_every_hand():
    known = groups(7)

    assert {"database", "nothing_lost", "providers", "sqlite"} <= {r.name for r in known["chaos"]}
    assert known["chaos"][0].environment["PROOF_SEED"] == "7"
    assert all(run.command.startswith("PROOF=full") for run in known["chaos"])
