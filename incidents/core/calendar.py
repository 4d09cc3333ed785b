"""Working time: which hours of which days count where a policy says business hours. Pure."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, cached_property
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import holidays

logger = logging.getLogger(__name__)

LONGEST_SEARCH = 3_650  # days; a calendar without any working day must not search for ever


@cache
def zone_names() -> frozenset[str]:
    """Every time zone of this machine; to ask for them opens six hundred files."""
    return frozenset(available_timezones())


@dataclass(frozen=True)
class WorkingCalendar:
    """Working hours in one zone: `days` 0=Monday…6=Sunday, from `opens` to `closes` local time.

    `country` and `subdivision` (ISO codes) name the public holidays that do not count.
    """

    zone: str = "UTC"
    days: frozenset[int] = field(default_factory=lambda: frozenset(range(5)))
    opens: time = time(9)
    closes: time = time(17)
    country: str = ""
    subdivision: str = ""

    @classmethod
    def of(cls, stored: dict[str, Any], **defaults: Any) -> "WorkingCalendar":
        """From a revision's JSON, with `defaults` (the organisation's) where it is silent.

        A calendar that cannot be read must not refuse an incident: the plain one takes its place.
        """
        try:
            facts = defaults | {
                key: value for key, value in stored.items() if value not in ("", None)
            }
            for key in ["opens", "closes"]:
                if isinstance(facts.get(key), str):
                    facts[key] = time.fromisoformat(facts[key])
            if "days" in facts:
                facts["days"] = frozenset(facts["days"])
            ZoneInfo(facts.get("zone", "UTC"))
            return cls(**facts)
        except (TypeError, ValueError, ZoneInfoNotFoundError):
            logger.exception("Unable to read the working calendar %s", stored)
            return cls()

    @cached_property
    def _holidays(self) -> holidays.HolidayBase | dict[date, str]:
        if not self.country:
            return {}
        try:
            country = self.country.upper()
            return holidays.country_holidays(country, subdiv=self.subdivision or None)
        except NotImplementedError:
            # A slip in a setting must not refuse every incident that counts in working time.
            return {}

    def is_working_day(self, day: date) -> bool:
        return day.weekday() in self.days and day not in self._holidays

    def day_of(self, at: datetime) -> date:
        """The calendar's day at this instant."""
        return at.astimezone(ZoneInfo(self.zone)).date()

    def closing_of(self, day: date) -> datetime:
        """When work ends on this day, whether it is a working day or not."""
        return datetime.combine(day, self.closes, ZoneInfo(self.zone)).astimezone(UTC)

    def windows(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Working windows as UTC instants [opens, closes), from the one that `start` is in on."""
        zone = ZoneInfo(self.zone)
        first = start.astimezone(zone).date()
        for offset in range(LONGEST_SEARCH):
            day = first + timedelta(days=offset)
            if not self.is_working_day(day):
                continue
            opens = datetime.combine(day, self.opens, zone).astimezone(UTC)
            closes = datetime.combine(day, self.closes, zone).astimezone(UTC)
            if closes > start:
                yield max(opens, start), closes

    def add(self, start: datetime, worked: timedelta) -> datetime:
        """The instant at which `worked` working time has passed since `start`.

        Falls back to elapsed time where the calendar has no working day at all.
        """
        left = worked
        for opens, closes in self.windows(start):
            if closes - opens >= left:
                return opens + left
            left -= closes - opens
        return start + worked

    def close_of_business(self, start: datetime, *, days: int = 1) -> datetime:
        """The end of the `days`-th working day after the one that `start` lies in."""
        zone = ZoneInfo(self.zone)
        today, passed = start.astimezone(zone).date(), 0
        for offset in range(1, LONGEST_SEARCH):
            day = today + timedelta(days=offset)
            passed += self.is_working_day(day)
            if passed >= days:
                return datetime.combine(day, self.closes, zone).astimezone(UTC)
        return start + timedelta(days=days)
