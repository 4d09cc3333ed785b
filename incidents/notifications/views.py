"""A person's own addresses: adding, proving, ordering."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from incidents.core.errors import DomainError
from incidents.notifications import pocket, services
from incidents.notifications.addresses import kinds
from incidents.notifications.models import ContactMethod, Delivery, NotificationRule, Urgency

MINUTES = [0, 1, 2, 5, 10, 15, 30]


class AddForm(forms.Form):
    kind = forms.ChoiceField(label="How?")
    address = forms.CharField(
        max_length=500,
        widget=forms.TextInput({"autocapitalize": "none", "autocomplete": "off"}),
        label="Address",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind: Any = self.fields["kind"]
        kind.choices = kinds()
        if not settings.SMTP_HOST:
            kind.help_text = "E-mail can be chosen as soon as a mail server is set up."


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=20,
        label="The code that was sent",
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )


class RulesForm(forms.Form):
    """One field per address: after how many seconds it is used, or only when the others fail."""

    def __init__(
        self,
        *args: Any,
        methods: list[ContactMethod],
        delays: dict[int, timedelta],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.methods = methods
        known = {timedelta(minutes=minutes) for minutes in MINUTES} | set(delays.values())
        choices = [("", pocket.when(None))]
        choices += [(_seconds(delay), pocket.when(delay)) for delay in sorted(known)]
        for method in methods:
            self.fields[_field(method)] = forms.ChoiceField(
                label=str(method),
                choices=choices,
                required=False,
                initial=_seconds(delays[method.pk]) if method.pk in delays else "",
            )

    @property
    def rules(self) -> list[tuple[ContactMethod, timedelta]]:
        given = [(method, self.cleaned_data[_field(method)]) for method in self.methods]
        return [(method, timedelta(seconds=int(delay))) for method, delay in given if delay]


def _field(method: ContactMethod) -> str:
    return f"method_{method.pk}"


def _seconds(delay: timedelta) -> str:
    return str(round(delay.total_seconds()))


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Adding sends the code at once: there is nothing else to do with a new address."""
    user: Any = request.user
    form = AddForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            method = services.add_contact_method(user, **form.cleaned_data, actor=user)
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            if not method.is_verified:
                _try_to_send_code(request, method)
            if method.secret:  # in this answer and nowhere else
                context = {"here": "profile", "method": method}
                return render(request, "notifications/secret.html", context)
            return redirect("contacts-method", method.pk)
    return render(request, "notifications/add.html", {"here": "profile", "form": form})


@login_required
@require_safe
def method(request: HttpRequest, pk: int) -> HttpResponse:
    """One address: whether it is proven, and what became of what was sent there."""
    return _show(request, _own(request, pk), CodeForm())


@login_required
@require_POST
def verify(request: HttpRequest, pk: int) -> HttpResponse:
    user: Any = request.user
    found, form = _own(request, pk), CodeForm(request.POST)
    if form.is_valid():
        try:
            services.verify(found, code=form.cleaned_data["code"], actor=user)
        except DomainError as error:
            form.add_error("code", error.message)
        else:
            messages.success(request, "Verified. From now on pages may go there.")
            return redirect("profile")
    return _show(request, found, form, status=400)


@login_required
@require_POST
def do(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """What needs nothing but a press."""
    user: Any = request.user
    found = _own(request, pk)
    if verb == "send-code":
        _try_to_send_code(request, found)
    elif verb == "test":
        services.send_test(found, actor=user)
        messages.info(request, "A test message is on its way; see below what becomes of it.")
    elif verb == "first":
        services.put_first(found, actor=user)
        messages.success(request, f"{found} comes first now.")
        return redirect("profile")
    else:
        services.remove_contact_method(found, actor=user)
        messages.success(request, f"{found} is no longer used.")
        return redirect("profile")
    return redirect("contacts-method", pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: HttpRequest) -> HttpResponse:
    """When a page goes to which address."""
    user: Any = request.user
    methods = [way.method for way in pocket.ways_of(user) if way.used]
    stored = NotificationRule.objects.filter(user=user, urgency=Urgency.PAGE)
    delays = {rule.contact_method_id: rule.delay for rule in stored}
    if not delays and methods:
        delays = {methods[0].pk: timedelta(0)}
    form = RulesForm(request.POST or None, methods=methods, delays=delays)
    if request.method == "POST" and form.is_valid():
        try:
            services.set_rules(user, urgency=Urgency.PAGE, rules=form.rules, actor=user)
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Your pages follow these rules from now on.")
            return redirect("profile")
    context = {"here": "profile", "form": form, "methods": methods}
    return render(request, "notifications/rules.html", context)


def _own(request: HttpRequest, pk: int) -> ContactMethod:
    user: Any = request.user
    return get_object_or_404(ContactMethod, pk=pk, user=user, is_active=True)


def _show(
    request: HttpRequest, found: ContactMethod, form: CodeForm, *, status: int = 200
) -> HttpResponse:
    sent = Delivery.objects.filter(contact_method=found, incident=None).order_by("-created_at")
    way = next((way for way in pocket.ways_of(found.user) if way.method == found), None)
    context = {
        "here": "profile",
        "method": found,
        "used": way.used if way else "",
        "form": form,
        "sent": sent[:5],
    }
    part = request.headers.get("X-Requested-With") == "live"
    template = "notifications/sent.html" if part else "notifications/method.html"
    return render(request, template, context, status=status)


def _try_to_send_code(request: HttpRequest, found: ContactMethod) -> None:
    user: Any = request.user
    try:
        services.send_verification(found, actor=user)
    except DomainError as error:
        messages.warning(request, error.message)
    else:
        messages.info(request, f"A code is on its way to {found}. Enter it here.")
