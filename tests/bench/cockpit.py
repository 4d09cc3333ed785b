"""How long the pages take that managers look at: `python -m tests.bench.cockpit`.

On a PostgreSQL of its own, filled with demo data; with `--database URL` on that one, as it is.
"""

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.servers import postgres

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench.cockpit", description=__doc__)
    parser.add_argument("--requests", type=int, default=40, help="of each page (default 40)")
    parser.add_argument("--incidents", type=int, default=1_500, help="of the demo data")
    parser.add_argument("--database", default="", help="postgres://… with demo data in it")
    options = parser.parse_args()
    with ExitStack() as things:
        url = options.database or things.enter_context(postgres()).url
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LOG_LEVEL": "ERROR",
        }

        def run(*argv: str) -> int:
            return subprocess.run(
                [sys.executable, *argv], env=environment, cwd=ROOT, check=False
            ).returncode

        if not options.database:
            failed = run("manage.py", "demo_data", "--incidents", str(options.incidents))
            if failed:
                return failed
        return run("-m", "tests.bench.pages", str(options.requests))


if __name__ == "__main__":
    sys.exit(main())
