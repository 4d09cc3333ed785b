from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from incidents.core.errors import DomainError
from incidents.reviews import services
from incidents.reviews.exporting import FORMS, export
from incidents.reviews.models import Review, ReviewState, Why

EXAMPLES = {
    "list": "manage.py review list --state due",
    "show": "manage.py review show INC-2026-03-02-001",
    "export": "manage.py review export INC-2026-03-02-001 --as html --to review.html",
}
ABOUT = {
    "list": "Reviews that still ask for something, the next one first; --all: every one.",
    "show": "Where a review stands, what it lacks, who comes, why it happened, what is to be done.",
    "export": "Its document as Markdown, HTML, JSON or YAML: the last revision, else the draft.",
}


class Command(BaseCommand):
    help = (
        "Reviews: what incidents taught, and whether it is done. "
        "`manage.py review VERB --help` says more.\n" + "\n".join(EXAMPLES.values())
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
        made["list"].add_argument("--state", choices=ReviewState.values)
        made["list"].add_argument("--team", metavar="SLUG")
        made["list"].add_argument("--all", action="store_true", dest="is_all")
        made["show"].add_argument("reference", help="of the incident")
        made["export"].add_argument("reference", help="of the incident")
        made["export"].add_argument("--as", choices=FORMS, default="markdown", dest="form")
        made["export"].add_argument(
            "--revision", type=int, default=0, metavar="NUMBER", help="default: the last one"
        )
        made["export"].add_argument("--draft", action="store_true", help="as it is now")
        made["export"].add_argument("--to", metavar="FILE", help="default: printed")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        act: Callable[..., None] = getattr(self, f"_{verb}")
        act(**options)

    def _list(self, *, state: str | None, team: str | None, is_all: bool, **_: Any) -> None:
        found = Review.objects.with_context()
        if state:
            found = found.filter(state=state)
        elif not is_all:
            found = found.unfinished()
        if team:
            found = found.filter(incident__service__team__slug=team)
        table = Table("Incident", "Title", "State", "Held by", "Facilitator")
        for review in found.order_by("latest_at", "pk"):
            at = review.held_at or review.scheduled_at or review.latest_at
            table.add_row(
                review.incident.reference,
                escape(review.incident.title),
                "suspended" if review.suspended_at else review.get_state_display(),
                f"{at:%Y-%m-%d %H:%M} UTC" if at else "",
                escape(str(review.facilitator or "nobody")),
            )
        self._print(table)

    def _show(self, *, reference: str, **_: Any) -> None:
        review = _review(reference)
        self._print(_facts(review), *_parts(review))

    def _export(
        self,
        *,
        reference: str,
        form: str,
        revision: int,
        draft: bool,
        to: str | None,
        **_: Any,
    ) -> None:
        try:
            made = export(_review(reference), form=form, number=revision, draft=draft)
        except DomainError as error:
            raise CommandError(error.message) from None
        if to is None:
            self.stdout.write(made.text, ending="")
            return
        try:
            with Path(to).open("x", encoding="utf-8") as file:
                file.write(made.text)
        except FileExistsError:
            raise CommandError(f"{to} is there already; name another file.") from None
        except OSError as error:
            raise CommandError(f"{to} cannot be written: {error.strerror}.") from None
        self.stdout.write(f"The review of {reference} is in {to}.")

    def _print(self, *things: Any) -> None:
        Console(file=self.stdout, width=120, highlight=False).print(*things, sep="\n")  # type: ignore[arg-type]


def _review(reference: str) -> Review:
    review = Review.objects.with_context().filter(incident__reference=reference).first()
    if review is None:
        raise CommandError(f"There is no review of {reference}.")
    return review


def _facts(review: Review) -> Table:
    table = Table(show_header=False, title=escape(str(review.incident)), title_justify="left")
    moments = {
        "Not before": review.earliest_at,
        "To be held by": review.latest_at,
        "Scheduled for": review.scheduled_at,
        "Held": review.held_at,
        "Published": review.published_at,
        "Closed": review.closed_at,
        "Waits since": review.suspended_at,
    }
    texts = {
        "State": review.get_state_display(),
        "Facilitator": str(review.facilitator or "nobody"),
        "Why there is none": review.waived_reason,
        **{name: f"{at:%Y-%m-%d %H:%M} UTC" for name, at in moments.items() if at},
        "Impact": review.impact,
        "Root cause": review.root_cause,
        "Contributing factors": review.contributing_factors,
    }
    for name, text in texts.items():
        if text:
            table.add_row(name, escape(text))
    return table


def _parts(review: Review) -> list[Tree]:
    lacks = [one.message for one in services.lacks(review)]
    guests = [str(one) for one in review.attendees.select_related("user")]
    parts = [_tree("Lacks", lacks), _tree("To come", guests), _whys(review), _steps(review)]
    items = [
        f"{item.title} ({item.get_state_display()}, due {item.due_on})"
        for item in review.items.order_by("due_on", "pk")
    ]
    return [part for part in [*parts, _tree("Action items", items)] if part.children]


def _tree(title: str, lines: list[str]) -> Tree:
    tree = Tree(title)
    for line in lines:
        tree.add(escape(line))
    return tree


def _whys(review: Review) -> Tree:
    tree = Tree("Why")
    behind: dict[int | None, list[Why]] = {}
    for why in review.whys.all():
        behind.setdefault(why.parent_id, []).append(why)

    def grow(branch: Tree, parent: int | None) -> None:
        for why in behind.get(parent, []):
            mark = " [bold]← a cause[/]" if why.is_cause else ""
            grow(branch.add(f"{escape(why.ask)} {escape(why.answer)}{mark}"), why.pk)

    grow(tree, None)
    return tree


def _steps(review: Review) -> Tree:
    tree = Tree("To be done afterwards")
    for plan in review.follow_ups.prefetch_related("steps"):
        by = f" by {plan.due_at:%Y-%m-%d %H:%M} UTC" if plan.due_at else ""
        branch = tree.add(f"{escape(plan.title)}{by}")
        for step in plan.steps.all():
            done = "not needed" if not step.is_needed else "done" if step.done_at else "open"
            branch.add(f"{escape(step.text)}: {done}")
    return tree
