"""What this room announces and only a higher one can answer."""

from django.dispatch import Signal

# delivery: Delivery, incident: Incident | None (locked). Sent inside the transaction that gives a
# delivery up, when its recipient has no further address for this cause and none of the others is
# still being tried or was reached. `delivery.recipient` is None for the last resort. A receiver
# may only write rows; when it raises, what all receivers wrote is undone, and they are told again
# by a timer, with growing pauses.
delivery_given_up = Signal()
