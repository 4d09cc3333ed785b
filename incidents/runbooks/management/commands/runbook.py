import json
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from incidents.core.errors import DomainError
from incidents.core.models import Organisation, RunbookRevision, Service, Team, User
from incidents.runbooks import document, reading, services
from incidents.runbooks.library import shipped
from incidents.runbooks.models import Upkeep

EXAMPLES = {
    "list": "manage.py runbook list",
    "show": "manage.py runbook show saas --yaml > mine.yaml",
    "validate": "manage.py runbook validate mine.yaml other.yaml",
    "diff": "manage.py runbook diff mine.yaml",
    "apply": "manage.py runbook apply mine.yaml --team payments",
    "reviewed": "manage.py runbook reviewed saas --by alice",
    "schema": "manage.py runbook schema > runbook.schema.json",
}
ABOUT = {
    "list": "What there is: the runbooks that come with Tocsin, and those that were applied.",
    "show": "A runbook as people read it, or as the file that it was made of.",
    "validate": "Whether files are runbooks. Exit code 1 where one is not; nothing is written.",
    "diff": "What applying a file, or a runbook that comes with Tocsin, would change.",
    "apply": "Make a file, or a runbook that comes with Tocsin, the current version of its slug.\n"
    "Open incidents keep the version that they began under. The same again changes nothing.",
    "reviewed": "A runbook was read, and is right: the next time is counted from now.",
    "schema": "The JSON Schema of the format, for editors.",
}
FIRST = ["format", "slug", "title", "summary", "origin", "owner", "review_cycle", "reference"]


class Command(BaseCommand):
    help = (
        "Runbooks: how a team responds, as a file. "
        "`manage.py runbook VERB --help` says more.\n" + "\n".join(EXAMPLES.values())
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
        made["show"].add_argument("name", help="slug of a runbook")
        made["show"].add_argument("--yaml", action="store_true", help="as a file")
        made["validate"].add_argument("files", nargs="+", metavar="FILE")
        made["diff"].add_argument("name", metavar="FILE|SLUG")
        made["reviewed"].add_argument("slug")
        made["reviewed"].add_argument("--by", default="", metavar="USERNAME", help="who you are")
        self._arguments_of_apply(made["apply"])

    def _arguments_of_apply(self, parser: Any) -> None:
        parser.add_argument("name", metavar="FILE|SLUG")
        parser.add_argument("--team", action="append", default=[], metavar="SLUG")
        parser.add_argument("--service", action="append", default=[], metavar="SLUG")
        parser.add_argument(
            "--default", action="store_true", dest="by_default", help="for the whole organisation"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        act: Callable[..., None] = getattr(self, f"_{verb}")
        try:
            act(**options)
        except DomainError as error:
            raise CommandError(error.message) from None

    def _list(self, **_: Any) -> None:
        table = Table("Slug", "Title", "Version", "Chosen by", "Review due")
        due = dict(Upkeep.objects.exclude(due_at=None).values_list("slug", "due_at"))
        stored = set(RunbookRevision.objects.values_list("slug", flat=True))
        for slug in sorted(stored | set(shipped())):
            current = RunbookRevision.objects.current(slug)
            title = current.title if current else services.load(slug).title
            version = f"{current.version}" if current else "not applied"
            users = escape(", ".join(services.users_of(slug)))
            review = f"{due[slug]:%Y-%m-%d}" if slug in due else ""
            table.add_row(slug, escape(title), version, users, review)
        self._print(table)

    def _show(self, *, name: str, yaml: bool, **_: Any) -> None:
        current = RunbookRevision.objects.current(name)
        if yaml:
            stored = current.document if current else services.load(name).as_json()
            if not stored:
                raise CommandError(f"{name}: has no document; it is built in.")
            self.stdout.write(as_yaml(stored))
        elif current is not None:
            self._print(*reading.of_revision(current))
        else:
            self._print(*reading.of_runbook(services.load(name)))

    def _validate(self, *, files: list[str], **_: Any) -> None:
        wrong = []
        for name in files:
            try:
                runbook = services.load(name)
                self.stdout.write(f"{name}: is right ({runbook.title}).")
            except services.NotARunbook as error:
                wrong += error.lines
        if wrong:
            raise CommandError("\n".join(wrong))

    def _diff(self, *, name: str, **_: Any) -> None:
        self._say(services.diff(services.load(name)))

    def _apply(self, *, name: str, yes: bool, **wishes: Any) -> None:
        runbook = services.load(name)
        choices = [
            (words, choice)
            for words, choice, chosen in _choices(**wishes)
            if chosen != runbook.slug
        ]
        plan = services.diff(runbook)
        self._say(plan)
        for words, _choice in choices:
            self.stdout.write(f"{runbook.slug}: becomes the runbook of {words}.")
        if not plan.changes and not choices:
            return
        if not yes and not _agreed():
            raise CommandError("Nothing was changed.")
        revision = services.apply(runbook, actor=None)
        self.stdout.write(f"{revision.slug}: version {revision.version} applies.")
        for words, choice in choices:
            if services.choose(runbook.slug, actor=None, **choice):
                self.stdout.write(f"{words}: had no escalation policy, and has the runbook's now.")

    def _reviewed(self, *, slug: str, by: str, **_: Any) -> None:
        person = User.objects.filter(username=by, is_active=True).first()
        if by and person is None:
            raise CommandError(f"There is no person {by!r}.")
        upkeep = services.mark_reviewed(slug, actor=person)
        again = f"is due again on {upkeep.due_at:%Y-%m-%d}" if upkeep.due_at else "has no cycle"
        self.stdout.write(f"{slug}: is marked as reviewed, and {again}.")

    def _schema(self, **_: Any) -> None:
        self.stdout.write(json.dumps(document.json_schema(), indent=2, ensure_ascii=False))

    def _say(self, plan: services.Plan) -> None:
        for line in plan.lines or [f"{plan.runbook.slug}: nothing would change."]:
            self.stdout.write(line)

    def _print(self, *parts: Any) -> None:
        console = Console(file=self.stdout, width=None if self.stdout.isatty() else 120)  # type: ignore[arg-type]
        for part in parts:
            console.print(part)


def _agreed() -> bool:
    try:
        return input("Apply? [y/N] ").strip().lower() in {"y", "yes"}
    except (EOFError, KeyboardInterrupt):
        raise CommandError("Nothing was changed, as nobody answered; --yes does not ask.") from None


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines, such as commands, as it is."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def as_yaml(stored: dict[str, Any]) -> str:
    """A file that is read as the same document, and begins with what it is."""
    first = {key: stored[key] for key in FIRST if key in stored}
    ordered = first | stored
    return yaml.dump(ordered, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100)


def _choices(
    team: list[str], service: list[str], by_default: bool, **_: Any
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """In words, as arguments of `choose`, and what is chosen now. DomainError: it is not there."""
    for slug in team:
        found = Team.objects.filter(slug=slug).first()
        if found is None:
            raise DomainError(f"There is no team {slug!r}.")
        yield f"team {found.name}", {"team": found}, found.runbook
    for slug in service:
        one = Service.objects.filter(slug=slug).select_related("team").first()
        if one is None:
            raise DomainError(f"There is no service {slug!r}.")
        yield f"service {one.name}", {"service": one}, one.runbook
    if by_default:
        now = Organisation.current().runbook
        yield "everybody who has chosen no other", {"by_default": True}, now
