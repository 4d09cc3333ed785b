"""On a phone: who is on call now and next, one's own shifts, and taking or giving away a shift."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from incidents.core.access import may_take_shifts
from incidents.core.adminsite import MomentField
from incidents.core.errors import DomainError
from incidents.core.models import User
from incidents.core.panels import Panel
from incidents.oncall import services
from incidents.oncall.models import Schedule
from incidents.oncall.services import Turn, joined, roster
from incidents.timers import clock

AHEAD = timedelta(weeks=4)
MOST_SCHEDULES, MOST_GAPS = 100, 3


@dataclass(frozen=True)
class Watch:
    """A schedule as a phone shows it. `gaps`: the next times, after this turn, without anybody."""

    schedule: Schedule
    now: Turn
    next: Turn | None
    gaps: list[Turn]
    may_take: bool


class TakeForm(forms.Form):
    """Whoever is asked is taken for the one who takes it; a shift is given away by another name."""

    user = forms.ModelChoiceField(User.objects.none(), label="Who is on call then", empty_label="—")
    starts_at = MomentField(label="From")
    ends_at = MomentField(label="Until")
    reason = forms.CharField(max_length=200, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        active = User.objects.filter(is_active=True)
        people: Any = self.fields["user"]
        people.queryset = active.order_by("first_name", "last_name", "username")
        zone = timezone.get_current_timezone_name()
        self.fields["ends_at"].help_text = f"Both in your time zone, {zone}."


@login_required
@require_safe
def on_call(request: HttpRequest) -> HttpResponse:
    """In a constant number of queries."""
    user: Any = request.user
    now = clock.now()
    schedules = list(Schedule.objects.order_by("name", "pk")[:MOST_SCHEDULES])
    turns = roster(schedules, start=now, end=now + AHEAD)
    context = {
        "here": "on-call",
        "watches": [_watch(schedule, joined(turns[schedule.pk]), user) for schedule in schedules],
        "mine": render_to_string("oncall/shifts.html", _shifts_of(user, now)),
        "horizon": now + AHEAD,
    }
    return render(request, "oncall/on_call.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def take(request: HttpRequest, slug: str) -> HttpResponse:
    """Asks for the person and the time; the address may say which (from, until, give)."""
    user: Any = request.user
    schedule = get_object_or_404(Schedule, slug=slug)
    if not may_take_shifts(user, schedule.team_id):
        raise PermissionDenied
    form = TakeForm(request.POST or None, initial=_wished(request, schedule))
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                services.add_override(schedule, **form.cleaned_data, actor=user)
            except DomainError as error:
                form.add_error(error.field if error.field in form.fields else None, error.message)
            else:
                person = form.cleaned_data["user"]
                who = "You are" if person == user else f"{person} is"
                messages.success(request, f"{who} on call for {schedule} in that time.")
                return redirect("on-call")
    context = {"here": "on-call", "form": form, "schedule": schedule}
    return render(request, "oncall/take.html", context, status=status)


def render_panel(_request: HttpRequest, user: User) -> Panel:
    """What the profile shows, in a constant number of queries."""
    html = render_to_string("oncall/shifts.html", _shifts_of(user, clock.now()))
    return Panel("On call", html)


def _watch(schedule: Schedule, turns: list[Turn], user: User) -> Watch:
    present, *later = turns
    return Watch(
        schedule=schedule,
        now=present,
        next=later[0] if later else None,
        gaps=[turn for turn in later if turn.user is None][:MOST_GAPS],
        may_take=may_take_shifts(user, schedule.team_id),
    )


def _shifts_of(user: User, now: datetime) -> dict[str, Any]:
    taking_turns = Q(rotations__participants__user=user)
    standing_in = Q(overrides__user=user, overrides__ends_at__gt=now)
    schedules = {s.pk: s for s in Schedule.objects.filter(taking_turns | standing_in).distinct()}
    turns = roster(schedules, start=now, end=now + AHEAD)
    shifts = sorted(
        ((turn, schedules[pk]) for pk, row in turns.items() for turn in row if turn.user == user),
        key=lambda shift: shift[0].start,
    )
    may_take = {pk for pk, one in schedules.items() if may_take_shifts(user, one.team_id)}
    return {
        "on_call": [(turn, schedule) for turn, schedule in shifts if turn.start <= now],
        "shifts": [(turn, schedule) for turn, schedule in shifts if turn.start > now],
        "may_take": may_take,
        "horizon": now + AHEAD,
    }


def _wished(request: HttpRequest, schedule: Schedule) -> dict[str, Any]:
    """What the address asks for; without it from now until the present turn ends."""
    now = clock.now().replace(second=0, microsecond=0)
    starts_at, ends_at = _moment(request, "from"), _moment(request, "until")
    if ends_at is None:
        turn = roster([schedule], start=now, end=now + AHEAD)[schedule.pk][0]
        ends_at = turn.end if turn.end < now + AHEAD else None
    person = None if "give" in request.GET else request.user
    return {"user": person, "starts_at": starts_at or now, "ends_at": ends_at}


def _moment(request: HttpRequest, name: str) -> datetime | None:
    """An instant as these pages' links name it; None for anything else."""
    try:
        return datetime.strptime(request.GET.get(name, ""), "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return None
