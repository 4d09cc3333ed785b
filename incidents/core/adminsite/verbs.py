"""Verbs as buttons: who is offered which, the page that asks, and what is said afterwards."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from incidents.core import panels
from incidents.core.adminsite.forms import VerbForm
from incidents.core.errors import DomainError, Refused

type Sentence = str | Callable[[Any, dict[str, Any]], str]


@dataclass(frozen=True)
class Verb:
    """One button: its form, whom it is for, when it makes sense, and the service it calls.

    `run(subject, actor, facts)` gets the form's cleaned data; DomainError is shown to the person.
    `group`: "next" (the first legal one is the page's primary button), "act", "more" (in a menu)
    or "place" (no button: the page has a place for it).
    `ask` False: the button does it at once, unless it is `grave`: then a page says what will
    happen. `hint` is one sentence above the form.
    `done`: what is said afterwards, or `done(subject, facts)`, whose facts include the `actor`.
    `adds`: it only adds to what is there; nothing others did meanwhile can make it wrong.
    `instead`: the verb that is meant where somebody was faster and this one makes no sense.
    `preview(subject, actor, facts)`: what would come of it, as HTML; a second button shows it.
    """

    name: str
    label: str
    run: Callable[[Any, Any, dict[str, Any]], object]
    form: type[VerbForm] = VerbForm
    may: Callable[[Any, Any], bool] = lambda user, _subject: user.may_respond
    when: Callable[[Any], bool] = lambda _subject: True
    order: int = 100
    group: str = "act"
    done: Sentence = "It is done."
    hint: str = ""
    ask: bool = True
    grave: bool = False
    adds: bool = False
    instead: str = ""
    preview: Callable[[Any, Any, dict[str, Any]], SafeString] | None = None

    @property
    def at_once(self) -> bool:
        return not (self.ask or self.grave)

    @property
    def can_be_previewed(self) -> bool:
        # For templates, which would call `preview` itself.
        return self.preview is not None

    def is_looked_at(self, request: HttpRequest) -> bool:
        """Whether the person wants to see what would come of it, and not to do it yet."""
        return self.preview is not None and "preview" in request.POST

    def show(self, request: HttpRequest, subject: Any, form: VerbForm) -> SafeString | None:
        """What would come of it, where the person asked for it and the form is in order."""
        if self.preview is None or not self.is_looked_at(request) or form.errors:
            return None
        try:
            return self.preview(subject, request.user, form.cleaned_data)
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
            return None

    def say(self, subject: Any, facts: dict[str, Any]) -> str:
        return self.done if isinstance(self.done, str) else self.done(subject, facts)


_verbs: dict[str, list[Verb]] = defaultdict(list)


def offer(model: str, *verbs: Verb) -> None:
    """Put verbs on the admin page of `model` (e.g. "incidents.incident"); any room may."""
    _verbs[model.lower()] += verbs
    _verbs[model.lower()].sort(key=lambda verb: verb.order)


def known_verbs(model: str) -> list[Verb]:
    """All that is on offer for `model`, whoever asks and however the subject stands."""
    return list(_verbs[model.lower()])


def offered(model: str, user: Any, subject: Any) -> list[Verb]:
    """What this person may do with `subject` as it stands now."""
    return [verb for verb in known_verbs(model) if verb.may(user, subject) and verb.when(subject)]


def buttons(
    verbs: Sequence[Verb], address: Callable[[Verb], str]
) -> dict[str, list[dict[str, Any]]]:
    """The verbs as the template of buttons wants them, by group; the first next move leads."""
    groups: dict[str, list[dict[str, Any]]] = {"next": [], "act": [], "more": [], "place": []}
    for verb in verbs:
        facts = {"name": verb.name, "label": verb.label, "url": address(verb)}
        groups[verb.group].append({**facts, "at_once": verb.at_once})
    return groups


class VerbPages(ModelAdmin):
    """The verbs of a model on its page, and the page of each."""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_verb"
        view = self.admin_site.admin_view(self.do_verb)
        return [path("<path:object_id>/do/<slug:verb>/", view, name=name), *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        extra = dict(extra_context or {})
        subject = self.get_object(request, object_id) if object_id else None
        if subject is not None:
            extra["verbs"] = self.buttons_for(request, subject)
            extra["panels"] = panels.render(self.opts.model_name or "", request, subject)
        return super().changeform_view(request, object_id, form_url, extra)

    def do_verb(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """Ask for what the verb needs, call it, and say what came of it."""
        subject = get_object_or_404(self.get_queryset(request), pk=object_id)
        chosen = self._chosen(request, subject, verb)
        asked = request.POST if request.method == "POST" else None
        form = chosen.form(asked, initial=request.GET.dict(), subject=subject, user=request.user)
        if chosen not in self.offered(request, subject):
            return self.too_late(request, subject, chosen, form)
        happened = self.meanwhile(request, subject) if asked is None else ()
        unmet: Sequence[Any] = ()
        if form.is_valid() and not chosen.is_looked_at(request):
            try:
                happened = self.carry_out(request, subject, chosen, form.cleaned_data)
            except DomainError as error:
                unmet = error.unmet if isinstance(error, Refused) else ()
                field = error.field if error.field in form.fields else None
                form.add_error(field, "Not yet. First:" if unmet else error.message)
            else:
                if not happened:
                    return self._done(request, subject, chosen, form.cleaned_data)
        return self._ask(request, subject, chosen, form, unmet=unmet, happened=happened)

    def offered(self, request: HttpRequest, subject: Any) -> list[Verb]:
        return offered(self.opts.label_lower, request.user, subject)

    def buttons_for(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        return buttons(self.offered(request, subject), lambda verb: self.verb_url(subject, verb))

    def verb_url(self, subject: Any, verb: Verb) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_verb"
        return reverse(name, args=[subject.pk, verb.name])

    def page_url(self, subject: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[subject.pk])

    # --- what a page may know better -------------------------------------------------------------

    def carry_out(
        self, request: HttpRequest, subject: Any, verb: Verb, facts: dict[str, Any]
    ) -> Sequence[Any]:
        """Call the verb. A page that knows what others did meanwhile may give that instead."""
        verb.run(subject, request.user, facts)
        return ()

    def meanwhile(self, request: HttpRequest, subject: Any) -> Sequence[Any]:
        """What others did since the person last saw the page."""
        return ()

    def seen(self, subject: Any) -> int | str:
        """The mark of what can be seen now, sent along with every form."""
        return ""

    def too_late(
        self, request: HttpRequest, subject: Any, verb: Verb, form: VerbForm
    ) -> HttpResponse:
        """The verb is not offered (any more): say so on the page."""
        may = verb.may(request.user, subject)
        why = f"“{verb.label}” does not apply to {subject} as it stands now."
        messages.warning(request, why if may else f"“{verb.label}” is not yours to do here.")
        return redirect(self.page_url(subject))

    # --- steps of do_verb -----------------------------------------------------------------------

    def _chosen(self, request: HttpRequest, subject: Any, name: str) -> Verb:
        known = {verb.name: verb for verb in known_verbs(self.opts.label_lower)}
        if name not in known:
            raise Http404("There is nothing like that to do here.")
        chosen = known[name]
        other = known.get(chosen.instead)
        possible = self.offered(request, subject)
        return other if other in possible and chosen not in possible else chosen

    def _done(
        self, request: HttpRequest, subject: Any, verb: Verb, facts: dict[str, Any]
    ) -> HttpResponse:
        now = self.get_queryset(request).filter(pk=subject.pk).first()
        said = verb.say(subject if now is None else now, {**facts, "actor": request.user})
        messages.success(request, said)
        if now is None:
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return redirect(self.page_url(subject))

    def _ask(
        self,
        request: HttpRequest,
        subject: Any,
        verb: Verb,
        form: VerbForm,
        *,
        unmet: Sequence[Any],
        happened: Sequence[Any],
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{verb.label}: {subject}",
            "subject": subject,
            "verb": verb,
            "form": form,
            "unmet": unmet,
            "happened": happened,
            "seen": self.seen(subject),
            "panels": panels.render(f"{self.opts.model_name}.{verb.name}", request, subject),
            "preview": verb.show(request, subject, form),
            "back": self.page_url(subject),
        }
        return TemplateResponse(request, "admin/house/verb.html", context)
