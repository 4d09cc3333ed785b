"""Writes docs/reviews/: the same outage reviewed by each of the five runbooks.

uv run python -m tests.reviews.documents
"""

import os
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reviews"


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    with tempfile.TemporaryDirectory(prefix="tocsin-documents-") as folder:
        os.environ["SQLITE_PATH"] = str(Path(folder) / "documents.sqlite3")
        os.environ.pop("DATABASE_URL", None)
        write()


def write() -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import transaction

    from tests.reviews import demo

    call_command("migrate", verbosity=0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for slug in demo.RUNBOOKS:
        with transaction.atomic():
            for name, text in made(slug).items():
                (FOLDER / name).write_text(text, encoding="utf-8")
                sys.stdout.write(f"docs/reviews/{name}\n")
            transaction.set_rollback(True)  # the next one begins with an empty database


def made(slug: str) -> dict[str, str]:
    """File name → text of the documents under this runbook. Needs an empty database."""
    from incidents.reviews.exporting import export
    from incidents.timers import clock
    from tests.reviews import demo

    virtual = clock.VirtualClock(demo.THURSDAY)
    clock.use(virtual)
    try:
        review = demo.play(slug, virtual)
        return {
            f"{slug}.{ending}": export(review, form=form).text
            for form, ending in [("markdown", "md"), ("html", "html")]
        }
    finally:
        clock.use(None)


if __name__ == "__main__":
    main()
