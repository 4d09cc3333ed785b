from incidents.oncall.services.asking import (
    Turn,
    on_call_now,
    people_on_call,
    plans,
    roster,
)
from incidents.oncall.services.changing import (
    add_override,
    assign_schedule,
    change_schedule,
    create_schedule,
    remove_override,
    set_rotation,
)

__all__ = [
    "Turn",
    "add_override",
    "assign_schedule",
    "change_schedule",
    "create_schedule",
    "on_call_now",
    "people_on_call",
    "plans",
    "remove_override",
    "roster",
    "set_rotation",
]
