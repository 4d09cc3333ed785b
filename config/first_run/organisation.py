"""What is set once for everybody: the organisation, its runbook, the server."""

from django.conf import settings
from django.urls import reverse

from config.first_run.facts import Facts
from config.first_run.steps import Step
from incidents.runbooks import services as runbooks


def home(facts: Facts) -> list[Step]:
    return [
        Step(
            name="Organisation and time zone",
            why="Working hours, holidays and the times in messages go by them.",
            missing="" if facts.is_named else "Give your organisation its name and its time zone.",
            url=reverse("admin:incidents_organisation_change", args=[1]),
            button="Name it",
            administrators_only=True,
        ),
        Step(
            name="Last resort",
            why="Somebody is told when nobody can be paged, so that no incident stays silent.",
            missing=""
            if facts.has["last_resort"] or settings.LAST_RESORT
            else "Add an address that needs no policy and no schedule, or set LAST_RESORT.",
            url=reverse("admin:notifications_lastresortaddress_add"),
            button="Add a last resort",
            administrators_only=True,
        ),
    ]


def runbook(facts: Facts) -> Step:
    # Who works with the built-in rules has decided; nobody is asked for ever.
    is_open = facts.organisation.runbook == runbooks.BUILT_IN and not facts.has["answer"]
    missing = "Choose one of the runbooks that come with Tocsin, or stay with the built-in rules."
    return Step(
        name="A runbook",
        why="It says what severities mean, who is called, what is done and by when.",
        missing=missing if is_open else "",
        url=reverse("admin:incidents_organisation_verb", args=[1, "runbook"]),
        button="Choose a runbook",
        is_optional=True,
        administrators_only=True,
    )


def ways(facts: Facts) -> list[Step]:
    """What only whoever runs the server can set; pages may go out without it, some other way."""
    mail = "Set SMTP_HOST (SMTP_USER, SMTP_PASSWORD)"
    mail += ": some are to be paged by e-mail." if facts.has["mail_contact"] else "."
    return [
        Step(
            name="Mail",
            why="Invitations and pages by e-mail need a mail server.",
            missing="" if settings.SMTP_HOST else mail,
            url="",
            button="",
            is_optional=True,
        ),
        Step(
            name="Public address",
            why="The links in pages lead there; without it, to this machine only.",
            missing=""
            if settings.PUBLIC_URL != settings.LOCAL_URL
            else "Set PUBLIC_URL to the address that people's phones can reach.",
            url="",
            button="",
            is_optional=True,
        ),
    ]
