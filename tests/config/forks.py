"""Does as it is told, each time in a process of its own that is forked from one that is ready.

`python -m tests.config.forks`: each line is an order, a folder and what would follow `python`; in
the folder `in` is typed into it, `out` and `err` are what it says. Answers with the exit code.
"""

import json
import os
import sys
import traceback
from pathlib import Path

from django.core.management import execute_from_command_line

from tests.config.stage import ACTS


def main() -> None:
    for line in sys.stdin:
        folder, argv = json.loads(line)
        pid = os.fork()
        if pid == 0:
            obey(Path(folder), argv)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def obey(folder: Path, argv: list[str]) -> None:
    """As `python ARGV` does. Never returns."""
    for number, name in enumerate(["in", "out", "err"]):
        os.dup2(os.open(folder / name, os.O_RDWR | os.O_CREAT), number)
    sys.stdin = os.fdopen(0)
    code = 0
    try:
        if argv[0] == "manage.py":
            execute_from_command_line(argv)
        else:
            ACTS[argv[-1]]()
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
