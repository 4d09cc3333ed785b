"""Runs a command on a PostgreSQL and a Redis of its own.

`python -m tests.chaos.with_servers -- pytest` sets DATABASE_URL and REDIS_URL for it. `--quick`
before the dashes: nothing waits for the disk, for tests that cut no power.
"""

import os
import subprocess
import sys

from tests.chaos.servers import postgres, redis


def main(command: list[str], *, quick: bool) -> int:
    with postgres(durable=not quick) as database, redis() as broker:
        environment = {**os.environ, "DATABASE_URL": database.url, "REDIS_URL": broker.url}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    dashes = sys.argv.index("--")
    sys.exit(main(sys.argv[dashes + 1 :], quick="--quick" in sys.argv[:dashes]))
