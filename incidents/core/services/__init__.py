"""The verbs of this room. The only place that writes; the only place that other rooms call."""

from incidents.core.services.declaring import (
    Reservation,
    declare,
    expect_signal,
    reserve_reference,
    withdraw_expectation,
)
from incidents.core.services.facts import attest, correct_milestone, note, record_impact
from incidents.core.services.idempotency import declare_once
from incidents.core.services.keys import issue_token, revoke_token, token_for
from incidents.core.services.policies import (
    calendar_of,
    ensure_default_runbook,
    policy_of,
    publish_revision,
    revision_for,
)
from incidents.core.services.progress import (
    dismiss,
    identify,
    mark_recovered,
    merge,
    relapse,
    reopen,
    resolve,
    start_mitigating,
)
from incidents.core.services.recording import (
    HUMAN_ACTIONS,
    Draft,
    lock,
    raise_paging_epoch,
    record,
    record_many,
)
from incidents.core.services.response import (
    acknowledge,
    add_checklist_item,
    assign_role,
    change_severity,
    end_snooze,
    snooze,
    tick,
    unacknowledge,
    untick,
)

__all__ = [
    "HUMAN_ACTIONS",
    "Draft",
    "Reservation",
    "acknowledge",
    "add_checklist_item",
    "assign_role",
    "attest",
    "calendar_of",
    "change_severity",
    "correct_milestone",
    "declare",
    "declare_once",
    "dismiss",
    "end_snooze",
    "ensure_default_runbook",
    "expect_signal",
    "identify",
    "issue_token",
    "lock",
    "mark_recovered",
    "merge",
    "note",
    "policy_of",
    "publish_revision",
    "raise_paging_epoch",
    "record",
    "record_impact",
    "record_many",
    "relapse",
    "reopen",
    "reserve_reference",
    "resolve",
    "revision_for",
    "revoke_token",
    "snooze",
    "start_mitigating",
    "tick",
    "token_for",
    "unacknowledge",
    "untick",
    "withdraw_expectation",
]
