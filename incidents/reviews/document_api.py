"""The doors of a review's document: its sections, its timeline, what was published."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.core.access import Rule
from incidents.core.api.asks import written
from incidents.core.api.base import REFERENCE, HouseViewSet, Instant, Strict
from incidents.core.api.shapes import PersonOut
from incidents.reviews import exporting, reading, services
from incidents.reviews.document.sections import is_written
from incidents.reviews.markdown import LONGEST
from incidents.reviews.models import Mark, Review, Revision
from incidents.reviews.services.writing import LONGEST_ENTRY

KEY = "[a-z0-9][a-z0-9_-]{0,63}"
NUMBER = "[0-9]{1,18}"


class SectionOut(serializers.Serializer):
    key = serializers.CharField()
    title = serializers.CharField(help_text="As its runbook calls it.")
    text = serializers.CharField(help_text="Markdown.")
    version = serializers.IntegerField(help_text="To be sent along with another text.")
    is_composed = serializers.BooleanField(
        help_text="Nobody has written it yet: it says what the record says."
    )


class WriteSection(Strict):
    text = written(optional=True, longest=LONGEST)
    version = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, help_text="The one that was read; 0: nobody had written."
    )


class MarkOut(serializers.ModelSerializer):
    entry = serializers.IntegerField(
        source="entry_id", allow_null=True, help_text="null: one that was added afterwards."
    )
    marked_by = PersonOut(allow_null=True)

    class Meta:
        model = Mark
        fields = ["id", "entry", "belongs", "at", "text", "marked_by", "marked_at"]
        read_only_fields = fields


class MarkEntry(Strict):
    belongs = serializers.BooleanField()
    at = Instant(required=False, allow_null=True, help_text="When it really was.")
    text = written(optional=True, longest=LONGEST_ENTRY)


class AddEntry(Strict):
    at = Instant()
    text = written(longest=LONGEST_ENTRY)


class EditionOut(serializers.ModelSerializer):
    author = PersonOut(allow_null=True)

    class Meta:
        model = Revision
        fields = ["number", "author", "at", "note"]
        read_only_fields = fields


class Correct(Strict):
    note = written(longest=2_000)


class DocumentOut(serializers.Serializer):
    name = serializers.CharField(help_text="What a file of it is called.")
    media_type = serializers.CharField()
    text = serializers.CharField()


class DocumentAsked(serializers.Serializer):
    form = serializers.ChoiceField(choices=list(exporting.FORMS), default="markdown")
    draft = serializers.BooleanField(default=False, help_text="As it is now, published or not.")


class ReviewDocumentViewSet(HouseViewSet):
    rules = {
        **dict.fromkeys(["sections", "revisions", "document"], Rule.READ),
        **dict.fromkeys(["write_section", "mark_entry", "add_entry", "correct"], Rule.RESPOND),
    }
    queryset: QuerySet[Review] = Review.objects.with_context()
    serializer_class = SectionOut
    lookup_field = "reference"
    lookup_value_regex = REFERENCE

    def get_serializer_class(self) -> Any:
        asked = {
            "write_section": WriteSection,
            "mark_entry": MarkEntry,
            "add_entry": AddEntry,
            "correct": Correct,
            "revisions": EditionOut,
        }
        return asked.get(self.action, SectionOut)

    def review(self) -> Review:
        seen = Review.objects.with_context().visible_to(self.actor)
        found = seen.filter(incident__reference=self.kwargs["reference"]).first()
        if found is None:
            raise Http404("There is no review of such an incident.")
        return found

    @extend_schema(
        responses=SectionOut(many=True), filters=False, operation_id="review_sections_list"
    )
    @action(detail=True, filter_backends=[], pagination_class=None)
    def sections(self, request: Request, reference: str) -> Response:
        """What people write, in the order of the document."""
        review = self.review()
        known = reading.read(review)
        rows = [
            self._section(review, place.key, place.title, known)
            for place in reading.places_in(known)
            if is_written(place.key)
        ]
        return Response(SectionOut(rows, many=True).data)

    def _section(self, review: Review, key: str, title: str, known: Any) -> dict[str, Any]:
        text, is_composed = reading.said(key, known)
        version = services.stored_section(review, key).version
        return {
            **{"key": key, "title": title, "text": text, "version": version},
            "is_composed": is_composed,
        }

    @extend_schema(request=WriteSection, responses=SectionOut, operation_id="review_sections_write")
    @action(detail=True, methods=["put"], url_path=f"sections/(?P<key>{KEY})")
    def write_section(self, request: Request, reference: str, key: str) -> Response:
        """Write a section. 409 with both texts where somebody else wrote since that version."""
        review = self.review()
        facts = {"text": "", **self.facts()}
        services.write_section(review, key=key, actor=self.actor, **facts)
        review = self.review()
        known = reading.read(review)
        titles = {place.key: place.title for place in reading.places_in(known)}
        shown = self._section(review, key, titles.get(key, key), known)
        return Response(SectionOut(shown).data)

    @extend_schema(request=AddEntry, responses={201: MarkOut}, operation_id="review_timeline_add")
    @action(detail=True, methods=["post"], url_path="timeline")
    def add_entry(self, request: Request, reference: str) -> Response:
        """Add to the document's timeline what nobody had written down when it happened."""
        mark = services.add_entry(self.review(), actor=self.actor, **self.facts())
        return Response(MarkOut(mark).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=MarkEntry, responses=MarkOut, operation_id="review_timeline_mark")
    @action(detail=True, methods=["put"], url_path=f"timeline/(?P<entry>{NUMBER})")
    def mark_entry(self, request: Request, reference: str, entry: str) -> Response:
        """Say whether an entry of the incident's timeline belongs, and when it really was."""
        review = self.review()
        found = review.incident.timeline.filter(pk=entry).first()
        if found is None:
            raise Http404("There is no such entry on its timeline.")
        mark = services.mark_entry(review, entry=found, actor=self.actor, **self.facts())
        return Response(MarkOut(mark).data)

    @extend_schema(
        responses=EditionOut(many=True), filters=False, operation_id="review_revisions_list"
    )
    @action(detail=True, filter_backends=[], pagination_class=None)
    def revisions(self, request: Request, reference: str) -> Response:
        """What was published, newest first."""
        rows = self.review().revisions.select_related("author")
        return Response(EditionOut(rows, many=True).data)

    @extend_schema(request=Correct, responses={201: EditionOut}, operation_id="review_correct")
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, reference: str) -> Response:
        """Publish what was changed since as another revision; the others stay as they were."""
        revision = services.correct(self.review(), actor=self.actor, **self.facts())
        return Response(EditionOut(revision).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        parameters=[DocumentAsked], responses=DocumentOut, operation_id="review_document"
    )
    @action(detail=True, filter_backends=[])
    def document(self, request: Request, reference: str) -> Response:
        """The document in one of its forms: the last revision, else the draft."""
        review = self.review()
        asked = DocumentAsked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        made = exporting.export(review, **asked.validated_data)
        return Response(DocumentOut(made).data)
