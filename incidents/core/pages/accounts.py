"""Getting in and out: one door for responders and managers, invitations, forgotten passwords."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.contrib.auth.views import LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from incidents.core import services
from incidents.core.errors import DomainError
from incidents.core.models import User, zone_choices
from incidents.core.services import throttle
from incidents.core.visitors import know_device, visitor_of

BACKEND = "django.contrib.auth.backends.ModelBackend"
PASSWORDS = ("password", "old_password", "new_password1", "new_password2")


def _door(view: Callable[..., HttpResponse]) -> Any:
    """A page that takes a secret: kept nowhere, and shut for a while after too many guesses."""

    @sensitive_post_parameters(*PASSWORDS)
    @never_cache
    @require_http_methods(["GET", "HEAD", "POST"])
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except throttle.TooMany as error:
            answer = render(request, "pocket/too_many.html", {"error": error}, status=429)
            answer["Retry-After"] = str(int(error.wait.total_seconds()) + 1)
            return answer

    return guarded


# --- Logging in and out ---------------------------------------------------------------------------


class LoginForm(AuthenticationForm):
    """Username or e-mail address, and password; raises TooMany instead of looking at the latter."""

    username = forms.CharField(
        label="Username or e-mail",
        max_length=254,
        widget=forms.TextInput(
            attrs={"autofocus": True, "autocapitalize": "none", "autocomplete": "username"}
        ),
    )
    error_messages = {
        "invalid_login": "This is not the right password, or there is no such person. "
        "Mind capital letters.",
    }

    def clean(self) -> dict[str, Any]:
        facts = self.cleaned_data
        typed, password = facts.get("username"), facts.get("password")
        if typed and password and self.request is not None:
            known = services.person_called(typed)
            attempt = throttle.begin_attempt(visitor_of(self.request, known, typed))
            username = known.username if known else typed
            self.user_cache = authenticate(self.request, username=username, password=password)
            if self.user_cache is None:
                raise self.get_invalid_login_error()
            throttle.forgive(attempt)
        return facts


@_door
def log_in(request: HttpRequest) -> HttpResponse:
    target = _safe_target(request)
    if request.user.is_authenticated:
        return _onward(request, target)
    form = LoginForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        user: Any = form.get_user()
        return _enter(request, user, target)
    return render(request, "pocket/login.html", {"form": form, "next": target})


def _safe_target(request: HttpRequest) -> str:
    """Where the person was going; never to another host."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    # redirect() would take a word without a slash for the name of a page.
    return target if safe and "/" in target else ""


def _onward(request: HttpRequest, target: str) -> HttpResponse:
    """To the target; but who may not open the admin is told so, instead of sent to and fro."""
    user: Any = request.user
    if target.startswith(reverse("admin:index")) and not user.opens_admin:
        return render(request, "pocket/no_admin.html", status=403)
    return redirect(target or "front")


def _enter(request: HttpRequest, user: User, target: str) -> HttpResponse:
    """Begin a session of its own, and remember that this browser has been here."""
    login(request, user, backend=BACKEND)
    answer = _onward(request, target)
    know_device(request, answer, user)
    return answer


@method_decorator(never_cache, name="dispatch")
class Logout(LogoutView):
    """By POST only: a picture on another page must not log anybody out."""

    next_page = "login"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer = super().post(request, *args, **kwargs)
        messages.success(request, "You are logged out.")
        return answer


# --- Links: invitations and forgotten passwords ---------------------------------------------------


class WelcomeForm(SetPasswordForm):
    """The first time, the zone is chosen too."""

    timezone = forms.ChoiceField(
        label="Your time zone", choices=zone_choices, help_text="All times are shown in it."
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields["new_password1"].help_text = "At least 12 characters; a short sentence is fine."
        self.fields["new_password2"].label = "The same again"
        self.fields["new_password2"].help_text = ""
        if user.last_login is None:
            self.initial["timezone"] = user.timezone
        else:
            del self.fields["timezone"]


@_door
def welcome(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """Set a password by a link. Looking at it changes nothing: scanners of mail look, too."""
    holder = services.holder_of_link(uidb64, token)
    if holder is None:
        return render(request, "pocket/welcome_void.html", status=410)
    is_new = holder.last_login is None
    form: Any = WelcomeForm(holder, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            facts = form.cleaned_data
            user = services.accept_link(
                holder,
                token=token,
                password=facts["new_password1"],
                timezone=facts.get("timezone"),
            )
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            answer = _enter(request, user, resolve_url("profile") if is_new else "")
            told = "Say here how you can be reached." if is_new else "Your password is set."
            messages.success(request, f"Welcome to Tocsin. {told}" if is_new else told)
            return answer
    context = {"form": form, "person": holder, "is_new": is_new}
    return render(request, "pocket/welcome.html", context)


class ForgottenForm(forms.Form):
    who = forms.CharField(
        label="Username or e-mail",
        max_length=254,
        widget=forms.TextInput(
            attrs={"autofocus": True, "autocapitalize": "none", "autocomplete": "username"}
        ),
    )


@_door
def forgotten(request: HttpRequest) -> HttpResponse:
    """Have a link mailed. The answer is the same whether there is such a person or not."""
    form = ForgottenForm(request.POST or None)
    asked = request.method == "POST" and form.is_valid()
    if asked:
        typed = form.cleaned_data["who"]
        known = services.person_called(typed)
        if throttle.count_letter(visitor_of(request, known, typed)) and known and known.is_active:
            services.send_link(known, actor=None)
    context = {"form": form, "asked": asked, "mails": bool(settings.SMTP_HOST)}
    return render(request, "pocket/forgotten.html", context)


# --- One's own password ---------------------------------------------------------------------------


class PasswordForm(SetPasswordForm):
    old_password = forms.CharField(
        label="Your password now",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    field_order = ["old_password", "new_password1", "new_password2"]

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request.user, *args, **kwargs)
        self.request = request
        self.fields["new_password1"].help_text = "At least 12 characters; a short sentence is fine."
        self.fields["new_password2"].label = "The same again"
        self.fields["new_password2"].help_text = ""

    def clean_old_password(self) -> str:
        """Somebody at an unlocked phone must not be able to guess it here."""
        attempt = throttle.begin_attempt(visitor_of(self.request, self.user))
        if not self.user.check_password(self.cleaned_data["old_password"]):
            raise forms.ValidationError("This is not your password.")
        throttle.forgive(attempt)
        return self.cleaned_data["old_password"]


@login_required
@_door
def password(request: HttpRequest) -> HttpResponse:
    """Change one's own password; every other session ends."""
    form: Any = PasswordForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        user: Any = request.user
        try:
            changed = services.change_password(user, password=form.cleaned_data["new_password1"])
        except DomainError as error:
            form.add_error("new_password2", error.message)
        else:
            update_session_auth_hash(request, changed)
            messages.success(request, "Your password is changed. Other sessions have ended.")
            return redirect("profile")
    return render(request, "pocket/password.html", {"here": "profile", "form": form})
