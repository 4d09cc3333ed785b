"""The doors of reviews: where each stands, its meeting, what is stated, whys and steps."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.core.access import Rule
from incidents.core.api.base import REFERENCE, HouseViewSet
from incidents.core.models import Incident
from incidents.reviews import services, shapes
from incidents.reviews.models import Review


class ReviewViewSet(mixins.ListModelMixin, HouseViewSet):
    """What a team does about an incident afterwards. Addressed by the incident's reference."""

    rules = {
        **dict.fromkeys(["list", "retrieve"], Rule.READ),
        **dict.fromkeys(
            [
                *("create", "partial_update", "schedule", "cancel", "hold", "publish", "close"),
                *("waive", "invite", "disinvite", "ask_why", "answer_why", "remove_why"),
                *("finish_step", "skip_step", "undo_step", "assign_follow_up"),
            ],
            Rule.RESPOND,
        ),
    }
    queryset: QuerySet[Review] = Review.objects.with_context()
    serializer_class = shapes.ReviewOut
    filterset_fields = ["state", "is_required", "incident__service__slug", "facilitator__username"]
    lookup_field = "reference"
    lookup_value_regex = REFERENCE

    def get_queryset(self) -> QuerySet[Review]:
        if self.is_described:
            return Review.objects.none()
        return Review.objects.with_context().visible_to(self.actor)

    def get_serializer_class(self) -> Any:
        return shapes.ASKED.get(self.action, shapes.ReviewOut)

    def review(self) -> Review:
        """The review in the address; 404 also where its incident must stay unseen."""
        found = self.get_queryset().filter(incident__reference=self.kwargs["reference"]).first()
        if found is None:
            raise Http404("There is no review of such an incident.")
        return found

    def _shown(self, review: Review, code: int = status.HTTP_200_OK) -> Response:
        fresh = Review.objects.with_context().get(pk=review.pk)
        return Response(shapes.ReviewDetail(fresh).data, status=code)

    def _part(self, parts: Any, key: str) -> Any:
        """A part of the review by the id in the address."""
        found = parts.filter(pk=self.kwargs[key]).first()
        if found is None:
            raise Http404("There is nothing of that number in this review.")
        return found

    @extend_schema(responses=shapes.ReviewDetail)
    def retrieve(self, request: Request, reference: str) -> Response:
        """All of it: where it stands, what it lacks, who comes, whys, steps."""
        return self._shown(self.review())

    @extend_schema(request=shapes.RequestReview, responses={201: shapes.ReviewDetail})
    def create(self, request: Request) -> Response:
        """Ask for a review that the runbook does not ask for; the incident has to be over."""
        facts = self.facts()
        visible = Incident.objects.visible_to(self.actor)
        incident = visible.filter(reference=facts["incident"]).first()
        if incident is None:
            raise Http404("There is no such incident.")
        review = services.request(incident, reason=facts["reason"], actor=self.actor)
        return self._shown(review, status.HTTP_201_CREATED)

    @extend_schema(request=shapes.Facts, responses=shapes.ReviewDetail)
    def partial_update(self, request: Request, reference: str) -> Response:
        """State facts. 409 with both texts where somebody else wrote since that version."""
        return self._shown(services.write_facts(self.review(), actor=self.actor, **self.facts()))

    # --- The meeting ------------------------------------------------------------------------------

    @extend_schema(request=shapes.Schedule, responses=shapes.ReviewDetail)
    @action(detail=True, methods=["post"])
    def schedule(self, request: Request, reference: str) -> Response:
        """Choose its time, or another one; everybody is invited."""
        return self._shown(services.schedule(self.review(), actor=self.actor, **self.facts()))

    @extend_schema(request=shapes.Because, responses=shapes.ReviewDetail)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, reference: str) -> Response:
        """It does not happen then; everybody hears so, and it is due as before."""
        return self._shown(services.cancel(self.review(), actor=self.actor, **self.facts()))

    @extend_schema(request=shapes.Hold, responses=shapes.ReviewDetail)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, reference: str) -> Response:
        """It was held."""
        return self._shown(services.hold(self.review(), actor=self.actor, **self.facts()))

    @extend_schema(request=shapes.Invite, responses=shapes.ReviewDetail)
    @action(detail=True, methods=["post"], url_path="attendees")
    def invite(self, request: Request, reference: str) -> Response:
        """Have somebody come."""
        review = self.review()
        services.add_attendee(review, actor=self.actor, **self.facts())
        return self._shown(review)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["delete"], url_path="attendees/(?P<attendee>[0-9]{1,18})")
    def disinvite(self, request: Request, reference: str, attendee: str) -> Response:
        """Somebody need not come."""
        review = self.review()
        guest = self._part(review.attendees, "attendee")
        services.remove_attendee(review, attendee=guest, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    # --- Its end ----------------------------------------------------------------------------------

    @extend_schema(request=shapes.Publish, responses=shapes.ReviewDetail)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, reference: str) -> Response:
        """Publish the document. 409 with what it lacks."""
        return self._shown(services.publish(self.review(), actor=self.actor, **self.facts()))

    @extend_schema(request=shapes.Nothing, responses=shapes.ReviewDetail)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, reference: str) -> Response:
        """All is done. 409 with what is not."""
        self.facts()
        return self._shown(services.close(self.review(), actor=self.actor))

    @extend_schema(request=shapes.Because, responses=shapes.ReviewDetail)
    @action(detail=True, methods=["post"])
    def waive(self, request: Request, reference: str) -> Response:
        """There will be none; for managers of the owning team."""
        return self._shown(services.waive(self.review(), actor=self.actor, **self.facts()))

    # --- Whys -------------------------------------------------------------------------------------

    @extend_schema(request=shapes.AskWhy, responses={201: shapes.WhyOut})
    @action(detail=True, methods=["post"], url_path="whys")
    def ask_why(self, request: Request, reference: str) -> Response:
        """Ask why, at the beginning or behind an answer."""
        review, facts = self.review(), self.facts()
        parent = facts.pop("parent", None)
        if parent is not None:
            self.kwargs["why"] = parent
            parent = self._part(review.whys, "why")
        why = services.ask_why(review, parent=parent, actor=self.actor, **facts)
        return Response(shapes.WhyOut(why).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=shapes.AnswerWhy, responses=shapes.WhyOut)
    @action(detail=True, methods=["patch"], url_path="whys/(?P<why>[0-9]{1,18})")
    def answer_why(self, request: Request, reference: str, why: str) -> Response:
        """Answer it. “Human error” is asked behind at once. 409 with both texts."""
        facts, found = self.facts(), self._part(self.review().whys, "why")
        found = services.answer_why(found, actor=self.actor, **facts)
        return Response(shapes.WhyOut(found).data)

    @extend_schema(request=None, responses={204: None}, parameters=[shapes.Versioned])
    @answer_why.mapping.delete
    def remove_why(self, request: Request, reference: str, why: str) -> Response:
        """Take a question out behind which there is nothing. 409 where somebody has answered it."""
        found = self._part(self.review().whys, "why")
        asked = shapes.Versioned(data=request.query_params)
        asked.is_valid(raise_exception=True)
        services.remove_why(found, version=asked.validated_data["version"], actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    # --- Steps ------------------------------------------------------------------------------------

    def _step(self) -> Any:
        steps = services.steps_of(self.review()).select_related("follow_up__review__incident")
        return self._part(steps, "step")

    @extend_schema(request=shapes.FinishStep, responses=shapes.StepOut)
    @action(detail=True, methods=["post"], url_path="steps/(?P<step>[0-9]{1,18})/finish")
    def finish_step(self, request: Request, reference: str, step: str) -> Response:
        """It is done; with a note, and a link to the evidence."""
        done = services.finish_step(self._step(), actor=self.actor, **self.facts())
        return Response(shapes.StepOut(done).data)

    @extend_schema(request=shapes.Because, responses=shapes.StepOut)
    @action(detail=True, methods=["post"], url_path="steps/(?P<step>[0-9]{1,18})/skip")
    def skip_step(self, request: Request, reference: str, step: str) -> Response:
        """It is not needed this time."""
        done = services.skip_step(self._step(), actor=self.actor, **self.facts())
        return Response(shapes.StepOut(done).data)

    @extend_schema(request=shapes.Nothing, responses=shapes.StepOut)
    @action(detail=True, methods=["post"], url_path="steps/(?P<step>[0-9]{1,18})/undo")
    def undo_step(self, request: Request, reference: str, step: str) -> Response:
        """It is to be done after all."""
        self.facts()
        done = services.undo_step(self._step(), actor=self.actor)
        return Response(shapes.StepOut(done).data)

    @extend_schema(request=shapes.Assign, responses=shapes.FollowUpOut)
    @action(detail=True, methods=["post"], url_path="follow-ups/(?P<plan>[0-9]{1,18})/assign")
    def assign_follow_up(self, request: Request, reference: str, plan: str) -> Response:
        """Who is to do these steps; null: whoever facilitates."""
        found = self._part(self.review().follow_ups.select_related("review__incident"), "plan")
        changed = services.assign_follow_up(found, actor=self.actor, **self.facts())
        return Response(shapes.FollowUpOut(changed).data)
