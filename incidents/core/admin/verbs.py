"""The incident's verbs as buttons: which come next, what each says when it is done."""

from typing import Any

from incidents.core import plans, services
from incidents.core.admin import forms
from incidents.core.adminsite import Verb, offer
from incidents.core.criteria import following
from incidents.core.models import Incident, IncidentRole, Status, User
from incidents.core.section import CoreSection
from incidents.core.section import of as section_of
from incidents.core.services.facts import MILESTONES


def _next_is(status: Status) -> Any:
    return lambda incident: following(incident.status) == status


def _open(incident: Incident) -> bool:
    return incident.is_open


def _section(incident: Incident) -> CoreSection:
    return section_of(incident.revision)


def _is_held(incident: Incident) -> bool:
    return incident.is_open and incident.is_acknowledged


def _has_recovered(incident: Incident) -> bool:
    return incident.is_open and incident.recovered_at is not None


def _may_join(user: User, incident: Incident) -> bool:
    return user.may_respond and incident.acknowledged_by_id != user.pk


def _impact(incident: Incident, actor: User, facts: dict[str, Any]) -> Incident:
    """An empty field leaves it as it is."""
    given = {name: value for name, value in facts.items() if value not in ("", None)}
    return services.record_impact(incident, actor=actor, **given)


def _plain(verb: Any) -> Any:
    """A verb whose form has just the facts it takes."""
    return lambda incident, actor, facts: verb(incident, actor=actor, **facts)


def _acknowledge(incident: Incident, actor: User, _facts: dict[str, Any]) -> Incident:
    return services.acknowledge(incident, actor=actor, via="admin")


def _told_taken(incident: Incident, facts: dict[str, Any]) -> str:
    if incident.acknowledged_by_id == facts["actor"].pk:
        return "You have it."
    return f"You joined: {incident.acknowledged_by} has it."


def _told_role(_incident: Incident, facts: dict[str, Any]) -> str:
    title = IncidentRole(facts["role"]).label
    return f"{facts['user']} is {title.lower()} now." if facts["user"] else f"{title} is vacant."


