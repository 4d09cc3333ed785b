"""What incidents refer to: teams, services, people, runbook revisions; and one's own tokens."""

from typing import Any

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.core import services as core
from incidents.core.access import Rule
from incidents.core.api.base import (
    HouseView,
    HouseViewSet,
    Instant,
    Nothing,
    Seconds,
    Strict,
    named_by,
)
from incidents.core.api.shapes import PersonOut, SeverityPolicyOut
from incidents.core.models import (
    ApiToken,
    Membership,
    RunbookRevision,
    Service,
    Severity,
    Team,
    User,
)
from incidents.core.section import of as section_of


class ReadOnly(mixins.ListModelMixin, mixins.RetrieveModelMixin, HouseViewSet):
    rules = {"list": Rule.READ, "retrieve": Rule.READ}


# --- Services -------------------------------------------------------------------------------------


class ServiceOut(serializers.ModelSerializer):
    team = serializers.CharField(source="team.slug")
    depends_on = named_by(many=True)
    default_severity = serializers.ChoiceField(choices=Severity.choices)

    class Meta:
        model = Service
        fields = [
            *("slug", "name", "description", "team", "criticality", "default_severity"),
            *("depends_on", "runbook", "is_catch_all", "is_active"),
        ]
        read_only_fields = fields


class IncidentTypeOut(serializers.Serializer):
    name = serializers.CharField(help_text="What `incident_type` takes.")
    title = serializers.CharField()
    definition = serializers.CharField()
    severity = serializers.ChoiceField(choices=Severity.choices, help_text="Unless you choose one.")
    severities = serializers.ListField(
        child=serializers.ChoiceField(choices=Severity.choices),
        help_text="Those that go with it; empty: all.",
    )


class ServiceDetail(ServiceOut):
    incident_types = serializers.SerializerMethodField(
        help_text="The kinds of incident that the runbook it follows knows."
    )

    class Meta(ServiceOut.Meta):
        fields = [*ServiceOut.Meta.fields, "incident_types"]
        read_only_fields = fields

    @extend_schema_field(IncidentTypeOut(many=True))
    def get_incident_types(self, service: Service) -> Any:
        types = section_of(core.revision_for(service)).types
        shown = [{"name": name, **dict(kind)} for name, kind in types.items()]
        return IncidentTypeOut(shown, many=True).data


class ServiceFilter(django_filters.FilterSet):
    team = django_filters.CharFilter(field_name="team__slug")

    class Meta:
        model = Service
        fields = ["team", "is_active", "criticality"]


class ServiceViewSet(ReadOnly):
    """What can break, and whose it is."""

    queryset = Service.objects.select_related("team").prefetch_related("depends_on")
    serializer_class = ServiceOut
    filterset_class = ServiceFilter
    lookup_field = "slug"
    lookup_value_regex = r"[-a-zA-Z0-9_]+"

    def get_serializer_class(self) -> Any:
        return ServiceDetail if self.action == "retrieve" else ServiceOut


# --- Teams and people -----------------------------------------------------------------------------


class MemberOut(serializers.ModelSerializer):
    user = PersonOut()

    class Meta:
        model = Membership
        fields = ["user", "role", "function"]
        read_only_fields = fields


class TeamOut(serializers.ModelSerializer):
    members = MemberOut(source="memberships", many=True)

    class Meta:
        model = Team
        fields = ["slug", "name", "timezone", "runbook", "members"]
        read_only_fields = fields


class TeamViewSet(ReadOnly):
    """Teams and who is in them."""

    queryset = Team.objects.prefetch_related("memberships__user")
    serializer_class = TeamOut
    lookup_field = "slug"
    lookup_value_regex = r"[-a-zA-Z0-9_]+"


class MembershipOut(serializers.ModelSerializer):
    team = serializers.CharField(source="team.slug")

    class Meta:
        model = Membership
        fields = ["team", "role", "function"]
        read_only_fields = fields


class PersonDetail(PersonOut):
    email = serializers.SerializerMethodField(help_text="null for viewers.")
    teams = MembershipOut(source="memberships", many=True)

    class Meta(PersonOut.Meta):
        fields = [*PersonOut.Meta.fields, "email", "timezone", "is_active", "teams"]
        read_only_fields = fields

    def get_email(self, person: User) -> str | None:
        asking = self.context["request"].user
        return person.email if asking == person or asking.may_respond else None


