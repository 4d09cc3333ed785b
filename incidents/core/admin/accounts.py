"""People's pages: who they are, what they may do, and the verbs on their accounts."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Field, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from incidents.core import panels, services
from incidents.core.adminsite import HouseAdmin, HouseInline, Verb, VerbForm, offer
from incidents.core.errors import DomainError
from incidents.core.models import (
    Access,
    ApiToken,
    Incident,
    LoginAttempt,
    Membership,
    Organisation,
    Role,
    Team,
    User,
    zone_choices,
)
from incidents.timers import clock

ROLES_EXPLAINED = [
    (Role.VIEWER, "Viewer: reads everything that is not private"),
    (Role.RESPONDER, "Responder: takes shifts, acts on incidents of any team"),
    (Role.MANAGER, "Manager: also changes what belongs to the team, and opens the admin"),
]
ACCESS_EXPLAINED = [
    (Access.MEMBER, "As the roles in teams say"),
    (Access.STAFF, "May open the admin although not a manager, to look"),
    (Access.ADMINISTRATOR, "Administrator: may change everything"),
]
LABELS = {"timezone": "Time zone", "email": "E-mail"}


class ZoneFields(HouseAdmin):
    """Time zones are chosen, not typed."""

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "timezone":
            kwargs["widget"] = UnfoldAdminSelectWidget(choices=zone_choices())
        if db_field.name in LABELS:
            kwargs["label"] = LABELS[db_field.name]
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class InviteForm(VerbForm):
    first_name = forms.CharField(max_length=150, required=False)
    last_name = forms.CharField(max_length=150, required=False)
    email = forms.EmailField(label="E-mail", help_text="The invitation goes there.")
    username = forms.CharField(
        max_length=150, help_text="To log in with. Letters, digits and @ . + - _ only."
    )
    timezone = forms.ChoiceField(label="Time zone", choices=zone_choices)
    team = forms.ModelChoiceField(Team.objects.none(), required=False)
    role = forms.ChoiceField(
        label="Role in the team", choices=ROLES_EXPLAINED, initial=Role.RESPONDER
    )
    access = forms.ChoiceField(
        label="Beyond the team", choices=ACCESS_EXPLAINED, initial=Access.MEMBER
    )

    def prepare(self) -> None:
        """Managers invite into their own teams, and give no more than a role in one."""
        self.initial.setdefault("timezone", Organisation.current().timezone)
        team: Any = self.fields["team"]
        team.queryset = Team.objects.order_by("name")
        if not self.user.is_superuser:
            team.queryset = team.queryset.filter(pk__in=self.user.managed_teams)
            team.required, team.empty_label = True, None
            del self.fields["access"]


class TeamsInline(HouseInline):
    """Read here, changed on the team's page."""

    model = Membership
    read_only = True
    fields = ["team", "role", "function"]
    verbose_name_plural = "Teams and roles (changed on the team's page)"


