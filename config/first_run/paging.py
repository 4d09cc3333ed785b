"""From a monitor to a page: policy, service, source, and the proof that it works."""

from django.urls import reverse

from config.first_run.facts import Facts, uncovered_services
from config.first_run.steps import Step, link, names, verb_of
from incidents.core.models import Team
from incidents.escalation import services as escalation

PAGE_ME = "Page me now"


def policy(facts: Facts, team: Team | None, outlook: escalation.Outlook) -> Step:
    missing = ""
    url, button = reverse("admin:escalation_escalationpolicy_changelist"), "See the policies"
    if not facts.has["policy"]:
        missing = "Say who is asked next when the first one does not answer."
        if team:
            url, button = verb_of(team, "default-policy"), "Make a policy"
    elif facts.has["uncovered"]:
        bare = list(uncovered_services().select_related("team").order_by("name"))
        missing = f"No policy applies to {names(bare)}: assign one."
        url, button = verb_of(bare[0].team, "default-policy"), f"Make one for {bare[0].team}"
    elif outlook.holes:
        missing = f"{outlook.holes[0]} Change the level, or fill the gap."
        policy = outlook.holes[0].policy_id
        url = reverse("admin:escalation_escalationpolicy_change", args=[policy])
        button = "See the policy"
    return Step(
        name="An escalation policy",
        why="If somebody does not answer, the next one is asked, until somebody does.",
        missing=missing,
        url=url,
        button=button,
        is_told_by_ladders=facts.has["policy"] and not facts.has["uncovered"],
    )


def service(facts: Facts, team: Team | None) -> Step:
    return Step(
        name="A service",
        why="What can break; an incident is always about one, and its team answers.",
        missing="" if facts.has["service"] else "Add the first thing that people rely on.",
        url=link("admin:incidents_service_add", team=team.pk if team else ""),
        button="Add a service",
    )


def source(facts: Facts, team: Team | None) -> Step:
    return Step(
        name="A source of alerts",
        why="Your monitor reports here; a ready curl line comes with the key.",
        missing="" if facts.has["source"] else "Add your monitor and copy its key: shown once.",
        url=link("admin:alerts_source_add", team=team.pk if team else ""),
        button="Add a source",
    )


def page(facts: Facts) -> Step:
    return Step(
        name=PAGE_ME,
        why="The proof: an alert becomes an incident, the incident a page, and you answer it.",
        missing="" if facts.has["answer"] else "Have yourself paged, and acknowledge the page.",
        url=f"{reverse('admin:index')}#page-me",
        button="Page me now",
    )
