"""Admin pages of contact methods: where people are reached, when, and what became of it."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from unfold.decorators import display

from incidents.core import panels
from incidents.core.adminsite import HouseAdmin, Verb, offer
from incidents.core.models import User
from incidents.notifications import pocket, services
from incidents.notifications.admin.deliveries import fate_of
from incidents.notifications.admin.filters import KindFilter
from incidents.notifications.admin.forms import AddressForm, CodeForm, RulesForm
from incidents.notifications.models import ContactMethod, Delivery, Urgency

SHOWN = 10


@admin.register(ContactMethod)
class ContactMethodAdmin(HouseAdmin):
    """Where people can be reached. Added here or by the API; changed by verbs."""

    editable_by = "administrators"
    list_display = ["user", "kind", "masked_address", "position", "verified", "is_active"]
    list_filter = [("kind", KindFilter), "is_active"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__first_name", "user__last_name"]
    ordering = ["user", "position"]
    form = AddressForm
    quick_views = [
        ("Not verified", "verified_at__isnull=True&is_active__exact=1"),
        ("In use", "verified_at__isnull=False&is_active__exact=1"),
        ("Removed", "is_active__exact=0"),
    ]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            whose = ["user"] if request.user.is_superuser else []
            return [*whose, "kind", "address"]
        return ["user", "kind", "masked_address", "position", "verified_at", "is_active"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["masked_address", "verified_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Everybody who may log in adds their own, administrators anybody's."""
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Adding is the verb, which also knows an address that was there before."""
        actor: Any = request.user
        owner = form.cleaned_data.get("user", actor)
        added = services.add_contact_method(owner, kind=obj.kind, address=obj.address, actor=actor)
        obj.pk = added.pk
        obj.refresh_from_db()
        if added.secret:
            messages.warning(
                request,
                "Requests to it are signed (Standard Webhooks). Copy the secret now, it is not "
                f"shown again: {added.secret}",
            )

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        if not obj.is_verified:
            messages.info(request, "It is used as soon as it is verified: send a code to it.")
        return redirect("admin:notifications_contactmethod_change", obj.pk)

    @display(description="Address")
    def masked_address(self, method: ContactMethod) -> str:
        return method.masked_address

    @display(description="Verified", boolean=True)
    def verified(self, method: ContactMethod) -> bool:
        return method.is_verified


def _is_own_or_administrator(user: User, method: ContactMethod) -> bool:
    return user.is_superuser or method.user_id == user.pk


def _is_first(method: ContactMethod) -> bool:
    others = ContactMethod.objects.filter(user=method.user_id, is_active=True)
    return others.order_by("position", "pk").values_list("pk", flat=True).first() == method.pk


offer(
    "notifications.contactmethod",
    Verb(
        "send-verification",
        "Send a verification code",
        lambda method, actor, _: services.send_verification(method, actor=actor),
        may=_is_own_or_administrator,
        when=lambda method: method.is_active and not method.is_verified,
        ask=False,
        done="A code is on its way. It is good for 30 minutes.",
        order=10,
    ),
    Verb(
        "verify",
        "Enter the code",
        lambda method, actor, facts: services.verify(method, code=facts["code"], actor=actor),
        form=CodeForm,
        may=_is_own_or_administrator,
        when=lambda method: bool(method.verification_digest),
        done="It is verified: from now on pages may go there.",
        order=20,
    ),
    Verb(
        "vouch",
        "Vouch for it without a code",
        lambda method, actor, _: services.vouch_for(method, actor=actor),
        may=lambda user, _method: user.is_superuser,
        when=lambda method: method.is_active and not method.is_verified,
        grave=True,
        hint="You say that this person reads what arrives there, so that no code is needed. If "
        "that is wrong, pages go where nobody looks: try it with a test message.",
        done="It is vouched for: from now on pages may go there.",
        order=30,
    ),
    Verb(
        "send-test",
        "Send a test message",
        lambda method, actor, _: services.send_test(method, actor=actor),
        may=_is_own_or_administrator,
        when=lambda method: method.is_active,
        ask=False,
        done="A test message is on its way; what becomes of it is shown on this page.",
        order=40,
    ),
    Verb(
        "put-first",
        "Use it first",
        lambda method, actor, _: services.put_first(method, actor=actor),
        may=_is_own_or_administrator,
        when=lambda method: method.is_active and not _is_first(method),
        ask=False,
        done=lambda method, _: f"{method} is used before the other addresses.",
        order=50,
    ),
    Verb(
        "rules",
        "When pages go where",
        lambda method, actor, facts: services.set_rules(
            method.user, urgency=Urgency.PAGE, rules=facts["rules"], actor=actor
        ),
        form=RulesForm,
        may=_is_own_or_administrator,
        when=lambda method: method.is_active and method.is_verified,
        hint="For all verified addresses of this person. One is used at once; the later ones only "
        "while nobody has acknowledged.",
        done=lambda method, _: f"Pages to {method.user} follow these rules from now on.",
        order=60,
    ),
    Verb(
        "remove",
        "Remove",
        lambda method, actor, _: services.remove_contact_method(method, actor=actor),
        may=_is_own_or_administrator,
        when=lambda method: method.is_active,
        group="more",
        grave=True,
        hint="It is no longer used; what waits for it goes to another address of this person.",
        done="It is no longer used.",
        order=90,
    ),
)


def _reached(_request: HttpRequest, method: ContactMethod) -> panels.Panel:
    """All addresses of the person, and when a page goes to each."""
    context = {"ways": pocket.ways_of(method.user), "method": method}
    html = render_to_string("notifications/admin_ways.html", context)
    return panels.Panel(f"How pages reach {method.user}", html)


def _sent(request: HttpRequest, method: ContactMethod) -> panels.Panel | None:
    user: Any = request.user
    newest = Delivery.objects.visible_to(user).filter(contact_method=method).order_by("-created_at")
    rows: list[Any] = list(newest[:SHOWN])
    for row in rows:
        row.fate = fate_of(row)
    if not rows:
        return None
    html = render_to_string("notifications/admin_sent.html", {"deliveries": rows})
    return panels.Panel("The last messages there", html)


panels.register("contactmethod", _reached, order=10)
panels.register("contactmethod", _sent, order=20)
