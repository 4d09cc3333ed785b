"""The house's verbs on a phone: which one is next, and doing it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from incidents.core import services, story
from incidents.core.adminsite import Verb, VerbForm, known_verbs, offered
from incidents.core.errors import DomainError, Forbidden, Refused
from incidents.core.models import Incident, IncidentRole, Status
from incidents.timers import clock

# The way through an incident: the first of these that can be done is the next move.
WAY = ["acknowledge", "identify", "start-mitigating", "mark-recovered", "resolve", "reopen"]
BESIDE = [
    *("join", "take-command", "escalate", "page", "mark-recovered", "relapse", "resolve"),
    *("publish-update", "decline-customer-notice", "change-severity", "change-type", "attest"),
    *("snooze", "unacknowledge", "dismiss", "request-review"),
]
# Where on the page somebody was at work.
PLACES = {"tick": "#plan", "untick": "#plan", "follow-procedure": "#plan"}
ASKED_ANYWAY = {"suspected_cause", "mitigation", "mitigation_kind", "root_cause"}


def _commands(user: Any, incident: Incident) -> bool:
    commanders = incident.roles.filter(role=IncidentRole.COMMANDER, until=None)
    return commanders.filter(user_id=user.pk).exists()


TAKE_COMMAND = Verb(
    "take-command",
    "Take command",
    lambda incident, actor, _facts: services.assign_role(
        incident, role=IncidentRole.COMMANDER, user=actor, actor=actor
    ),
    may=lambda user, incident: user.may_respond and not _commands(user, incident),
    when=lambda incident: incident.is_open,
    done="You are the commander.",
    ask=False,
)


def verbs_for(user: Any, incident: Incident) -> dict[str, Verb]:
    """By name: what this person may do with the incident as it stands now."""
    found = {verb.name: verb for verb in offered("incidents.incident", user, incident)}
    if _can(TAKE_COMMAND, user, incident):
        found[TAKE_COMMAND.name] = TAKE_COMMAND
    return found


def arrange(found: dict[str, Verb], incident: Incident, user: Any) -> dict[str, Any]:
    """The next move with its form, the note's form, and the rest behind it."""
    name = next((name for name in WAY if name in found), None)
    move = found.get(name or "")
    return {
        "move": move,
        "move_form": _form(move, incident, user) if move and asks(move) else None,
        "missing": _missing(move, incident) if move else [],
        "note": _form(found["note"], incident, user) if "note" in found else None,
        "others": [
            {"verb": found[other], "asks": asks(found[other])}
            for other in BESIDE
            if other in found and other != name
        ],
    }


def asks(verb: Verb) -> bool:
    """Whether it needs to know anything or is to be thought over; otherwise one press is enough."""
    return verb.grave or bool(verb.form.base_fields)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HttpRequest, reference: str, verb: str) -> HttpResponse:
    """GET asks for what the verb needs, POST does it, or says why not."""
    user: Any = request.user
    seen = Incident.objects.visible_to(user).with_context()
    incident = get_object_or_404(seen, reference=reference)
    chosen = _chosen(user, incident, verb)
    if chosen is None:
        return _too_late(request, incident, verb)
    form = _form(chosen, incident, user, request.POST if request.method == "POST" else None)
    form.initial.update(request.GET.dict())
    context: dict[str, Any] = {"here": "incidents", "incident": incident, "verb": chosen}
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid() and chosen.is_looked_at(request):
            context["preview"] = chosen.show(request, incident, form)
            status = 400 if form.errors else 200
        elif form.is_valid():
            try:
                done = _run(chosen, incident, request, form.cleaned_data)
            except DomainError as error:
                status = _explain(error, form, context)
            else:
                if done:
                    facts = {**form.cleaned_data, "actor": user}
                    messages.success(request, chosen.say(seen.get(pk=incident.pk), facts))
                    place = redirect("incident", reference=reference)
                    place["Location"] += PLACES.get(chosen.name, "")
                    return place
                status = 409
                context["meanwhile"] = _meanwhile(request, incident)
    context |= {"form": form, "seen": story.newest(incident), "missing": _missing(chosen, incident)}
    return render(request, "pocket/move.html", context, status=status)


def _run(verb: Verb, incident: Incident, request: HttpRequest, facts: dict[str, Any]) -> bool:
    """Do it, unless something happened since this person looked: then show that first."""
    with transaction.atomic():
        services.lock(incident)
        if not verb.adds and _meanwhile(request, incident):
            return False
        verb.run(incident, request.user, facts)
    return True


def _meanwhile(request: HttpRequest, incident: Incident) -> list[str]:
    """What others did since the page was made that this person acted from."""
    now = clock.now()
    found = story.meanwhile(incident, request.user, request.POST.get("seen", ""))
    return [story.told(entry, now) for entry in found]


def _chosen(user: Any, incident: Incident, name: str) -> Verb | None:
    """The verb, or what it means where somebody was faster; None: neither is on offer."""
    on_offer, known = verbs_for(user, incident), _known()
    if name not in on_offer and name in known:
        name = known[name].instead
    return on_offer.get(name)


def _known() -> dict[str, Verb]:
    return {verb.name: verb for verb in [*known_verbs("incidents.incident"), TAKE_COMMAND]}


def _too_late(request: HttpRequest, incident: Incident, name: str) -> HttpResponse:
    """It is not on offer (any more). What was typed is not lost: it may become a note."""
    user: Any = request.user
    verb = _known().get(name)
    if verb is None:
        raise Http404("There is nothing like that to do here.")
    if not user.may_respond:
        raise PermissionDenied
    last = story.last_bearing(incident, user)
    why = story.told(last, clock.now()) if last else "It has moved on."
    written = _form(verb, incident, user, request.POST or None).written
    if not written:
        messages.warning(request, f"“{verb.label}” does not fit any more. {why}")
        return redirect("incident", reference=incident.reference)
    texts = "\n".join(text for _label, text in written)
    note = _known()["note"].form(initial={"text": texts}, subject=incident, user=user)
    context = {"here": "incidents", "incident": incident, "verb": verb, "why": why, "note": note}
    return render(request, "pocket/too_late.html", context, status=409)


def _explain(error: DomainError, form: VerbForm, context: dict[str, Any]) -> int:
    """Put the reason where the person looks; the status that goes with it."""
    if isinstance(error, Refused) and error.unmet:
        context["unmet"] = error.unmet
        return 409
    form.add_error(error.field if error.field in form.fields else None, error.message)
    if isinstance(error, Forbidden):
        return 403
    return 409 if isinstance(error, Refused) else 400


def _missing(verb: Verb, incident: Incident) -> list[Any]:
    """What stands in the way of resolving that the form itself does not ask for."""
    if verb.name != "resolve":
        return []
    found = services.unmet_of(incident, clock.now(), target=Status.RESOLVED)
    return [criterion for criterion in found if criterion.code not in ASKED_ANYWAY]


def _form(verb: Verb, incident: Incident, user: Any, data: Any = None) -> VerbForm:
    return verb.form(data, subject=incident, user=user)


def _can(verb: Verb, user: Any, incident: Incident) -> bool:
    return verb.may(user, incident) and verb.when(incident)
