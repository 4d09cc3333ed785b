"""Whole installations in folders of their own, asked by real processes."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OURS = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SQLITE_PATH", "DEBUG", "PUBLIC_URL", "DATA_DIR"}


@dataclass
class House:
    """One installation: its data folder, and its database where that is a server's."""

    folder: Path
    database_url: str = ""

    def manage(self, *arguments: str, said: str = "", **settings: str) -> Any:
        """`manage.py …`, with `said` typed into it; settings are environment variables."""
        return self._run(["manage.py", *arguments], said, settings)

    def act(self, name: str) -> str:
        """One act of tests.config.stage; what it said."""
        done = self._run(["-m", "tests.config.stage", name], "", {})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def tell(self) -> dict[str, Any]:
        return json.loads(self.act("tell"))

    def phone(self, name: str) -> list[str]:
        """The messages that have really left for this person."""
        file = self.folder / "phones" / name
        return file.read_text().splitlines() if file.exists() else []

    def _run(self, argv: list[str], said: str, settings: dict[str, str]) -> Any:
        return subprocess.run(
            [sys.executable, *argv],
            cwd=ROOT,
            env=self._environment(settings),
            input=said,
            capture_output=True,
            text=True,
            check=False,
        )

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if name not in OURS}
        own = {"DATABASE_URL": self.database_url} if self.database_url else {}
        return {
            **clean,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(self.folder),
            "DEMO_TRANSPORTS": "true",
            "LOG_LEVEL": "ERROR",
            "COLUMNS": "1000",
            **own,
            **settings,
        }


class Hall(House):
    """A house whose processes start at once: they are forked from one that has everything ready.

    To start Python and to import the house takes longer than most of its commands do.
    """

    _ready: subprocess.Popen[str] | None = None

    def close(self) -> None:
        if self._ready:
            self._ready.communicate()

    def _run(self, argv: list[str], said: str, settings: dict[str, str]) -> Any:
        assert not settings, "They are read at the start."
        if self._ready is None:
            self._ready = self._start()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "in").write_text(said)
            code = self._order([name, argv])
            told = [(folder / file).read_text() for file in ("out", "err")]
        return subprocess.CompletedProcess(argv, code, *told)

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.config.forks"],
            cwd=ROOT,
            env=self._environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _order(self, order: list[Any]) -> int:
        assert self._ready and self._ready.stdin and self._ready.stdout
        self._ready.stdin.write(json.dumps(order) + "\n")
        self._ready.stdin.flush()
        return int(self._ready.stdout.readline())
