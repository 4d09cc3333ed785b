import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from config.doctor import Finding, Verdict, Wish, examine

COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAULT: "bold red"}


class Command(BaseCommand):
    help = (
        "Say whether a page would go out now, and what to do where it would not: set-up, mail,\n"
        "public address, workers, unreachable people, levels that mean nobody.\n"
        "Exit code 0: no fault; 1: warnings, with --strict; 2: faults.\n"
        "Example: manage.py doctor --send-to me@example.org --strict"
    )
    requires_system_checks: list[str] = []  # it is to speak when something is wrong

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--send-to", default="", metavar="ADDRESS", help="send one mail there")
        parser.add_argument(
            "--send-test", action="store_true", help="send a test to every last resort"
        )
        parser.add_argument("--strict", action="store_true", help="exit with 1 on warnings")
        parser.add_argument("--json", action="store_true", dest="as_json", help="for scripts")

    def handle(
        self,
        *_args: Any,
        send_to: str,
        send_test: bool,
        strict: bool,
        as_json: bool,
        **_options: Any,
    ) -> None:
        findings = []
        console = Console(stderr=as_json, file=None if as_json else self.stdout)  # type: ignore[arg-type]
        with console.status("Looking …"):
            for finding in examine(Wish(send_to, send_test)):
                findings.append(finding)
        if as_json:
            self.stdout.write(_as_json(findings))
        else:
            console.print(_table(findings))
            console.print(_summary(findings))
        raise SystemExit(_exit_code(findings, strict=strict))


def _table(findings: list[Finding]) -> Table:
    table = Table(show_lines=False, expand=False)
    for heading in ("Check", "", "What was found, and what to do"):
        table.add_column(heading, overflow="fold")
    for one in findings:
        advice = f"\n[dim]{escape(one.advice)}[/]" if one.advice else ""
        colour = COLOURS[one.verdict]
        table.add_row(
            escape(one.check), f"[{colour}]{one.verdict}[/]", f"{escape(one.said)}{advice}"
        )
    return table


def _summary(findings: list[Finding]) -> str:
    faults, warnings = _count(findings, Verdict.FAULT), _count(findings, Verdict.WARNING)
    if not faults and not warnings:
        return "[green]Everything is as it should be.[/]"
    return f"{_counted(faults, 'fault')}, {_counted(warnings, 'warning')}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _as_json(findings: list[Finding]) -> str:
    counts = {str(verdict): _count(findings, verdict) for verdict in Verdict}
    return json.dumps({"counts": counts, "findings": [one.as_dict() for one in findings]}, indent=2)


def _count(findings: list[Finding], verdict: Verdict) -> int:
    return sum(one.verdict == verdict for one in findings)


def _exit_code(findings: list[Finding], *, strict: bool) -> int:
    if _count(findings, Verdict.FAULT):
        return 2
    return int(strict and _count(findings, Verdict.WARNING) > 0)
