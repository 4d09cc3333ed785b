"""How much of it: a little in every run of the suite, all of it in the full run (PROOF=full)."""

import os
import random


def many(name: str, *, usual: int, full: int) -> int:
    """As many as the variable `name` says, else as many as belong to this run."""
    belongs = full if os.environ.get("PROOF") == "full" else usual
    return int(os.environ.get(name) or belongs)


def seed() -> int:
    """That of PROOF_SEED, by which a run is repeated; else another one every time."""
    return int(os.environ.get("PROOF_SEED") or random.SystemRandom().randrange(10**9))
