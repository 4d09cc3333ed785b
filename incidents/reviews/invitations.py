"""Invitations to a review as mail programs and calendars read them (RFC 5545, RFC 5546). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from icalendar import Alarm, Calendar, Event, vCalAddress, vText

REMIND_BEFORE = timedelta(minutes=15)


@dataclass(frozen=True)
class Guest:
    name: str
    email: str
    facilitates: bool = False


@dataclass(frozen=True)
class Meeting:
    """One meeting as it stands at `sequence`. `uid` is the same at every change of it."""

    uid: str
    sequence: int
    title: str
    starts_at: datetime
    length: timedelta
    description: str
    place: str
    address: str
    organiser: str
    guests: Sequence[Guest]


def invitation(meeting: Meeting, *, now: datetime) -> str:
    """Asks everybody to come, or to come at another time than was said before."""
    event = _event(meeting, now)
    event.add("status", "CONFIRMED")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", meeting.title)
    alarm.add("trigger", -REMIND_BEFORE)
    event.add_component(alarm)
    return _written("REQUEST", event)


def cancellation(meeting: Meeting, *, now: datetime) -> str:
    """Takes it out of the calendars again."""
    event = _event(meeting, now)
    event.add("status", "CANCELLED")
    return _written("CANCEL", event)


def _event(meeting: Meeting, now: datetime) -> Event:
    event = Event()
    event.add("uid", meeting.uid)
    event.add("sequence", meeting.sequence)
    event.add("dtstamp", now)
    event.add("dtstart", meeting.starts_at)
    event.add("dtend", meeting.starts_at + meeting.length)
    event.add("summary", meeting.title)
    event.add("description", meeting.description)
    if meeting.place:
        event.add("location", meeting.place)
    event.add("url", meeting.address)
    organiser = vCalAddress(f"mailto:{meeting.organiser}")
    organiser.params["cn"] = vText("Tocsin")
    event.add("organizer", organiser)
    for guest in meeting.guests:
        event.add("attendee", _attendee(guest), encode=False)
    return event


def _attendee(guest: Guest) -> vCalAddress:
    attendee = vCalAddress(f"mailto:{guest.email}")
    attendee.params["cn"] = vText(guest.name.replace('"', "'"))
    attendee.params["role"] = vText("CHAIR" if guest.facilitates else "REQ-PARTICIPANT")
    attendee.params["partstat"] = vText("NEEDS-ACTION")
    attendee.params["rsvp"] = vText("FALSE")
    return attendee


def _written(method: str, event: Event) -> str:
    calendar = Calendar()
    calendar.add("prodid", "-//Tocsin//Reviews//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    calendar.add_component(event)
    return str(calendar.to_ical().decode())
