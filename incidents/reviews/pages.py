"""Action items on a phone: one's own, one of them, and doing something with it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_http_methods, require_safe

from incidents.core.adminsite import Verb, known_verbs, offered
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.models import Incident
from incidents.core.panels import Panel
from incidents.reviews.models import ActionItem
from incidents.timers import clock

MODEL = "reviews.actionitem"
MOST, MOST_ENTRIES = 100, 50


@require_safe
@login_required
def own_items(request: HttpRequest) -> HttpResponse:
    """What is to be done by this person, then what is to be shown to help; what is due first.

    Of one's teams' what is theirs, and what nobody owns.
    """
    user: Any = request.user
    teams = [team for team, role in user.roles.items() if role != "viewer"]
    theirs = Q(owning_team__in=teams) | Q(owner=None, owning_team=None, team__in=teams)
    seen = ActionItem.objects.visible_to(user).alive().with_context().order_by("due_on", "pk")
    today = clock.now().date()
    groups = [
        ("Yours", list(seen.filter(owner=user)[:MOST])),
        ("Your teams'", list(seen.pending().filter(theirs)[:MOST])),
    ]
    shown = [
        (name, [(item, item.is_overdue(today)) for item in items])
        for name, items in groups
        if items
    ]
    context = {"here": "action-items", "groups": shown, "today": today}
    return render(request, "reviews/own_items.html", context)


@require_safe
@login_required
def one_item(request: HttpRequest, pk: int) -> HttpResponse:
    """One item with what became of it, and what this person may do."""
    item = _visible(request, pk)
    verbs = offered(MODEL, request.user, item)
    context = {
        "here": "action-items",
        "item": item,
        "is_late": item.is_overdue(clock.now().date()),
        "verbs": [(verb, verb.at_once or not verb.form.base_fields) for verb in verbs],
        "entries": item.entries.select_related("actor").order_by("-at", "-pk")[:MOST_ENTRIES],
    }
    return render(request, "reviews/own_item.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """GET asks for what the verb needs, POST does it, or says why not."""
    user: Any = request.user
    item = _visible(request, pk)
    chosen = _chosen(request, item, verb)
    if chosen is None:
        messages.warning(request, f"That does not fit “{item}” as it stands now.")
        return redirect("action-item", pk=pk)
    asked = request.POST if request.method == "POST" else None
    form = chosen.form(asked, subject=item, user=user)
    status = 200
    if asked is not None:
        status = 400
        if form.is_valid():
            try:
                chosen.run(item, user, form.cleaned_data)
            except DomainError as error:
                form.add_error(error.field if error.field in form.fields else None, error.message)
                status = 409 if isinstance(error, Refused) else 400
                status = 403 if isinstance(error, Forbidden) else status
            else:
                now = ActionItem.objects.with_context().get(pk=pk)
                messages.success(request, chosen.say(now, {**form.cleaned_data, "actor": user}))
                return redirect("action-item", pk=pk)
    context = {"here": "action-items", "item": item, "verb": chosen, "form": form}
    return render(request, "reviews/own_item_verb.html", context, status=status)


def items_of_incident(request: HttpRequest, incident: Incident) -> Panel | None:
    """What was agreed after an incident, on its page for the phone."""
    items = list(
        incident.action_items.select_related("owner", "owning_team").order_by("due_on", "pk")[:50]
    )
    if not items:
        return None
    today = clock.now().date()
    context = {"rows": [(item, item.is_overdue(today)) for item in items]}
    return Panel("Action items", render_to_string("reviews/item_rows.html", context))


def _visible(request: HttpRequest, pk: int) -> ActionItem:
    seen = ActionItem.objects.visible_to(request.user).with_context()
    return get_object_or_404(seen, pk=pk)


def _chosen(request: HttpRequest, item: ActionItem, name: str) -> Verb | None:
    """None: it does not fit (any more). 404: there is no such verb; 403: not for this person."""
    known = next((verb for verb in known_verbs(MODEL) if verb.name == name), None)
    if known is None:
        raise Http404("There is nothing like that to do here.")
    if not known.may(request.user, item):
        raise PermissionDenied
    return known if known.when(item) else None
