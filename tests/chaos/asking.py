"""What tests of whole installations ask them, and what they judge by."""

import time

from tests.chaos.checker import Verdict, check
from tests.chaos.installation import CALM_WORLDS, Installation

PATIENCE = 120.0  # Until everything is to have happened on the slowest machine.
TAKEN = "SELECT 1 FROM incidents_incident WHERE reference = %s AND acknowledged_at IS NOT NULL"


def signals(count: int) -> list[tuple[str, str]]:
    """Distinct signals over all calm worlds: (dedup_key, world)."""
    return [(f"signal-{n}", f"calm-{n % CALM_WORLDS}") for n in range(count)]


def verdict_of(house: Installation) -> Verdict:
    """What the checker says, and the product's own auditor, once what was late has been done."""
    verdict = check(house.history.path, house.url)
    deadline = time.monotonic() + PATIENCE
    while (findings := house.audit()["findings"]) and time.monotonic() < deadline:
        time.sleep(2)
    verdict.faults += [f"Auditor: {finding}" for finding in findings]
    return verdict


def all_called(house: Installation) -> bool:
    """Whether somebody was called for every incident that was accepted and not taken."""
    _note_what_was_taken(house)
    heard = {line["incident"] for line in house.history.all("call")}
    taken = {line["incident"] for line in house.history.all("acknowledged")}
    return all(
        line["incident"] in heard | taken for line in house.history.all("accepted")
    ) and not house.ask("SELECT 1 FROM notifications_delivery WHERE state = 'sending' LIMIT 1")


def _note_what_was_taken(house: Installation) -> None:
    """Who asked a web that died hears no answer: what was committed, the database knows."""
    known = {line["incident"] for line in house.history.all("acknowledged")}
    asked = {line["incident"] for line in house.history.all("unanswered")}
    for reference in sorted(asked - known):
        if house.ask(TAKEN, reference):
            house.history.note("acknowledged", incident=reference)


def beats(house: Installation, pid: int) -> bool:
    return bool(house.ask("SELECT 1 FROM timers_heartbeat WHERE process LIKE %s", f"%:{pid}"))
