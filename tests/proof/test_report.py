from pathlib import Path

from tests.proof.report import note, noted


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
