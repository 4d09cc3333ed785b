"""Declaring an incident from a phone: somebody saw it before the monitors did.

Private ones need an audience, and a larger screen: they are declared in the admin.
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from incidents.core.admin.declaring import DeclareForm
from incidents.core.admin.declaring import declare as declare_by_form
from incidents.core.errors import DomainError


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def declare(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    if not user.may_respond:
        raise PermissionDenied
    form = DeclareForm(request.POST or None, user=user)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                incident = declare_by_form(user, form.cleaned_data, via="phone")
            except DomainError as error:
                form.add_error(error.field if error.field in form.fields else None, error.message)
            else:
                messages.success(request, f"{incident.reference} is declared.")
                return redirect("incident", reference=incident.reference)
    context = {"here": "incidents", "form": form}
    return render(request, "pocket/declare.html", context, status=status)