@admin.register(User)
class PersonAdmin(ZoneFields):
    """Administrators keep people, managers invite them into their teams, the staff look them up."""

    list_display = ["username", "name", "email", "teams", "may", "last_seen", "active"]
    list_filter = ["is_active", "memberships__team", "memberships__role", "is_superuser"]
    quick_views = [("Active", "is_active__exact=1"), ("Deactivated", "is_active__exact=0")]
    search_fields = ["username", "first_name", "last_name", "email"]
    ordering = ["username"]
    inlines = [TeamsInline]
    fieldsets = [
        (None, {"fields": [("first_name", "last_name"), ("username", "email"), "timezone"]}),
        ("Account", {"fields": [("may", "active", "last_seen")]}),
    ]
    readonly_fields = ["may", "active", "last_seen"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.is_active and user.may_manage)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        memberships = Membership.objects.select_related("team").order_by("team__name")
        return super().get_queryset(request).prefetch_related(Prefetch("memberships", memberships))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Adding a person is inviting one."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        actor: Any = request.user
        asked = request.POST if request.method == "POST" else None
        form = InviteForm(asked, initial=request.GET.dict(), user=actor)
        if form.is_valid():
            try:
                invited = services.invite_person(**form.cleaned_data, actor=actor)
            except DomainError as error:
                form.add_error(error.field if error.field in form.fields else None, error.message)
            else:
                messages.success(request, _what_became(invited.user, {"link": invited.link}))
                return redirect(self.page_url(invited.user))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Invite a person",
            "verb": {"label": "Invite a person", "hint": INVITING},
            "form": form,
            "back": reverse("admin:incidents_user_changelist"),
        }
        return TemplateResponse(request, "admin/house/verb.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        extra = {**(extra_context or {}), "show_save_and_add_another": False}
        return super().change_view(request, object_id, form_url, extra)

    @display(description="Name", ordering="first_name")
    def name(self, user: User) -> str:
        return user.get_full_name()

    @display(description="Teams")
    def teams(self, user: User) -> str:
        held = [f"{one.team} ({one.get_role_display().lower()})" for one in user.memberships.all()]
        return ", ".join(held) or "none"

    @display(description="Beyond the teams", ordering="is_superuser")
    def may(self, user: User) -> str:
        return "–" if user.access == Access.MEMBER else user.access.label

    @display(description="Active", ordering="is_active", boolean=True)
    def active(self, user: User) -> bool:
        return user.is_active

    @display(description="Last login", ordering="last_login")
    def last_seen(self, user: User) -> str:
        if user.last_login is None:
            return "never" if user.has_usable_password() else "invited, not here yet"
        return f"{timezone.localtime(user.last_login):%a %d %b %Y %H:%M %Z}"


@admin.register(LoginAttempt)
class LoginAttemptAdmin(HouseAdmin):
    """Who guesses passwords, as far as one can tell; for administrators."""

    list_display = ["at", "address", "known_device"]
    ordering = ["-at"]
    search_fields = ["address"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    @display(description="Known device", boolean=True)
    def known_device(self, attempt: LoginAttempt) -> bool:
        return bool(attempt.device)


# --- Verbs ----------------------------------------------------------------------------------------

INVITING = (
    "They get a link by which they choose a password. Where no mail server is set up, the link is "
    "shown to you once, to be handed over."
)


class AccessForm(VerbForm):
    access = forms.ChoiceField(label="What may they do?", choices=ACCESS_EXPLAINED)

    def prepare(self) -> None:
        self.initial["access"] = self.subject.access


def _what_became(user: User, facts: dict[str, Any]) -> str:
    if facts["link"] is None:
        return f"A link is on its way to {user.email}."
    return render_to_string("admin/people/link.html", {"user": user, "link": facts["link"]})


def _send_link(user: User, actor: User, facts: dict[str, Any]) -> None:
    facts["link"] = services.send_link(user, actor=actor)


def _reactivate(user: User, actor: User, facts: dict[str, Any]) -> None:
    facts["link"] = services.reactivate_person(user, actor=actor).link


def _administrates(actor: User, user: User) -> bool:
    return actor.is_superuser and actor.pk != user.pk


offer(
    "incidents.user",
    Verb(
        "invite-again",
        "Invite again",
        _send_link,
        may=services.may_invite_again,
        when=lambda user: user.is_active and user.last_login is None,
        done=_what_became,
        hint="A new link is made. The older one works as long as neither has been used.",
        order=10,
    ),
    Verb(
        "password-link",
        "Send a link to set a new password",
        _send_link,
        may=_administrates,
        when=lambda user: user.is_active and user.last_login is not None,
        done=_what_became,
        hint="The present password works until the link has been used.",
        order=20,
    ),
    Verb(
        "set-access",
        "Change what they may do",
        lambda user, actor, facts: services.set_access(user, access=facts["access"], actor=actor),
        AccessForm,
        may=lambda actor, _user: actor.is_superuser,
        when=lambda user: user.is_active,
        done=lambda user, _facts: f"{user}: {user.access.label}.",
        hint="Roles in teams are given on the team's page.",
        order=30,
    ),
    Verb(
        "deactivate",
        "Deactivate",
        lambda user, actor, _facts: services.deactivate_person(user, actor=actor),
        may=_administrates,
        when=lambda user: user.is_active,
        done=lambda user, _facts: f"{user} is shut out, and nothing is sent to them any more.",
        hint="Their sessions end at once, their API tokens are revoked, and nobody pages them. "
        "What they hold in open incidents is given back, so that others are paged. Their name "
        "stays in the history.",
        group="more",
        grave=True,
        order=90,
    ),
    Verb(
        "reactivate",
        "Reactivate",
        _reactivate,
        may=_administrates,
        when=lambda user: not user.is_active,
        done=_what_became,
        hint="They get a link to choose a new password. Their roles in teams are as they were; "
        "API tokens have to be made anew.",
        order=90,
    ),
)


# --- Panels ---------------------------------------------------------------------------------------


def _tokens(request: HttpRequest, user: User) -> panels.Panel | None:
    """For the owner and administrators."""
    viewer: Any = request.user
    if not (viewer.is_superuser or viewer.pk == user.pk):
        return None
    tokens = ApiToken.objects.usable(clock.now()).filter(user=user).order_by("-pk")
    html = render_to_string("admin/people/tokens.html", {"tokens": tokens})
    return panels.Panel("API tokens", html)


def _what_follows(request: HttpRequest, user: User) -> panels.Panel:
    """What deactivating this person does to open incidents; private ones are only counted."""
    viewer: Any = request.user
    held, roles = services.incidents_held_by(user), services.roles_held_by(user)
    concerned = {incident.pk for incident in held} | {role.incident_id for role in roles}
    seen = set(
        Incident.objects.visible_to(viewer).filter(pk__in=concerned).values_list("pk", flat=True)
    )
    context = {
        "held": [incident for incident in held if incident.pk in seen],
        "roles": [role for role in roles if role.incident_id in seen],
        "hidden": len(concerned - seen),
        "tokens": ApiToken.objects.usable(clock.now()).filter(user=user).count(),
        "any": bool(concerned),
    }
    html = render_to_string("admin/people/what_follows.html", context)
    return panels.Panel("What follows", html)


panels.register("user", _tokens, order=90)
panels.register("user.deactivate", _what_follows, order=10)
