"""The public page in the forms in which it is asked for, and the copy that outlives the database.

Every process keeps what it made for a few seconds. What was made last also lies in DATA_DIR, and is
shown, with its age, while the database cannot be asked.
"""

import json
import logging
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.feedgenerator import Atom1Feed
from django.utils.html import linebreaks

from incidents.comms import status
from incidents.comms.status import Affair, Page

logger = logging.getLogger(__name__)

KEPT_SECONDS = 5.0
STALE_MARK = "<!-- stale -->"
# What XML has no way to say: pasted from a terminal, it would leave nobody a page.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MOST_IN_FEED = 25


@dataclass(frozen=True)
class Forms:
    """Page, feed, JSON, and one page for each incident by its public id. All text."""

    html: str
    feed: str
    json: str
    affairs: dict[str, str]
    is_stale: bool = False


_kept: tuple[float, Forms | None] | None = None
_making = threading.Lock()


def current() -> Forms | None:
    """As it stands now; the copy where the database is away; None: there is neither."""
    global _kept  # noqa: PLW0603
    with _making:
        if _kept is not None and time.monotonic() < _kept[0]:
            return _kept[1]
        forms: Forms | None
        try:
            forms = make()
        except (DatabaseError, InterfaceError):
            # Kept as well: readers who each wait for a database that is away would take every
            # thread of the web process.
            logger.warning("Unable to read the status page; its copy is shown")
            forms = load()
        _kept = (time.monotonic() + KEPT_SECONDS, forms)
    return forms


def forget() -> None:
    """What this process keeps is old."""
    global _kept  # noqa: PLW0603
    _kept = None


# Whoever publishes reads times in a zone of their own; the public page is one for all.
@timezone.override("UTC")
def make() -> Forms:
    """Read and rendered."""
    page = status.read()
    shared = {"page": page, "title": settings.STATUS_PAGE_TITLE}
    return Forms(
        html=render_to_string("comms/status.html", shared),
        feed=_feed(page),
        json=json.dumps(_document(page), indent=1),
        affairs={
            one.public_id: render_to_string("comms/affair.html", {**shared, "affair": one})
            for one in page.affairs
        },
    )


def keep() -> None:
    """Make it and write the copy. A disk that is full must not undo what is being published."""
    forget()
    forms = make()
    try:
        _write(forms)
    except OSError:
        logger.exception("Unable to write the copy of the status page")


def load() -> Forms | None:
    """The copy, saying how old it is."""
    try:
        affairs = {
            path.stem: _marked(path.read_text(encoding="utf-8"))
            for path in sorted((_folder() / "incidents").glob("*.html"))
        }
        return Forms(
            html=_marked((_folder() / "index.html").read_text(encoding="utf-8")),
            feed=(_folder() / "feed.atom").read_text(encoding="utf-8"),
            json=(_folder() / "status.json").read_text(encoding="utf-8"),
            affairs=affairs,
            is_stale=True,
        )
    except OSError:
        return None


def _marked(html: str) -> str:
    return html.replace(STALE_MARK, render_to_string("comms/stale.html"))


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "status"


def _write(forms: Forms) -> None:
    folder = _folder()
    (folder / "incidents").mkdir(parents=True, exist_ok=True)
    wanted = {f"incidents/{name}.html": text for name, text in forms.affairs.items()}
    wanted |= {"index.html": forms.html, "feed.atom": forms.feed, "status.json": forms.json}
    for name, text in wanted.items():
        _replace(folder / name, text)
    for path in (folder / "incidents").glob("*.html"):
        if path.stem not in forms.affairs:
            path.unlink(missing_ok=True)


def _replace(path: Path, text: str) -> None:
    """All or nothing: whoever reads meanwhile finds the old one."""
    draft = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _feed(page: Page) -> str:
    address = f"{settings.PUBLIC_URL}/status/"
    feed = Atom1Feed(
        title=settings.STATUS_PAGE_TITLE,
        link=address,
        description=page.headline,
        feed_url=f"{address}feed.atom",
        language="en",
    )
    told = [(update, affair) for affair in page.affairs for update in affair.updates]
    told.sort(key=lambda one: one[0].at, reverse=True)
    for update, affair in told[:MOST_IN_FEED]:
        link = f"{address}{affair.public_id}/"
        feed.add_item(
            title=NOT_XML.sub("", f"{update.status}: {affair.headline}"),
            link=link,
            # A summary is HTML to whoever reads the feed.
            description=linebreaks(NOT_XML.sub("", update.text), autoescape=True),
            unique_id=f"{link}#{update.at.isoformat()}",
            pubdate=update.at,
            updateddate=update.at,
        )
    return feed.writeString("utf-8")


def _document(page: Page) -> dict[str, Any]:
    return {
        "page": {
            "name": settings.STATUS_PAGE_TITLE,
            "url": f"{settings.PUBLIC_URL}/status/",
            "updated_at": page.at.isoformat(),
        },
        "status": {"indicator": page.state, "description": page.headline},
        "components": [
            {
                "id": one.id,
                "name": one.name,
                "description": one.description,
                "group": one.group,
                "status": one.state,
                "history": [
                    {"date": day.date.isoformat(), "status": day.state or None} for day in one.days
                ],
            }
            for one in page.components
        ],
        "incidents": [_told(one) for one in page.affairs],
    }


def _told(affair: Affair) -> dict[str, Any]:
    return {
        "id": affair.public_id,
        "name": affair.headline,
        "impact": affair.state,
        "url": f"{settings.PUBLIC_URL}/status/{affair.public_id}/",
        "components": list(affair.components),
        "started_at": affair.started_at.isoformat(),
        "resolved_at": affair.ended_at.isoformat() if affair.ended_at else None,
        "updates": [
            {"status": one.status, "body": one.text, "at": one.at.isoformat()}
            for one in affair.updates
        ],
    }
