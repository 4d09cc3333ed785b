"""What this room announces and only a higher one can answer."""

from django.dispatch import Signal

# timer: Timer, reason: str. Sent inside the transaction that quarantines a timer, or that pushes
# it back for the third time in a row. A receiver may only write rows.
timer_failed = Signal()
