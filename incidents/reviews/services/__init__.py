"""The verbs of this room. The only place that writes; the only place that other rooms call."""

from incidents.reviews.services.actions import (
    add_item,
    assign_item,
    change_item,
    comment_item,
    decline_item,
    finish_item,
    reopen_item,
    standing_in_the_way,
    start_item,
    verify_item,
)
from incidents.reviews.services.effect import (
    Backlog,
    Prevention,
    backlog_by_team,
    confirm_suspicion,
    prevention_by_team,
    reject_suspicion,
)
from incidents.reviews.services.proposals import import_items, propose_runbook_change

__all__ = [
    "Backlog",
    "Prevention",
    "add_item",
    "assign_item",
    "backlog_by_team",
    "change_item",
    "comment_item",
    "confirm_suspicion",
    "decline_item",
    "finish_item",
    "import_items",
    "prevention_by_team",
    "propose_runbook_change",
    "reject_suspicion",
    "reopen_item",
    "standing_in_the_way",
    "start_item",
    "verify_item",
]
