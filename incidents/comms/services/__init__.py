"""The verbs of this room. The only place that writes; the only place that other rooms call."""

from incidents.comms.services.cadence import act as act_on_promise
from incidents.comms.services.cadence import promises, rhythm_of
from incidents.comms.services.customers import decline_customer_notice
from incidents.comms.services.lists import (
    change_channel,
    change_component,
    change_stakeholders,
    create_channel,
    create_stakeholders,
    set_component,
)
from incidents.comms.services.publishing import Draft, preview, publish_update
from incidents.comms.services.quality import quality_by_team, quality_of

__all__ = [
    "Draft",
    "act_on_promise",
    "change_channel",
    "change_component",
    "change_stakeholders",
    "create_channel",
    "create_stakeholders",
    "decline_customer_notice",
    "preview",
    "promises",
    "publish_update",
    "quality_by_team",
    "quality_of",
    "rhythm_of",
    "set_component",
]
