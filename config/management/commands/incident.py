import getpass
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser

from incidents.comms import services as comms
from incidents.core import services as core
from incidents.core.errors import DomainError, Refused
from incidents.core.models import Incident, Service, Severity, User
from incidents.core.records import NotARecord
from incidents.runbooks import loading

VIA = "terminal"
ANSWERS = ["root_cause", "resolution", "suspected_cause", "mitigation", "override_reason"]
EXAMPLES = {
    "start": 'manage.py incident start --service checkout --title "Database down" --severity SEV1',
    "acknowledge": "manage.py incident acknowledge --id INC-2026-03-02-001 --by bob",
    "update": 'manage.py incident update --id INC-2026-03-02-001 --by bob --status "Disk is full"',
    "resolve": 'manage.py incident resolve --id INC-2026-03-02-001 --by bob --root-cause "A leak"',
    "report": "manage.py incident report --id INC-2026-03-02-001",
    "export": "manage.py incident export --id INC-2026-03-02-001 --to outage.yaml",
    "import": "manage.py incident import outage.yaml --service checkout",
}
ABOUT = {
    "start": "Declare an incident; whoever is on call is paged.",
    "acknowledge": "Take it on; nobody is paged any further.",
    "update": "Tell those who want to know how it stands.",
    "resolve": "It is over. What its runbook asks for and nobody has said is listed.",
    "report": "All that is known of it, as YAML.",
    "export": "The same, into a file that `import` takes.",
    "import": "Take in an incident of the past: nobody is paged, nothing is due.\n"
    "The same file again changes nothing.",
}


class Command(BaseCommand):
    help = "Incidents from the terminal. `manage.py incident VERB --help` says more.\n" + "\n".join(
        EXAMPLES.values()
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        made = {
            verb: verbs.add_parser(
                verb,
                help=about.splitlines()[0],
                description=f"{about}\nExample: {EXAMPLES[verb]}",
                formatter_class=RawDescriptionHelpFormatter,
            )
            for verb, about in ABOUT.items()
        }
        for verb in ["acknowledge", "update", "resolve", "report", "export"]:
            made[verb].add_argument("--id", required=True, metavar="REFERENCE", dest="reference")
        for verb in ["start", "acknowledge", "update", "resolve"]:
            made[verb].add_argument("--by", default="", metavar="USERNAME", help="who you are")
        self._arguments_of_start(made["start"])
        self._arguments_of_update(made["update"])
        for name in ANSWERS:
            text = f"--{name.replace('_', '-')}"
            made["resolve"].add_argument(text, default="", metavar="TEXT")
        kinds = Incident.MitigationKind.values
        made["resolve"].add_argument("--kind", default="", choices=kinds, help="of the mitigation")
        made["export"].add_argument("--to", metavar="FILE", help="default: the reference.yaml")
        made["import"].add_argument("file", metavar="FILE")
        made["import"].add_argument("--service", metavar="SLUG", help="where the file names none")

    def _arguments_of_start(self, parser: CommandParser) -> None:
        parser.add_argument("--service", required=True, metavar="SLUG")
        parser.add_argument("--title", required=True, metavar="TEXT")
        parser.add_argument("--severity", choices=Severity.values)
        parser.add_argument("--type", default="", metavar="SLUG", help="one that its runbook knows")
        parser.add_argument("--description", default="", metavar="TEXT")

    def _arguments_of_update(self, parser: CommandParser) -> None:
        parser.add_argument("--status", required=True, metavar="TEXT", help="what is known")
        for name in ["done", "next", "eta", "headline"]:
            parser.add_argument(f"--{name}", default="", metavar="TEXT")
        parser.add_argument("--audience", default="internal", choices=["internal", "external"])

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        try:
            getattr(self, f"_{verb}")(**options)
        except NotARecord as error:
            raise CommandError(
                "\n".join([f"{options['file']}: {line}" for line in error.lines])
            ) from None
        except Refused as error:
            head = (
                f"{options['reference']} cannot be resolved yet:" if error.unmet else error.message
            )
            raise CommandError("\n".join([head, *_listed(error)])) from None
        except DomainError as error:
            raise CommandError(error.message) from None

    def _start(self, *, service: str, title: str, by: str, **options: Any) -> None:
        chosen = _service(service)
        core.check_type(chosen, incident_type=options["type"], severity=options["severity"])
        incident = core.declare(
            title=title,
            service=chosen,
            severity=options["severity"],
            incident_type=options["type"],
            description=options["description"],
            actor=_person(by, needed=False),
            via=VIA,
        )
        self.stdout.write(f"{incident.reference} {incident.severity} {incident.title}")

    def _acknowledge(self, *, reference: str, by: str, **_options: Any) -> None:
        incident = core.acknowledge(_incident(reference), actor=_person(by), via=VIA)
        self.stdout.write(f"{incident.acknowledged_by} has {incident.reference}.")

    def _update(self, *, reference: str, by: str, status: str, **options: Any) -> None:
        facts = {name: options[name] for name in ["audience", "done", "next", "eta", "headline"]}
        incident = _incident(reference)
        comms.publish_update(incident, actor=_person(by), known=status, **facts)
        self.stdout.write(f"The {options['audience']} update on {reference} is published.")

    def _resolve(self, *, reference: str, by: str, **options: Any) -> None:
        facts = {name: options[name] for name in [*ANSWERS, "kind"]}
        incident = core.resolve(_incident(reference), actor=_person(by), **facts)
        self.stdout.write(f"{incident.reference} is resolved.")

    def _report(self, *, reference: str, **_options: Any) -> None:
        self.stdout.write(_as_yaml(_incident(reference)), ending="")

    def _export(self, *, reference: str, to: str | None, **_options: Any) -> None:
        text, path = _as_yaml(_incident(reference)), Path(to or f"{reference}.yaml")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise CommandError(f"{path} is there already; name another file.") from None
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
        self.stdout.write(f"{reference} is in {path}.")

    def _import(self, *, file: str, service: str | None, **_options: Any) -> None:
        try:
            document = loading.read_file(Path(file))
        except loading.NotReadable as error:
            raise CommandError(f"{file}: {error}") from None
        given = _service(service) if service else None
        incident, is_new = core.import_incident(document, actor=None, service=given)
        what = "is imported" if is_new else "was imported before; nothing changed"
        self.stdout.write(f"{incident.reference} {what}.")


def _incident(reference: str) -> Incident:
    found = Incident.objects.without_canary().with_context().filter(reference=reference).first()
    if found is None:
        raise CommandError(f"There is no incident {reference}.")
    return found


def _service(slug: str) -> Service:
    found = Service.objects.select_related("team").filter(slug=slug).first()
    if found is None:
        known = ", ".join(Service.objects.order_by("slug").values_list("slug", flat=True)[:20])
        raise CommandError(f"There is no service {slug!r}; there are: {known or 'none yet'}.")
    return found


def _person(username: str, *, needed: bool = True) -> Any:
    """Who is at the terminal: the one that was named, else whose name is that of the login."""
    wanted = username or getpass.getuser()
    found = User.objects.filter(username=wanted, is_active=True).first()
    if found is None and (needed or username):
        raise CommandError(f"There is no person {wanted!r}; say who you are: --by USERNAME.")
    if found is not None and not found.may_respond:
        raise CommandError(f"{found} is no responder of any team.")
    return found


def _as_yaml(incident: Incident) -> str:
    """Times are quoted, so that no reader takes 14:15 for a number."""
    document = core.export_incident(incident)
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100))


def _listed(error: Refused) -> list[str]:
    return [f"  - {criterion.message}" for criterion in error.unmet]
