"""Servers for all tests of a process, an installation for each."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.installation import Installation, Site, installation, site


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as built:
        yield built


@pytest.fixture
def house(servers: Site, tmp_path: Path) -> Iterator[Installation]:
    """An installation of this test's own, with nothing running yet."""
    with installation(servers, tmp_path) as built:
        yield built


@pytest.fixture
def seed() -> int:
    """PROOF_SEED, or a new one; printed, so that a failure can be had again."""
    given = os.environ.get("PROOF_SEED")
    return int(given) if given else random.SystemRandom().randrange(1_000_000)


@pytest.fixture
def rng(seed: int) -> random.Random:
    return random.Random(seed)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where a test of ours fails: by which seed, and where its history and logs are."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" and report.failed:
        arguments: dict[str, object] = getattr(item, "funcargs", {})
        kept = [f"{name}: {arguments[name]}" for name in ("seed", "tmp_path") if name in arguments]
        report.sections.append(("To have it again", "PROOF_SEED and files: " + ", ".join(kept)))
