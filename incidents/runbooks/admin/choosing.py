"""Choosing a runbook: for the organisation, or for a team by its managers."""

from typing import Any

from django import forms

from incidents.core.adminsite import Verb, VerbForm, offer
from incidents.core.models import RunbookRevision
from incidents.runbooks import services


class ChooseForm(VerbForm):
    runbook = forms.ChoiceField(
        widget=forms.RadioSelect, label="Runbook", help_text="It can be changed at any time."
    )

    def prepare(self) -> None:
        field: Any = self.fields["runbook"]
        field.choices = services.choices()
        field.initial = self.initial.get("runbook") or self.subject.runbook or services.BUILT_IN

    def present(self) -> dict[str, object]:
        return {"runbook": dict(services.choices()).get(self.subject.runbook, "")}


def _title(facts: dict[str, Any]) -> str:
    revision = RunbookRevision.objects.current(facts["runbook"])
    return revision.title if revision else facts["runbook"]


offer(
    "incidents.organisation",
    Verb(
        "runbook",
        "Choose a runbook",
        lambda _home, actor, facts: services.adopt(facts["runbook"], actor=actor, by_default=True),
        form=ChooseForm,
        may=lambda user, _home: user.is_superuser,
        hint="What severities mean, how soon which step is due, who is called, what is to be done. "
        "New incidents begin under it; open ones keep theirs. Teams and services may choose "
        "another.",
        done=lambda _home, facts: f"New incidents begin under “{_title(facts)}”.",
    ),
)
offer(
    "incidents.team",
    Verb(
        "runbook",
        "Choose its runbook",
        lambda team, actor, facts: services.adopt(facts["runbook"], actor=actor, team=team),
        form=ChooseForm,
        may=lambda user, team: user.manages(team.pk),
        order=60,
        group="more",
        hint="New incidents of the team's services begin under it; open ones keep theirs. Where "
        "the team has no escalation policy yet, the runbook's becomes its own.",
        done=lambda team, facts: f"New incidents of {team} begin under “{_title(facts)}”.",
    ),
)
