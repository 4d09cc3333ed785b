"""The verbs of this room. The only place that writes; the only place that other rooms call."""

from incidents.escalation.services.adopting import adopt_ladder
from incidents.escalation.services.answering import (
    change_severity,
    change_type,
    end,
    expire_acknowledgement,
    keep_alive,
    mark_answered,
    pause,
    relapse,
    reopen,
)
from incidents.escalation.services.asking import restart, start, take_steps
from incidents.escalation.services.checking import Hole, Outlook, check_ladders
from incidents.escalation.services.defaults import default_policy_for
from incidents.escalation.services.failures import give_up_page, rescue_from
from incidents.escalation.services.going_off import run_trigger
from incidents.escalation.services.ladders import (
    LadderView,
    Step,
    assignments_of,
    see_ladder,
    teams_of,
)
from incidents.escalation.services.last_resort import tell_last_resort_again
from incidents.escalation.services.links import Invitation, answer_by_link, read_link
from incidents.escalation.services.manual import (
    call_role,
    escalate,
    page_person,
    report_fact,
    reroute,
)
from incidents.escalation.services.policies import (
    assign_policy,
    create_policy,
    hand_over_policy,
    set_active,
    set_levels,
    unassign_policy,
    update_policy,
)
from incidents.escalation.services.staffing import (
    appoint_detector,
    remind_of_roles,
    vacant_roles,
)
from incidents.escalation.services.telling import (
    tell_commander,
    tell_it_is_over,
    tell_who_has_it,
)
from incidents.escalation.services.triggers import (
    begin_rules,
    change_rules,
    follow_acknowledgement,
    follow_recovery,
    follow_relapse,
    follow_release,
    make_calls,
    measure,
    notice_facts,
)

__all__ = [
    "Hole",
    "Invitation",
    "LadderView",
    "Outlook",
    "Step",
    "adopt_ladder",
    "answer_by_link",
    "appoint_detector",
    "assign_policy",
    "assignments_of",
    "begin_rules",
    "call_role",
    "change_rules",
    "change_severity",
    "change_type",
    "check_ladders",
    "create_policy",
    "default_policy_for",
    "end",
    "escalate",
    "expire_acknowledgement",
    "follow_acknowledgement",
    "follow_recovery",
    "follow_relapse",
    "follow_release",
    "give_up_page",
    "hand_over_policy",
    "keep_alive",
    "make_calls",
    "mark_answered",
    "measure",
    "notice_facts",
    "page_person",
    "pause",
    "read_link",
    "relapse",
    "remind_of_roles",
    "reopen",
    "report_fact",
    "reroute",
    "rescue_from",
    "restart",
    "run_trigger",
    "see_ladder",
    "set_active",
    "set_levels",
    "start",
    "take_steps",
    "teams_of",
    "tell_commander",
    "tell_it_is_over",
    "tell_last_resort_again",
    "tell_who_has_it",
    "unassign_policy",
    "update_policy",
    "vacant_roles",
]
