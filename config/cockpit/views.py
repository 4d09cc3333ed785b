"""The first page of the admin, and the pieces of it that are fetched again while it is open."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import View

from config import first_run, page_me
from config.cockpit import incidents, learning, machinery, people
from incidents.core.errors import DomainError
from incidents.core.models import Incident
from incidents.insights import charts
from incidents.insights.recent import recent
from incidents.insights.telling import telling
from incidents.timers import clock


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What admin/index.html shows (unfold's DASHBOARD_CALLBACK)."""
    now = clock.now()
    return {
        **context,
        **_now(request, now),
        **_charts(request, now),
        "learning": learning.learning(_reader(request), now),
        **_setting_up(request, now),
        **_trial(request, now),
    }


def _reader(request: HttpRequest) -> Any:
    """Whoever looks at it; the site has seen to it that there is somebody."""
    return request.user


def _now(request: HttpRequest, now: datetime) -> dict[str, Any]:
    user = _reader(request)
    overview, roster = incidents.overview(user), people.roster(now)
    known = [line.incident for line in overview.lines]
    hour = machinery.next_hour(user, now, known=known)
    return {
        "now": now,
        "overview": overview,
        "roster": roster,
        "handovers": roster.handovers(now + machinery.SOON),
        "failures": machinery.failures(user, now),
        "hour": hour,
        "health": machinery.health(now, oldest=hour.oldest),
    }


def _charts(request: HttpRequest, now: datetime) -> dict[str, Any]:
    visible = Incident.objects.visible_to(request.user)
    zone = timezone.get_current_timezone()
    figures = recent(visible, now=now, zone=zone)
    return {"charts": charts.render(figures, telling(visible, now=now))}


def _setting_up(request: HttpRequest, now: datetime) -> dict[str, Any]:
    """The list, while something is missing; later what would go wrong nevertheless."""
    facts = first_run.Facts.read()
    reader = _reader(request)
    shown: dict[str, Any] = {"progress": None, "has_source": facts.has["source"]}
    if facts.is_complete:
        shown["faults"] = first_run.faults(now=now, facts=facts, reader=reader)
        shown["can_wait"] = [step for step in first_run.ways(facts) if not step.is_done]
    elif facts.has["answer"]:
        # Somebody was paged here already: what lacks is no reason to begin anew.
        missing = first_run.progress(now=now, facts=facts, reader=reader).missing
        shown["faults"] = [step for step in missing if not step.is_optional]
    else:
        shown["progress"] = first_run.progress(now=now, facts=facts, reader=reader)
    return shown


def _trial(request: HttpRequest, now: datetime) -> dict[str, Any]:
    return {"now": now, "trial": page_me.latest(request.user, now=now)}


@method_decorator(never_cache, name="dispatch")
class Piece(View):
    """One piece of the page. Whoever comes here without live.js is sent to the whole page."""

    admin_site: Any = None
    template = ""

    def facts(self, request: HttpRequest) -> dict[str, Any]:
        raise NotImplementedError

    def get(self, request: HttpRequest) -> HttpResponse:
        if request.headers.get("X-Requested-With") != "live":
            return redirect("admin:index")
        return render(request, self.template, self.facts(request))


class Now(Piece):
    template = "admin/cockpit/now.html"

    def facts(self, request: HttpRequest) -> dict[str, Any]:
        return _now(request, clock.now())


class Charts(Piece):
    template = "admin/cockpit/charts.html"

    def facts(self, request: HttpRequest) -> dict[str, Any]:
        return _charts(request, clock.now())


class SettingUp(Piece):
    template = "admin/cockpit/first_run.html"

    def facts(self, request: HttpRequest) -> dict[str, Any]:
        return _setting_up(request, clock.now())


class Trial(Piece):
    template = "admin/cockpit/trial.html"

    def facts(self, request: HttpRequest) -> dict[str, Any]:
        return _trial(request, clock.now())


class Checklist(View):
    """The whole list with its ticks, at any time."""

    admin_site: Any = None

    def get(self, request: HttpRequest) -> HttpResponse:
        now, reader = clock.now(), _reader(request)
        sources = list(page_me.sources())
        context = {
            **self.admin_site.each_context(request),
            **_trial(request, now),
            "title": "Setting up",
            "progress": first_run.progress(now=now, reader=reader),
            "whole": True,
            "sources": sources,
            "has_source": bool(sources),
        }
        return TemplateResponse(request, "admin/cockpit/checklist.html", context)


class PageMe(View):
    """POST: page the one who asks; with `end`, close the test."""

    admin_site: Any = None

    def post(self, request: HttpRequest) -> HttpResponse:
        user: Any = request.user
        if not user.may_manage:
            raise PermissionDenied("Only managers and administrators try the pager.")
        try:
            if "end" in request.POST:
                page_me.end(user)
            else:
                page_me.start(user, source_id=request.POST.get("source", ""))
        except DomainError as error:
            messages.error(request, error.message)
        return redirect(f"{reverse('admin:index')}#page-me")
