"""Which runbook an organisation goes by, asked for in the terminal where it begins."""

import sys

from django.core.management.base import CommandError
from rich.console import Console
from rich.prompt import Prompt

from incidents.core.errors import DomainError
from incidents.runbooks import services as runbooks


def choose_runbook(console: Console, wanted: str, *, is_first: bool) -> None:
    """Have the organisation go by `wanted`; else, at the very first start, by what a person says.

    Where nobody sits at a terminal, nothing is asked and what is chosen stays. Raises CommandError
    for one that is not there.
    """
    if not wanted and is_first and sys.stdin.isatty() and console.is_terminal:
        wanted = _ask(console)
    if not wanted:
        return
    try:
        revision = runbooks.adopt(wanted, actor=None, by_default=True)
    except DomainError as error:
        known = ", ".join(slug for slug, _ in runbooks.choices())
        raise CommandError(f"{error.message} Choose one of: {known}.") from None
    console.print(f"The organisation goes by the runbook {revision}.", highlight=False)


def _ask(console: Console) -> str:
    """Enter stays with the built-in one, and so does whoever just goes away."""
    console.print("How does your organisation respond to incidents? It can be changed at any time.")
    for slug, name in runbooks.choices():
        console.print(f"  [bold]{slug}[/]  {name}", highlight=False)
    slugs = [slug for slug, _ in runbooks.choices()]
    try:
        return Prompt.ask(
            "Runbook", console=console, choices=slugs, show_choices=False, default=slugs[0]
        )
    except EOFError:
        return ""
