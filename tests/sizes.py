"""How much of it: all in the full run (`python -m tests.proof`, PROOF=full), a part of it in CI."""

import os

FULL = os.environ.get("PROOF") == "full"


def size(full: int, small: int) -> int:
    """`full` in the full run, else what fits into CI."""
    return full if FULL else small
