"""What the full run consists of: each command on its own, in the environment of full size."""

import ast
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ["-m", "tests.chaos.with_servers", "--"]


@dataclass(frozen=True)
class Run:
    """One command, as given to Python, and what it is to know beside its arguments."""

    name: str
    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """As one types it."""
        given = " ".join(f"{name}={value}" for name, value in self.environment.items())
        return f"{given} uv run python {' '.join(self.arguments)}".strip()


def groups(seed: int | None) -> dict[str, list[Run]]:
    """Every group that there is, by name. `seed`: where chance plays a part."""
    full = {"PROOF": "full", "TOCSIN_SIMULATION_SECONDS": "1800"}
    if seed is not None:
        full |= {"PROOF_SEED": str(seed), "TOCSIN_SIMULATION_SEED": str(seed)}
    found = {
        "chaos": [_tests(path, full) for path in _modules("tests/chaos", but="test_storm.py")],
        "storm": [_tests(path, full) for path in _modules("tests/chaos", only="test_storm.py")],
        "simulation": [
            run
            for path in _modules("tests/simulation")
            for run in (_tests(path, full), _tests(path, full, servers=True))
        ],
        "hostile": [_tests(path, full) for path in _modules("tests/hostile")],
        "watch": [_tests(path, full) for path in _modules("tests/insights")],
        "bench": [
            Run(path.stem, ["-m", f"tests.bench.{path.stem}"])
            for path in sorted((ROOT / "tests/bench").glob("*.py"))
            if _notes(path)
        ],
    }
    return {name: runs for name, runs in found.items() if runs}


def python() -> str:
    return sys.executable


def _modules(folder: str, *, only: str = "test_*.py", but: str = "") -> list[Path]:
    return [path for path in sorted((ROOT / folder).glob(only)) if path.name != but]


def _tests(path: Path, environment: dict[str, str], *, servers: bool = False) -> Run:
    where = str(path.relative_to(ROOT))
    tests = ["-m", "pytest", "-p", "no:cacheprovider", where]
    name = path.stem.removeprefix("test_")
    if servers:
        return Run(f"{name} on PostgreSQL", [*SERVERS, "python", *tests], environment)
    return Run(name, tests, environment)


def _notes(path: Path) -> bool:
    """Whether this is a benchmark to be run: it writes figures down, and has a `main`."""
    names = {
        node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
    }
    text = path.read_text()
    return "main" in names and ("note(" in text or "Report(" in text)
