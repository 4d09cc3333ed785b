"""Whole installations in folders of their own, asked by real processes."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OURS = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SQLITE_PATH", "DEBUG", "PUBLIC_URL", "DATA_DIR"}


@dataclass(frozen=True)
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
        clean = {name: value for name, value in os.environ.items() if name not in OURS}
        own = {"DATABASE_URL": self.database_url} if self.database_url else {}
        environment = {
            **clean,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(self.folder),
            "DEMO_TRANSPORTS": "true",
            "LOG_LEVEL": "ERROR",
            "COLUMNS": "1000",
            **own,
            **settings,
        }
        return subprocess.run(
            [sys.executable, *argv],
            cwd=ROOT,
            env=environment,
            input=said,
            capture_output=True,
            text=True,
            check=False,
        )