class PersonFilter(django_filters.FilterSet):
    team = django_filters.CharFilter(field_name="memberships__team__slug", distinct=True)

    class Meta:
        model = User
        fields = ["team", "is_active"]


class PersonViewSet(ReadOnly):
    """People. They are deactivated, never deleted: history keeps their names."""

    queryset = User.objects.prefetch_related("memberships__team")
    serializer_class = PersonDetail
    filterset_class = PersonFilter
    lookup_value_regex = "[0-9]+"


# --- Runbook revisions ----------------------------------------------------------------------------


class RevisionOut(serializers.ModelSerializer):
    reopen_window = Seconds(allow_null=True)
    working_calendar = serializers.DictField()
    document = serializers.DictField(help_text="The whole runbook as it was loaded.")
    severity_policies = SeverityPolicyOut(many=True)

    class Meta:
        model = RunbookRevision
        fields = [
            *("id", "slug", "version", "title", "reference_format", "working_calendar"),
            *("reopen_window", "created_at", "severity_policies", "document"),
        ]
        read_only_fields = fields


class RevisionFilter(django_filters.FilterSet):
    class Meta:
        model = RunbookRevision
        fields = ["slug"]


class RevisionViewSet(ReadOnly):
    """Immutable editions of the runbooks. An incident keeps the one it was declared under."""

    queryset = RunbookRevision.objects.prefetch_related("severity_policies")
    serializer_class = RevisionOut
    filterset_class = RevisionFilter
    lookup_value_regex = "[0-9]+"


# --- Oneself --------------------------------------------------------------------------------------


class TokenOut(serializers.ModelSerializer):
    class Meta:
        model = ApiToken
        fields = [
            *("id", "name", "scope", "prefix", "created_at", "expires_at", "revoked_at"),
            "last_used_at",
        ]
        read_only_fields = fields


class TokenWithSecret(TokenOut):
    secret = serializers.SerializerMethodField(help_text="Shown this once and kept nowhere.")

    class Meta(TokenOut.Meta):
        fields = [*TokenOut.Meta.fields, "secret"]
        read_only_fields = fields

    def get_secret(self, _token: ApiToken) -> str:
        return self.context["secret"]


class IssueToken(Strict):
    name = serializers.CharField(max_length=120)
    scope = serializers.ChoiceField(choices=ApiToken.Scope.choices)
    expires_at = Instant(required=False, allow_null=True)


class TokenViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, HouseViewSet):
    """Your own API tokens; nobody else's."""

    rules = {"list": Rule.READ, "retrieve": Rule.READ, "create": Rule.OWN, "revoke": Rule.OWN}
    queryset = ApiToken.objects.none()
    serializer_class = TokenOut
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> Any:
        if self.is_described:
            return ApiToken.objects.none()
        return ApiToken.objects.filter(user=self.actor)

    @extend_schema(request=IssueToken, responses={201: TokenWithSecret})
    def create(self, request: Request) -> Response:
        """Issue a token. Its secret is in this answer and never shown again."""
        asked = IssueToken(data=request.data)
        asked.is_valid(raise_exception=True)
        token, secret = core.issue_token(self.actor, **asked.validated_data)
        shown = TokenWithSecret(token, context={"secret": secret})
        return Response(shown.data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=TokenOut)
    @action(detail=True, methods=["post"], serializer_class=Nothing)
    def revoke(self, request: Request, pk: str) -> Response:
        """It opens nothing any more, from this moment on."""
        token = self.get_object()
        core.revoke_token(token)
        token.refresh_from_db()
        return Response(TokenOut(token).data)


class MeOut(PersonOut):
    teams = MembershipOut(source="memberships", many=True)
    token = serializers.SerializerMethodField(help_text="The one you are calling with.")

    class Meta(PersonOut.Meta):
        fields = [*PersonOut.Meta.fields, "email", "timezone", "is_superuser", "teams", "token"]
        read_only_fields = fields

    @extend_schema_field(TokenOut(allow_null=True))
    def get_token(self, _person: User) -> Any:
        token = self.context["request"].auth
        return TokenOut(token).data if token else None


class Me(HouseView):
    rules = {"get": Rule.READ}

    @extend_schema(operation_id="me", responses=MeOut, tags=["me"])
    def get(self, request: Request) -> Response:
        """Who you are to Tocsin, and what your token may do."""
        people = User.objects.prefetch_related("memberships__team")
        shown = MeOut(people.get(pk=self.actor.pk), context={"request": request})
        return Response(shown.data)
