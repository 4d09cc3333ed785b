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
    version_of,
)
from incidents.reviews.services.digging import answer_why, ask_why, mark_cause, remove_why
from incidents.reviews.services.effect import (
    Backlog,
    Prevention,
    backlog_by_team,
    confirm_suspicion,
    prevention_by_team,
    reject_suspicion,
)
from incidents.reviews.services.meeting import (
    add_attendee,
    cancel,
    hold,
    remove_attendee,
    schedule,
)
from incidents.reviews.services.opening import request, waive
from incidents.reviews.services.proposals import import_items, propose_runbook_change
from incidents.reviews.services.publishing import correct
from incidents.reviews.services.recording import may_decide, moves_of, section_of
from incidents.reviews.services.reminding import (
    lacks,
    open_steps,
    unmet_to_close,
    unmet_to_publish,
)
from incidents.reviews.services.stating import close, fact_of, publish, write_facts
from incidents.reviews.services.steps import (
    assign_follow_up,
    finish_step,
    skip_step,
    steps_of,
    undo_step,
)
from incidents.reviews.services.writing import (
    Stored,
    add_entry,
    change_entry,
    mark_entry,
    stored_section,
    write_section,
)

__all__ = [
    "Backlog",
    "Prevention",
    "Stored",
    "add_attendee",
    "add_entry",
    "add_item",
    "answer_why",
    "ask_why",
    "assign_follow_up",
    "assign_item",
    "backlog_by_team",
    "cancel",
    "change_entry",
    "change_item",
    "close",
    "comment_item",
    "confirm_suspicion",
    "correct",
    "decline_item",
    "fact_of",
    "finish_item",
    "finish_step",
    "hold",
    "import_items",
    "lacks",
    "mark_cause",
    "mark_entry",
    "may_decide",
    "moves_of",
    "open_steps",
    "prevention_by_team",
    "propose_runbook_change",
    "publish",
    "reject_suspicion",
    "remove_attendee",
    "remove_why",
    "reopen_item",
    "request",
    "schedule",
    "section_of",
    "skip_step",
    "standing_in_the_way",
    "start_item",
    "steps_of",
    "stored_section",
    "undo_step",
    "unmet_to_close",
    "unmet_to_publish",
    "verify_item",
    "version_of",
    "waive",
    "write_facts",
    "write_section",
]
