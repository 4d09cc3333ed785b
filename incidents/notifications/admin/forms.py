"""What is asked about addresses: forms of contact methods and of the last resort."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings

from incidents.core.adminsite import VerbForm
from incidents.core.errors import DomainError
from incidents.notifications import pocket, services
from incidents.notifications.addresses import kinds
from incidents.notifications.models import ContactMethod, NotificationRule, Urgency

MINUTES = [0, 1, 2, 5, 10, 15, 30]


class AddressForm(forms.ModelForm):
    """Refuses addresses to which nothing could ever be sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind: Any = self.fields.get("kind")
        if kind is not None:
            kind.choices = kinds(keep=self.instance.kind)
            if not settings.SMTP_HOST:
                kind.help_text = "E-mail can be chosen as soon as a mail server is set up."
        if "address" in self.fields:
            self.fields["address"].help_text = (
                "An e-mail address, the https:// address of a webhook, or an Apprise URL such as "
                "ntfys://ntfy.sh/topic"
            )

    def clean(self) -> dict[str, Any]:
        facts: dict[str, Any] = super().clean() or {}
        if "kind" in facts and "address" in facts:
            try:
                facts["address"] = services.check_address(facts["kind"], facts["address"])
            except DomainError as error:
                self.add_error("address", error.message)
        return facts


class CodeForm(VerbForm):
    code = forms.CharField(max_length=20, help_text="As it was sent to this address.")


class RulesForm(VerbForm):
    """One field per address of the person: after how long a page goes there, if at all."""

    def prepare(self) -> None:
        person = self.subject.user
        self.methods = [way.method for way in pocket.ways_of(person) if way.used]
        stored = NotificationRule.objects.filter(user=person, urgency=Urgency.PAGE)
        delays = {rule.contact_method_id: rule.delay for rule in stored}
        if not delays and self.methods:
            delays = {self.methods[0].pk: timedelta()}
        known = {timedelta(minutes=minutes) for minutes in MINUTES} | set(delays.values())
        choices = [("", pocket.when(None))]
        choices += [(_seconds(delay), pocket.when(delay)) for delay in sorted(known)]
        for method in self.methods:
            delay = delays.get(method.pk)
            self.fields[_field(method)] = forms.ChoiceField(
                label=str(method),
                choices=choices,
                required=False,
                initial="" if delay is None else _seconds(delay),
            )

    def clean(self) -> dict[str, Any]:
        facts = super().clean() or self.cleaned_data
        given = [(method, facts.get(_field(method))) for method in self.methods]
        rules = [(method, timedelta(seconds=int(delay))) for method, delay in given if delay]
        return {"rules": rules}


def _field(method: ContactMethod) -> str:
    return f"method_{method.pk}"


def _seconds(delay: timedelta) -> str:
    return str(round(delay.total_seconds()))
