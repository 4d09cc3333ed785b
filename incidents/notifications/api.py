"""The doors of this room: one's own addresses, and what became of messages."""

from typing import Any

import django_filters
from django.db.models import Prefetch, Q
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.core.access import Rule
from incidents.core.api.base import HouseViewSet, Nothing, Strict
from incidents.core.api.shapes import PersonOut
from incidents.notifications import services
from incidents.notifications.addresses import Channel
from incidents.notifications.models import Attempt, ContactMethod, Delivery


class DeliveryOut(serializers.ModelSerializer):
    """Without body and links: those may let whoever reads them act for the recipient."""

    recipient = PersonOut(allow_null=True)
    address = serializers.CharField(source="masked_address")
    incident = serializers.CharField(source="incident.reference", allow_null=True, default=None)
    bundle = serializers.UUIDField(
        allow_null=True, help_text="The same for all that went in one message: its key."
    )

    class Meta:
        model = Delivery
        fields = [
            *("id", "urgency", "recipient", "transport", "address", "incident", "subject"),
            *("state", "due_at", "give_up_at", "attempts", "created_at", "sent_at", "ended_at"),
            *("last_error", "fallback_of", "waits_since", "bundle"),
        ]
        read_only_fields = fields


class AttemptOut(serializers.ModelSerializer):
    class Meta:
        model = Attempt
        fields = ["number", "started_at", "finished_at", "outcome", "detail"]
        read_only_fields = fields


class DeliveryDetail(DeliveryOut):
    tries = AttemptOut(many=True)

    class Meta(DeliveryOut.Meta):
        fields = [*DeliveryOut.Meta.fields, "tries"]
        read_only_fields = fields


class DeliveryFilter(django_filters.FilterSet):
    incident = django_filters.CharFilter(field_name="incident__reference")
    recipient = django_filters.CharFilter(field_name="recipient__username")

    class Meta:
        model = Delivery
        fields = ["incident", "recipient", "state", "urgency"]


class DeliveryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, HouseViewSet):
    """Messages about incidents, and your own: where they went and what became of them."""

    rules = {"list": Rule.READ, "retrieve": Rule.READ}
    queryset = Delivery.objects.all()
    serializer_class = DeliveryOut
    filterset_class = DeliveryFilter
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    newest_by = ("-created_at", "-pk")

    def get_queryset(self) -> Any:
        user = self.actor
        seen = Delivery.objects.visible_to(user).select_related("recipient", "incident")
        if not user.is_superuser:
            seen = seen.filter(Q(incident__isnull=False) | Q(recipient=user))
        if self.action == "retrieve":
            tries = Attempt.objects.order_by("number")
            seen = seen.prefetch_related(Prefetch("tries", tries))
        return seen

    def get_serializer_class(self) -> Any:
        return DeliveryDetail if self.action == "retrieve" else DeliveryOut


class ContactMethodOut(serializers.ModelSerializer):
    is_verified = serializers.BooleanField(help_text="Pages go there only when it is.")

    class Meta:
        model = ContactMethod
        fields = ["id", "kind", "address", "position", "is_verified", "verified_at"]
        read_only_fields = fields


class NewContactMethod(ContactMethodOut):
    secret = serializers.CharField(help_text="Signs what is sent to a webhook; shown only here.")

    class Meta(ContactMethodOut.Meta):
        fields = [*ContactMethodOut.Meta.fields, "secret"]
        read_only_fields = fields


class AddContactMethod(Strict):
    kind = serializers.ChoiceField(choices=Channel.choices)
    address = serializers.CharField(max_length=500)


class Verify(Strict):
    code = serializers.CharField(max_length=20)


class Queued(serializers.Serializer):
    delivery = serializers.SerializerMethodField(help_text="Where to see what becomes of it.")

    @extend_schema_field(serializers.UUIDField())
    def get_delivery(self, delivery: Delivery) -> str:
        return str(delivery.pk)


class ContactMethodViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, HouseViewSet):
    """Where you can be reached; nobody else's. Pages use what you have verified, in order."""

    rules = {
        **dict.fromkeys(["list", "retrieve"], Rule.READ),
        **dict.fromkeys(
            ["create", "destroy", "verify", "send_verification", "send_test"], Rule.OWN
        ),
    }
    queryset = ContactMethod.objects.none()
    serializer_class = ContactMethodOut
    lookup_value_regex = "[0-9]+"
    newest_by = ("position", "pk")

    def get_queryset(self) -> Any:
        if self.is_described:
            return ContactMethod.objects.none()
        return ContactMethod.objects.filter(user=self.actor, is_active=True)

    @extend_schema(request=AddContactMethod, responses={201: NewContactMethod})
    def create(self, request: Request) -> Response:
        """Add an address. It is used once it is verified: have a code sent next."""
        asked = AddContactMethod(data=request.data)
        asked.is_valid(raise_exception=True)
        method = services.add_contact_method(self.actor, **asked.validated_data, actor=self.actor)
        return Response(NewContactMethod(method).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """It is no longer used."""
        services.remove_contact_method(self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={202: Queued})
    @action(detail=True, methods=["post"], url_path="send-verification", serializer_class=Nothing)
    def send_verification(self, request: Request, pk: str) -> Response:
        """Have a code sent there."""
        delivery = services.send_verification(self.get_object(), actor=self.actor)
        return Response(Queued(delivery).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=Verify, responses={200: ContactMethodOut})
    @action(detail=True, methods=["post"], serializer_class=Verify)
    def verify(self, request: Request, pk: str) -> Response:
        """Show that you have read the code: from now on pages go there."""
        method = services.verify(self.get_object(), actor=self.actor, **self.facts())
        return Response(ContactMethodOut(method).data)

    @extend_schema(request=None, responses={202: Queued})
    @action(detail=True, methods=["post"], url_path="test", serializer_class=Nothing)
    def send_test(self, request: Request, pk: str) -> Response:
        """Have a harmless message sent there, verified or not."""
        delivery = services.send_test(self.get_object(), actor=self.actor)
        return Response(Queued(delivery).data, status=status.HTTP_202_ACCEPTED)
