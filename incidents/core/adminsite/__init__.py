"""What every admin page of the house has in common: it shows, it asks, and verbs do the rest.

Pages are read-only unless a room opens them to the people who may change what they show. Verbs
appear as buttons; what a verb needs is asked on a page of its own, which shows why it declined.
"""

from incidents.core.adminsite.forms import DURATIONS, ClearDuration, MomentField, VerbForm
from incidents.core.adminsite.pages import HouseAdmin, HouseInline
from incidents.core.adminsite.verbs import Verb, known_verbs, offer, offered

__all__ = [
    "DURATIONS",
    "ClearDuration",
    "HouseAdmin",
    "HouseInline",
    "MomentField",
    "Verb",
    "VerbForm",
    "known_verbs",
    "offer",
    "offered",
]
