"""A document as chapters of simple blocks, which Markdown and HTML render each in its way. Pure.

Works on the JSON alone: what was published years ago is laid out without asking anything again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from incidents.reviews.document.sections import ALWAYS
from incidents.reviews.document.wording import (
    counted,
    day,
    hour,
    lasting,
    listed,
    money,
    share,
    stamp,
)

type Json = dict[str, Any]
EMPTY = "Nothing is written down here."


@dataclass(frozen=True)
class Cell:
    """A cell or line of plain text; `detail`: more about it, smaller. `tone`: good, bad, quiet.

    `link`: where to see it; only addresses of the web become one.
    """

    text: str
    detail: str = ""
    tone: str = ""
    link: str = ""


@dataclass(frozen=True)
class Block:
    """`kind` says which of the others is filled: text (Markdown), facts, table, lines, tree, note.

    `name`: a small heading above it, and what a table is of.
    """

    kind: str
    name: str = ""
    text: str = ""
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    tree: tuple["Branch", ...] = ()

    @property
    def labelled(self) -> list[list[tuple[str, Cell]]]:
        """The rows of a table, each cell with the name of its column: phones show no columns."""
        return [list(zip(self.heads, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Branch:
    """A question why, its answer, what is done about it, and the questions behind the answer."""

    ask: str
    answer: str
    actions: tuple[str, ...] = ()
    branches: tuple["Branch", ...] = ()


@dataclass(frozen=True)
class Chapter:
    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Laid:
    """The whole document. `notes`: what stands small below the title, such as its revision."""

    title: str
    reference: str
    facts: tuple[tuple[Cell, ...], ...]
    chapters: tuple[Chapter, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Edition:
    """Which published state it is; without a number a draft."""

    number: int = 0
    by: str = ""
    at: datetime | None = None
    note: str = ""


def lay(document: Json, edition: Edition) -> Laid:
    return Laid(
        title=f"Post-incident review: {document['title']}",
        reference=document["reference"],
        facts=tuple((Cell(label), Cell(value)) for label, value in _head(document)),
        chapters=tuple(_chapters(document)),
        notes=tuple(_notes(document, edition)),
    )


def _head(document: Json) -> Iterator[tuple[str, str]]:
    about, impact = document["incident"], document["impact"]
    yield "Incident", document["reference"]
    yield "Date", day(_at(about["began_at"]))
    if about["seconds"] is not None:
        yield "Duration", lasting(about["seconds"])
    yield "Severity", _severity(about)
    services = [about["service"], *(one for one in about["services"] if one != about["service"])]
    yield "Services affected", listed(services)
    yield "Users affected", _users(impact)
    commanders = [one["name"] for one in document["people"] if "Commander" in one["as"]]
    if commanders:
        yield "Incident commander", listed(commanders)
    if held := document["meeting"]["held_at"]:
        by = document["meeting"]["facilitator"]
        yield "Review held", f"{day(_at(held))}{f', led by {by}' if by else ''}"


def _severity(about: Json) -> str:
    label, meaning = about["severity_label"], about["severity_meaning"]
    name = (
        label
        if label.replace("-", "").upper() == about["severity"]
        else f"{label}, {about['severity']}"
    )
    return f"{name} ({meaning.rstrip('.')})" if meaning else name


def _notes(document: Json, edition: Edition) -> Iterator[str]:
    if edition.number and edition.at:
        by = f" by {edition.by}" if edition.by else ""
        yield f"Revision {edition.number}, published{by} on {stamp(edition.at)} UTC."
        if edition.note:
            yield f"Correction: {edition.note}"
    else:
        yield "Draft: not published."
    if document["incident"]["is_drill"]:
        yield "This was a drill: nothing real was harmed."
    yield f"Written by the runbook “{document['runbook']}”. All times are UTC."


def _chapters(document: Json) -> Iterator[Chapter]:
    for section in document["sections"]:
        blocks = tuple(_blocks(section, document))
        if not blocks:
            if not section["is_asked_for"] and section["key"] not in ALWAYS:
                continue
            blocks = (Block("note", text=EMPTY),)
        yield Chapter(section["key"], section["title"], blocks)


def _blocks(section: Json, document: Json) -> Iterator[Block]:
    if section["key"] == "impact":
        yield _impact(document)
    if section["text"]:
        yield Block("text", text=section["text"])
    parts = {
        "timeline": _timeline,
        "root_cause": _whys,
        "action_items": _actions,
        "figures": _figures,
        "people": _people,
        "escalations": _escalations,
        "messages": _messages,
        "follow_up": _follow_up,
    }
    if section["key"] in parts:
        yield from parts[section["key"]](document)


# --- What the sections show beside people's words -------------------------------------------------


def _impact(document: Json) -> Block:
    impact, about = document["impact"], document["incident"]
    lost = impact["revenue_lost"]
    loss = {"none": "None", "suspected": "Suspected", "confirmed": "Confirmed"}
    services = list(dict.fromkeys([about["service"], *about["services"]]))
    rows = [
        ("Services", listed(services)),
        ("Users", _users(impact)),
        ("Data loss", loss.get(impact["data_loss"], "Not known")),
        ("Revenue lost", "Not known" if lost is None else money(Decimal(lost), impact["currency"])),
    ]
    if impact["minutes"] is not None:
        rows.append(("Minutes down", f"{impact['minutes']:,}"))
    if budget := impact["error_budget"]:
        rows.append(("Error budget", _budget(budget)))
    return Block("facts", rows=tuple((Cell(label), Cell(value)) for label, value in rows))


def _users(impact: Json) -> str:
    return "Not known" if impact["users_affected"] is None else f"{impact['users_affected']:,}"


def _budget(budget: Json) -> str:
    used, whole = f"{budget['used_minutes']:g}", f"{budget['budget_minutes']:g}"
    promise = f"{budget['availability']} in {budget['window_days']} days"
    said = ", if all of it was down" if budget["is_estimated"] else ""
    return f"{used} of {whole} minutes ({share(budget['share'])}) at {promise}{said}"


def _timeline(document: Json) -> Iterator[Block]:
    told, about = document["timeline"], document["incident"]
    began = _at(about["began_at"])
    gaps = {gap["after"]: gap for gap in told["gaps"]}
    rows: list[tuple[Cell, ...]] = []
    last_day = None
    entries = told["entries"]
    for number, entry in enumerate(entries):
        at = _at(entry["at"])
        shown = hour(at) if at.date() == last_day else stamp(at)
        last_day = at.date()
        detail = f"Recorded at {hour(_at(entry['recorded_at']))}" if entry["recorded_at"] else ""
        said = Cell(entry["text"], "Added afterwards" if entry["is_added"] else detail)
        rows.append((Cell(shown), Cell(_since(at, began)), said, Cell(entry["by"])))
        following = entries[number + 1]["at"] if number + 1 < len(entries) else None
        if entry["at"] in gaps and following != entry["at"]:
            rows.append(_silence(gaps[entry["at"]]))
    if rows:
        heads = ("Time (UTC)", "T+", "What happened", "Who")
        yield Block("table", name="Timeline", heads=heads, rows=tuple(rows))
    if told["missing"]:
        yield Block("lines", name="Not known", rows=_lines(told["missing"]))


def _silence(gap: Json) -> tuple[Cell, ...]:
    lasted = _at(gap["until"]) - _at(gap["after"])
    text = f"Nothing is written down for {lasting(lasted)}"
    return Cell("", tone="quiet"), Cell(""), Cell(text, tone="quiet"), Cell("")


def _since(at: datetime, began: datetime) -> str:
    minutes = round((at - began).total_seconds() // 60)
    sign = "+" if minutes >= 0 else "−"
    hours, rest = divmod(abs(minutes), 60)
    return f"{sign}{hours} h {rest:02}" if hours else f"{sign}{rest} min"


def _whys(document: Json) -> Iterator[Block]:
    titles = {item["id"]: item["title"] for item in document["action_items"]}
    if document["whys"]:
        tree = tuple(_branch(why, titles) for why in document["whys"])
        yield Block("tree", name="Why it happened", tree=tree)


def _branch(why: Json, titles: dict[int, str]) -> Branch:
    actions = tuple(titles[pk] for pk in why["action_items"] if pk in titles)
    return Branch(
        why["ask"], why["answer"], actions, tuple(_branch(one, titles) for one in why["whys"])
    )


def _actions(document: Json) -> Iterator[Block]:
    items = document["action_items"]
    if not items:
        if reason := document["no_actions_reason"]:
            yield Block("note", text=f"None, because: {reason}")
        return
    heads = ("Action", "Kind", "Owner", "Due", "Priority", "State")
    rows = tuple(
        (
            Cell(item["title"], item["detail"]),
            Cell(item["kind"]),
            Cell(item["owner"] or "Nobody yet", tone="" if item["owner"] else "bad"),
            Cell(day(date.fromisoformat(item["due_on"])) if item["due_on"] else "None"),
            Cell(f"{item['priority']}{', required' if item['required'] else ''}"),
            Cell(item["state"].replace("_", " ").capitalize()),
        )
        for item in items
    )
    yield Block("table", name="Action items", heads=heads, rows=rows)


def _figures(document: Json) -> Iterator[Block]:
    known = [
        one
        for one in document["figures"]
        if one["seconds"] is not None or one["target_seconds"] is not None
    ]
    rows = tuple(
        (
            Cell(one["label"]),
            Cell("Not known" if one["seconds"] is None else lasting(one["seconds"])),
            Cell("None" if one["target_seconds"] is None else lasting(one["target_seconds"])),
            _met(one["met"]),
        )
        for one in known
    )
    if rows:
        heads = ("Phase", "Took", "Target", "Result")
        yield Block("table", name="Figures against targets", heads=heads, rows=rows)


def _met(met: bool | None) -> Cell:
    if met is None:
        return Cell("")
    return Cell("Met", tone="good") if met else Cell("Missed", tone="bad")


def _people(document: Json) -> Iterator[Block]:
    rows = tuple((Cell(one["name"]), Cell(", ".join(one["as"]))) for one in document["people"])
    if rows:
        yield Block("table", name="Who took part", heads=("Person", "As"), rows=rows)


def _escalations(document: Json) -> Iterator[Block]:
    told = document["escalations"]
    if told["asked"]:
        rows = tuple(_asked(one) for one in told["asked"])
        heads = ("Time (UTC)", "Paged", "As", "Answered")
        yield Block("table", name="Pages", heads=heads, rows=rows)
    if told["left_out"]:
        yield Block("note", text=f"{counted(told['left_out'], 'page')} more were sent.")
    if told["events"]:
        lines = [f"{hour(_at(one['at']))} {one['text']}" for one in told["events"]]
        yield Block("lines", name="What became of them", rows=_lines(lines))


def _asked(one: Json) -> tuple[Cell, ...]:
    way = "by name or role" if one["level"] is None else f"level {one['level']}"
    answered = _at(one["answered_at"]) if one["answered_at"] else None
    took = f"after {lasting(answered - _at(one['at']))}" if answered else "no"
    return Cell(hour(_at(one["at"]))), Cell(one["who"]), Cell(way, one["reason"]), Cell(took)


def _messages(document: Json) -> Iterator[Block]:
    told = document["messages"]
    audiences = {"internal": "Colleagues", "external": "Customers"}
    kept = {True: Cell("yes"), False: Cell("late", tone="bad"), None: Cell("not promised")}
    rows = tuple(
        (
            Cell(hour(_at(one["at"]))),
            Cell(audiences.get(one["audience"], one["audience"])),
            Cell(one["text"]),
            Cell(one["by"]),
            kept[one["on_time"]],
        )
        for one in told["updates"]
    )
    if rows:
        heads = ("Time (UTC)", "To", "What was said", "By", "As promised")
        yield Block("table", name="Messages", heads=heads, rows=rows)
    if told["missed"]:
        yield Block("note", text=f"{counted(told['missed'], 'promised update')} never came.")
    if told["customers_not_told"]:
        yield Block("note", text=told["customers_not_told"])


def _follow_up(document: Json) -> Iterator[Block]:
    rows = tuple(
        (
            Cell(one["title"], one["note"], link=one["link"]),
            Cell(one["who"] or "Nobody yet"),
            Cell(f"{stamp(_at(one['due_at']))}" if one["due_at"] else "None"),
            Cell(stamp(_at(one["done_at"])) if one["done_at"] else "Open"),
        )
        for one in document["follow_up"]
    )
    if rows:
        heads = ("Step", "Who", "Due (UTC)", "Done (UTC)")
        yield Block("table", name="Steps after the incident", heads=heads, rows=rows)


def _lines(texts: list[str]) -> tuple[tuple[Cell, ...], ...]:
    return tuple((Cell(text),) for text in texts)


def _at(stamped: str) -> datetime:
    return datetime.fromisoformat(stamped)