offer(
    "incidents.incident",
    Verb(
        "acknowledge",
        "Acknowledge",
        _acknowledge,
        when=lambda incident: incident.is_open and not incident.is_acknowledged,
        order=10,
        group="next",
        done=_told_taken,
        ask=False,
        adds=True,
        instead="join",
    ),
    Verb(
        "identify",
        "Identified",
        _plain(services.identify),
        forms.IdentifyForm,
        when=_next_is(Status.IDENTIFIED),
        order=20,
        group="next",
        done="It is marked identified. Next: say what is being done about it.",
    ),
    Verb(
        "start-mitigating",
        "Start mitigating",
        _plain(services.start_mitigating),
        forms.MitigateForm,
        when=_next_is(Status.MITIGATING),
        order=21,
        group="next",
        done="It is being mitigated.",
    ),
    Verb(
        "mark-recovered",
        "It works again",
        _plain(services.mark_recovered),
        when=lambda incident: incident.is_open and incident.recovered_at is None,
        order=22,
        group="next",
        done="It works again. Watch it; then it can be resolved.",
        ask=False,
    ),
    Verb(
        "resolve",
        "Resolve",
        _plain(services.resolve),
        forms.ResolveForm,
        when=_open,
        order=23,
        group="next",
        done="It is resolved.",
    ),
    Verb(
        "relapse",
        "It broke again",
        _plain(services.relapse),
        when=_has_recovered,
        order=24,
        done="It is broken again; the time to watch it starts anew.",
        ask=False,
    ),
    Verb(
        "join",
        "Join",
        _acknowledge,
        may=_may_join,
        when=_is_held,
        order=25,
        done=_told_taken,
        ask=False,
        adds=True,
    ),
    Verb(
        "reopen",
        "Reopen",
        _plain(services.reopen),
        forms.ReasonForm,
        when=lambda incident: not incident.is_open,
        order=26,
        group="next",
        done="It is open again, and paging starts from the first level.",
        hint="It goes back to Investigating, nobody has it, and people are paged again.",
    ),
    # --- In places of their own on the page ---
    Verb(
        "note",
        "Add a note",
        _plain(services.note),
        forms.NoteForm,
        order=30,
        group="place",
        done="Your note is on the timeline.",
        adds=True,
    ),
    Verb(
        "assign-role",
        "Assign a role",
        _plain(services.assign_role),
        forms.RoleForm,
        when=_open,
        order=31,
        group="place",
        done=_told_role,
    ),
    Verb(
        "change-severity",
        "Change severity",
        _plain(services.change_severity),
        forms.SeverityForm,
        when=_open,
        order=33,
        group="place",
        done=lambda incident, _facts: f"Severity is {incident.severity} now.",
    ),
    Verb(
        "change-type",
        "Change type",
        _plain(services.change_type),
        forms.TypeForm,
        when=lambda incident: incident.is_open and bool(_section(incident).types),
        order=34,
        group="place",
        done=lambda incident, _facts: f"It is of the type “{plans.title_of_type(incident)}” now.",
        hint="It gets what its runbook asks for in such a case: checklist, procedure.",
    ),
    Verb(
        "follow-procedure",
        "Follow a procedure",
        _plain(services.follow_procedure),
        forms.ProcedureForm,
        when=lambda incident: incident.is_open and bool(_section(incident).procedures),
        order=35,
        group="place",
        done="Its steps are on the page.",
        adds=True,
    ),
    Verb(
        "tick",
        "Tick a to-do",
        lambda _incident, actor, facts: services.tick(facts["item"], actor=actor),
        forms.TickForm,
        order=36,
        group="place",
        done=lambda _incident, facts: f"Done: {facts['item']}",
        adds=True,
    ),
    Verb(
        "untick",
        "Untick a to-do",
        lambda _incident, actor, facts: services.untick(facts["item"], actor=actor),
        forms.UntickForm,
        order=37,
        group="place",
        done=lambda _incident, facts: f"To do again: {facts['item']}",
        adds=True,
    ),
    Verb(
        "correct-milestone",
        "Correct a milestone",
        _plain(services.correct_milestone),
        forms.MilestoneForm,
        may=forms.commands,
        order=60,
        group="place",
        done=lambda _incident, facts: f"“{MILESTONES[facts['milestone']]}” is corrected.",
        hint="The old value stays on the timeline.",
    ),
    Verb(
        "record-impact",
        "Record the impact",
        _impact,
        forms.ImpactForm,
        order=61,
        group="place",
        done="The impact is recorded.",
    ),
    Verb(
        "add-to-do",
        "Add a to-do",
        _plain(services.add_checklist_item),
        forms.ChecklistForm,
        when=_open,
        order=62,
        group="place",
        done="It is on the checklist.",
        adds=True,
    ),
    # --- The rare ones ---
    Verb(
        "snooze",
        "Snooze",
        _plain(services.snooze),
        forms.SnoozeForm,
        when=_open,
        order=70,
        group="more",
        done="It is quiet until then; afterwards people are paged again.",
        hint="Nobody is paged until then. Who says so has it, where nobody has.",
    ),
    Verb(
        "unacknowledge",
        "Give it back",
        _plain(services.unacknowledge),
        forms.ReasonForm,
        when=_is_held,
        order=71,
        group="more",
        done="Nobody has it any more, and paging starts again.",
        hint="Nobody has it any more then, and paging starts again.",
    ),
    Verb(
        "attest",
        "Attest its health",
        _plain(services.attest),
        forms.AttestForm,
        when=_open,
        order=72,
        group="more",
        done="What you attested is recorded.",
        hint="State what Tocsin cannot measure: since when which figure has held.",
        adds=True,
    ),
    Verb(
        "merge",
        "Merge into another",
        _plain(services.merge),
        forms.MergeForm,
        when=_open,
        order=73,
        group="more",
        done=lambda incident, _facts: f"It ended as a duplicate of {incident.duplicate_of}.",
        hint="This one ends as a duplicate; the other goes on.",
    ),
    Verb(
        "dismiss",
        "False alarm",
        _plain(services.dismiss),
        forms.ReasonForm,
        when=_open,
        order=74,
        group="more",
        done="It is closed as a false alarm.",
        hint="It ends now, and nobody is paged any further.",
    ),
)
