"""What people may change about themselves."""

import logging

from django.core.exceptions import ValidationError

from incidents.core.errors import DomainError
from incidents.core.models import User
from incidents.core.models.people import known_zone

logger = logging.getLogger(__name__)


def change_profile(
    user: User, *, first_name: str, last_name: str, timezone: str, actor: User
) -> User:
    """The name that others read, and the zone in which this person reads times."""
    try:
        known_zone(timezone)
    except ValidationError as error:
        raise DomainError(error.messages[0], field="timezone") from error
    user.first_name, user.last_name, user.timezone = first_name, last_name, timezone
    user.save(update_fields=["first_name", "last_name", "timezone"])
    logger.info("%s changed the profile of %s", actor.username, user.username)
    return user
