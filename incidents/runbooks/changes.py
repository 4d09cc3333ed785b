"""What is different between two documents, one plain line for each difference. Pure."""

import json
from collections.abc import Iterator
from typing import Any

from incidents.core.documents import path_of, said

NAMED_BY = ["id", "title", "text", "name", "metric", "cause", "role"]


def changes(
    old: dict[str, Any], new: dict[str, Any], path: tuple[str | int, ...] = ()
) -> Iterator[str]:
    """`severities.SEV1.targets.respond: 5 min → 10 min`; also what is new and what is gone."""
    for key in [*old, *(key for key in new if key not in old)]:
        here = (*path, key)
        if key not in new:
            yield f"{path_of(here)}: is gone (was {_brief(old[key])})"
        elif key not in old:
            yield f"{path_of(here)}: is new: {_brief(new[key])}"
        elif old[key] != new[key]:
            yield from _changed(old[key], new[key], here)
        elif isinstance(new[key], dict) and json.dumps(old[key]) != json.dumps(new[key]):
            yield f"{path_of(here)}: is in another order"


def _changed(old: Any, new: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from changes(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _changed_list(old, new, path)
    else:
        yield f"{path_of(path)}: {_brief(old)} → {_brief(new)}"


def _changed_list(old: list[Any], new: list[Any], path: tuple[str | int, ...]) -> Iterator[str]:
    """Items of the same name are compared; others are new or gone. Else the order has changed."""
    before = {_name(item, place): item for place, item in enumerate(old)}
    after = {_name(item, place): item for place, item in enumerate(new)}
    found = False
    for name, item in before.items():
        if name not in after:
            found = True
            yield f"{path_of(path)}: {said(name)} is gone"
        elif item != after[name]:
            found = True
            yield from _changed(item, after[name], (*path, name))
    for name in after:
        if name not in before:
            found = True
            yield f"{path_of(path)}: {said(name)} is new"
    if not found:
        yield f"{path_of(path)}: is in another order"


def _name(item: Any, place: int) -> str:
    if isinstance(item, dict):
        named = (str(item[key]) for key in NAMED_BY if isinstance(item.get(key), str))
        return next(named, f"number {place + 1}")
    return str(item)


def _brief(value: Any) -> str:
    if isinstance(value, str):
        return value if len(value) <= 60 else f"{value[:57]}…"
    if isinstance(value, dict | list):
        return f"{len(value)} {'entry' if len(value) == 1 else 'entries'}"
    return said(value)
