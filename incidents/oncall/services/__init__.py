from incidents.oncall.services.asking import (
    Row,
    Turn,
    joined,
    next_in_turn,
    on_call_now,
    people_on_call,
    plans,
    roster,
    rows,
)
from incidents.oncall.services.changing import (
    add_override,
    assign_schedule,
    change_schedule,
    create_schedule,
    remove_override,
    set_rotation,
)
from incidents.oncall.services.defaults import default_schedule_for
from incidents.oncall.services.leaving import Loss, without

__all__ = [
    "Loss",
    "Row",
    "Turn",
    "add_override",
    "assign_schedule",
    "change_schedule",
    "create_schedule",
    "default_schedule_for",
    "joined",
    "next_in_turn",
    "on_call_now",
    "people_on_call",
    "plans",
    "remove_override",
    "roster",
    "rows",
    "set_rotation",
    "without",
]
