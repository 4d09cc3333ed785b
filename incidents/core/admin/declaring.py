"""Declaring an incident by a form, in the admin and on a phone."""

import json
import uuid
from typing import Any

from django import forms
from django.forms.widgets import Script

from incidents.core import services
from incidents.core.admin.forms import text_field
from incidents.core.adminsite import VerbForm
from incidents.core.errors import DomainError
from incidents.core.models import Incident, RunbookRevision, Service, Severity, User, digest_of
from incidents.core.section import of as section_of


class DeclareForm(VerbForm):
    class Media:
        js = [Script("tocsin/declaring.js", defer=True)]

    # Pressed twice, it declares one: the key is made with the page.
    once = forms.CharField(
        max_length=36, required=False, widget=forms.HiddenInput, initial=uuid.uuid4
    )
    title = forms.CharField(max_length=300)
    service = forms.ModelChoiceField(Service.objects.filter(is_active=True).order_by("name"))
    incident_type = forms.ChoiceField(label="Type", required=False)
    severity = forms.ChoiceField(
        choices=[("", "As its type, else its service, has it"), *Severity.choices], required=False
    )
    description = text_field("What is known", required=False)

    def prepare(self) -> None:
        """The types of every runbook that a service follows, a group for each.

        A script leaves only those of the chosen service.
        """
        known: Any = self.fields["service"]
        revisions = services.revisions_of(known.queryset.select_related("team"))
        books = {revision.slug: revision for revision in revisions.values()}
        groups = [
            (book.title, _types_of(book)) for book in books.values() if section_of(book).types
        ]
        if not groups:
            del self.fields["incident_type"]
            return
        field: Any = self.fields["incident_type"]
        field.choices = [("", "Not known"), *groups]
        of_services = {pk: revision.slug for pk, revision in revisions.items()}
        field.widget.attrs["data-of-services"] = json.dumps(of_services)

    def clean(self) -> dict[str, Any]:
        facts = super().clean() or {}
        book, _, incident_type = facts.get("incident_type", "").partition(":")
        facts["incident_type"] = incident_type
        service = facts.get("service")
        if not (service and incident_type):
            return facts
        own = services.revision_for(service)
        try:
            if book != own.slug and incident_type in section_of(own).types:
                raise DomainError(f"Choose the one of “{own.title}”, which {service} follows.")
            services.check_type(
                service, incident_type=incident_type, severity=facts.get("severity")
            )
        except DomainError as error:
            self.add_error(error.field or "incident_type", error.message)
        return facts


def _types_of(book: RunbookRevision) -> list[tuple[str, str]]:
    """Two runbooks may know the same name: each choice says of which it is."""
    section = section_of(book)
    called = {severity: plan.name for severity, plan in section.severities.items()}
    return [
        (f"{book.slug}:{name}", f"{one.title} ({called.get(one.severity) or one.severity})")
        for name, one in section.types.items()
    ]


class DeclareAnyForm(DeclareForm):
    """With room for an audience, which a private incident needs."""

    is_private = forms.BooleanField(label="Private: only its audience sees it", required=False)
    audience = forms.ModelMultipleChoiceField(
        User.objects.filter(is_active=True).order_by("username"), required=False
    )


def declare(user: User, facts: dict[str, Any], *, via: str = "admin") -> Incident:
    """The same form sent twice declares one; gone back and corrected, it declares another."""
    is_private = facts.get("is_private", False)
    told = [
        *(facts["title"], facts["service"].pk, facts["incident_type"], facts["severity"]),
        is_private,
    ]
    incident, _is_new = services.declare_once(
        key=f"{facts['once'] or uuid.uuid4()} {digest_of(repr(told))}",
        request={},
        title=facts["title"],
        service=facts["service"],
        severity=facts["severity"] or None,
        incident_type=facts["incident_type"],
        description=facts["description"],
        is_private=is_private,
        audience=[*facts["audience"], user] if is_private else [],
        actor=user,
        via=via,
    )
    return incident
