"""The verbs of this room. The only place that writes; the only place that other rooms call."""

from incidents.escalation.services.answering import (
    change_severity,
    end,
    expire_acknowledgement,
    keep_alive,
    mark_answered,
    pause,
    reopen,
)
from incidents.escalation.services.asking import restart, start, take_steps
from incidents.escalation.services.checking import Hole, Outlook, check_ladders
from incidents.escalation.services.defaults import default_policy_for
from incidents.escalation.services.failures import give_up_page, rescue_from
from incidents.escalation.services.ladders import (
    LadderView,
    Step,
    assignments_of,
    see_ladder,
    teams_of,
)
from incidents.escalation.services.last_resort import tell_last_resort_again
from incidents.escalation.services.links import Invitation, answer_by_link, read_link
from incidents.escalation.services.manual import escalate, page_person, reroute
from incidents.escalation.services.policies import (
    assign_policy,
    create_policy,
    hand_over_policy,
    set_active,
    set_levels,
    unassign_policy,
    update_policy,
)
from incidents.escalation.services.telling import (
    tell_commander,
    tell_it_is_over,
    tell_who_has_it,
)

__all__ = [
    "Hole",
    "Invitation",
    "LadderView",
    "Outlook",
    "Step",
    "answer_by_link",
    "assign_policy",
    "assignments_of",
    "change_severity",
    "check_ladders",
    "create_policy",
    "default_policy_for",
    "end",
    "escalate",
    "expire_acknowledgement",
    "give_up_page",
    "hand_over_policy",
    "keep_alive",
    "mark_answered",
    "page_person",
    "pause",
    "read_link",
    "reopen",
    "reroute",
    "rescue_from",
    "restart",
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
]
