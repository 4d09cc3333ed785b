"""One round of what is to be done again and again: a part that fails stops none of the others."""

import logging
from collections.abc import Callable

from django.db import close_old_connections

logger = logging.getLogger(__name__)


def do_each(*parts: Callable[[], object]) -> None:
    """Do all of them, in this order. What one raises is logged: the next round has to come."""
    for part in parts:
        try:
            close_old_connections()
            part()
        except Exception:
            logger.exception("Unable to do what is due; trying again")
