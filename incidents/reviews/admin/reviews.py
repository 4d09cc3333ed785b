"""Reviews in the admin: what is due, and the page that a team holds its meeting with."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from incidents.core.adminsite import HouseAdmin, Verb, VerbForm
from incidents.core.errors import DomainError
from incidents.reviews import exporting, reading
from incidents.reviews.admin import review_page
from incidents.reviews.document.sections import is_written
from incidents.reviews.errors import Stale
from incidents.reviews.markdown import LONGEST
from incidents.reviews.models import Review, ReviewState
from incidents.reviews.services import writing
from incidents.timers import clock

TONES = {
    ReviewState.DUE: "t-warn",
    ReviewState.SCHEDULED: "t-info",
    ReviewState.HELD: "t-info",
    ReviewState.PUBLISHED: "t-good",
    ReviewState.CLOSED: "t-good",
    ReviewState.WAIVED: "t-calm",
}
# Where on the page one goes on after each of these.
ANCHORS = {
    **dict.fromkeys(["leave-out", "take-in", "correct-entry", "add-entry"], "timeline"),
    **dict.fromkeys(["withdraw-entry", "check-timeline", "uncheck-timeline"], "timeline"),
    **dict.fromkeys(["ask-why", "answer-why", "is-cause", "remove-why"], "root_cause"),
    **{"agree-action": "action_items", "state-facts": "impact"},
    **dict.fromkeys(["do-step", "skip-step"], "steps"),
}


class WriteForm(VerbForm):
    text = forms.CharField(
        label="Text",
        required=False,
        max_length=LONGEST,
        widget=forms.Textarea({"rows": 14}),
        help_text="Markdown: **bold**, *italic*, - lists, `code`, [links](https://…), | tables |.",
    )
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)


@admin.register(Review)
class ReviewAdmin(HouseAdmin):
    list_display = ["incident", "severity", "stands", "latest_at", "scheduled_at", "facilitator"]
    list_filter = ["state", "is_required"]
    list_select_related = ["incident__service", "facilitator"]
    search_fields = ["incident__reference", "incident__title", "root_cause"]
    ordering = ["-opened_at", "-pk"]
    quick_views = [
        ("Due", "state__exact=due"),
        ("Scheduled", "state__exact=scheduled"),
        ("Held", "state__exact=held"),
        ("Published", "state__exact=published"),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Review]:
        return review_page.visible(request.user)

    @admin.display(description="Severity", ordering="incident__severity")
    def severity(self, review: Review) -> SafeString:
        severity = review.incident.severity
        return format_html('<span class="t-badge t-severity-{0}">{0}</span>', severity)

    @admin.display(description="State", ordering="state")
    def stands(self, review: Review) -> SafeString:
        tone = TONES[ReviewState(review.state)]
        return format_html('<span class="t-badge {}">{}</span>', tone, review.get_state_display())

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = "<int:pk>"
        return [
            path(f"{own}/write/<slug:key>/", wrap(self.write_view), name="review-section"),
            path(f"{own}/document/", wrap(self.document_view), name="review-document"),
            path(
                f"{own}/document/<int:number>/",
                wrap(self.document_view),
                name="review-revision",
            ),
            path(f"{own}/export/<slug:form>/", wrap(self.file_view), name="review-export"),
            *super().get_urls(),
        ]

    # --- The page --------------------------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A page of its own: the document as it is written, and the meeting that writes it."""
        if object_id is None:  # nobody makes one here: refused
            return super().changeform_view(request, object_id, form_url, extra_context)
        review = self.get_object(request, unquote(object_id))
        if review is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        context = self._shown(request, review)
        if request.GET.get("fragment") == "section":
            wanted = request.GET.get("key", "")
            card = next((card for card in context["cards"] if card.key == wanted), None)
            if card is None:
                raise Http404("There is no such section.")
            return render(request, "admin/reviews/section.html", {**context, "card": card})
        context |= {
            **self.admin_site.each_context(request),
            **review_page.banner(review),
            **review_page.rules(review),
            **review_page.beside(review),
            **review_page.in_place(review),
            "seen": self.seen(review),
            "agenda": review_page.agenda(review),
            "opts": self.opts,
            "title": str(review),
            "original": review,
        }
        return TemplateResponse(request, "admin/reviews/page.html", context)

    def _shown(self, request: HttpRequest, review: Review) -> dict[str, Any]:
        """What a fragment shows, and the whole page as well."""
        verbs = self.buttons_for(request, review)
        can = {button["name"].replace("-", "_"): button["url"] for button in verbs["place"]}
        user: Any = request.user
        return {
            "review": review,
            "incident": review.incident,
            "now": clock.now(),
            "verbs": verbs,
            "can": can,
            "may_write": user.may_respond,
            **review_page.document(review),
        }

    # --- Two people at once ----------------------------------------------------------------------

    def seen(self, subject: Review) -> str:
        """Which state of the facts and answers a form was shown with."""
        return f"{subject.version}-{sum(subject.whys.values_list('version', flat=True))}"

    def carry_out(
        self, request: HttpRequest, subject: Review, verb: Verb, facts: dict[str, Any]
    ) -> Sequence[Any]:
        """Call the verb; where somebody was faster, both texts stand on the page then."""
        given = request.POST.get("seen", "")
        if verb.name == "state-facts":
            number = given.partition("-")[0]
            is_number = number.isascii() and number.isdecimal() and len(number) < 10
            facts |= {"version": int(number) if is_number else 0}
        elif verb.name == "answer-why" and given == self.seen(subject):
            facts |= {"version": facts["why"].version}
        try:
            verb.run(subject, request.user, facts)
        except Stale as error:
            return [error.message]
        return ()

    def _done(
        self, request: HttpRequest, subject: Any, verb: Verb, facts: dict[str, Any]
    ) -> HttpResponse:
        answer = super()._done(request, subject, verb, facts)
        if verb.name in ANCHORS and answer.has_header("Location"):
            answer["Location"] += f"#{ANCHORS[verb.name]}"
        return answer

    # --- Writing a section -----------------------------------------------------------------------

    def write_view(self, request: HttpRequest, pk: int, key: str) -> HttpResponse:
        """A section and its text; where somebody was faster, both texts stand there."""
        review = get_object_or_404(self.get_queryset(request), pk=pk)
        user: Any = request.user
        place = next((one for one in reading.places(review) if one.key == key), None)
        if place is None or not is_written(key):
            raise Http404("There is no such section.")
        if not user.may_respond:
            return redirect(self.page_url(review))
        stored = writing.stored_section(review, key)
        theirs: dict[str, Any] | None = None
        form = WriteForm(request.POST or None, initial=self._beginning(review, stored), user=user)
        is_looked_at = "preview" in request.POST
        if request.method == "POST" and form.is_valid() and not is_looked_at:
            try:
                writing.write_section(review, key=key, actor=user, **form.cleaned_data)
            except Stale as error:
                theirs = error.theirs
                form = WriteForm({**form.cleaned_data, "version": error.version}, user=user)
                form.add_error(None, error.message)
            except DomainError as error:
                form.add_error(error.field if error.field in form.fields else None, error.message)
            else:
                return redirect(f"{self.page_url(review)}#{key}")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{place.title}: {review}",
            "place": place,
            "subject": review,
            "form": form,
            "theirs": theirs,
            "stored": stored,
            "preview": form.cleaned_data["text"] if is_looked_at and form.is_valid() else None,
            "back": f"{self.page_url(review)}#{key}",
        }
        status = 409 if theirs is not None else 200
        return TemplateResponse(request, "admin/reviews/write.html", context, status=status)

    def _beginning(self, review: Review, stored: writing.Stored) -> dict[str, Any]:
        """What is stored; where nobody has written yet, what the section says by itself."""
        text = stored.text or reading.text_of(review, stored.key)
        return {"text": text, "version": stored.version}

    # --- The document ----------------------------------------------------------------------------

    def document_view(self, request: HttpRequest, pk: int, number: int = 0) -> HttpResponse:
        """The document as it is printed: a published revision (`number`), or as it is now."""
        review = get_object_or_404(self.get_queryset(request), pk=pk)
        if number and not review.revisions.filter(number=number).exists():
            raise Http404("There is no such revision.")
        draft = "draft" in request.GET
        made = exporting.export(review, form="html", number=number, draft=draft)
        return HttpResponse(made.text, content_type=made.media_type)

    def file_view(self, request: HttpRequest, pk: int, form: str) -> HttpResponse:
        """The last revision, else the draft, as a file."""
        review = get_object_or_404(self.get_queryset(request), pk=pk)
        if form not in exporting.FORMS:
            raise Http404("There is no such form.")
        made = exporting.export(review, form=form)
        answer = HttpResponse(made.text, content_type=made.media_type)
        answer["Content-Disposition"] = f'attachment; filename="{made.name}"'
        return answer
