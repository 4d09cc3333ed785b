import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from incidents.insights.audit import ledger, watch
from incidents.insights.audit.kinds import Finding, Invariant, Scope
from incidents.insights.audit.run import INVARIANTS, PATIENT, Report, audit
from incidents.timers import clock

SHOWN = 5


class Command(BaseCommand):
    help = (
        "Look whether what Tocsin promises holds, in the rows of its database. Changes nothing.\n"
        "Exit code 0: everything holds; 1: something does not; 2: something could not be looked\n"
        "at, or there was nothing to look at.\n"
        "Example: manage.py audit --ledger accepted.jsonl"
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--late",
            type=float,
            default=10.0,
            metavar="SECONDS",
            help="how much later than its lease something due may be (default 10); more after a "
            "restart",
        )
        parser.add_argument(
            "--ledger",
            dest="path",
            metavar="FILE",
            help="what a client had accepted: one dedup_key, or JSON object with it, a line",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="for scripts")

    def handle(
        self, *_args: Any, late: float, path: str | None, as_json: bool, **_options: Any
    ) -> None:
        also = [watch.from_outside(), *([_promised(path)] if path else [])]
        try:
            scope = Scope(clock.now(), late=timedelta(seconds=late))
            report = audit(scope, also=also, patience=PATIENT)
        except DatabaseError as error:
            said = f"Unable to look into the database: {error}"
            raise CommandError(said, returncode=2) from error
        if as_json:
            self.stdout.write(json.dumps(report.as_dict(), indent=2))
        else:
            console = Console(file=self.stdout)  # type: ignore[arg-type]
            console.print(_table(report, [*INVARIANTS, *also]))
            console.print(_summary(report), highlight=False)
        raise SystemExit(_exit_code(report))


def _promised(path: str) -> Invariant:
    try:
        with Path(path).open(encoding="utf-8") as lines:
            return ledger.promised(ledger.read(lines))
    except (OSError, ValueError) as error:
        raise CommandError(f"Unable to read the ledger: {error}") from None


def _table(report: Report, looked_at: list[Invariant]) -> Table:
    found = {finding.name: finding for finding in report.findings}
    table = Table(show_lines=False, expand=False)
    for heading in ("", "Invariant", "Result"):
        table.add_column(heading, overflow="fold")
    for invariant in looked_at:
        finding = found.get(invariant.name)
        result = _told(finding) if finding else "[green]holds[/]"
        table.add_row(invariant.name, escape(invariant.sentence), result)
    return table


def _told(finding: Finding) -> str:
    if finding.error:
        return f"[bold red]{escape(finding.error)}[/]"
    lines = [f"[bold red]broken: {finding.count}[/]"]
    lines += [escape(f"{one.subject}: {one.what}") for one in finding.offences[:SHOWN]]
    return "\n".join([*lines, f"[dim]{escape(finding.advice)}[/]"])


def _summary(report: Report) -> str:
    seen = ", ".join(f"{number} {name}" for name, number in report.looked_at.items())
    took = f"Looked at {seen} in {report.took * 1000:.0f} ms."
    if report.saw_nothing:
        return f"[yellow]There was nothing to look at, so this says nothing.[/] {took}"
    if report.has_passed:
        return f"[green]Everything holds.[/] {took}"
    many = len(report.findings)
    broken = "1 invariant does not hold" if many == 1 else f"{many} invariants do not hold"
    return f"[red]{broken}.[/] {took}"


def _exit_code(report: Report) -> int:
    if report.saw_nothing or any(finding.error for finding in report.findings):
        return 2
    return 0 if report.has_passed else 1
