"""From a file to plain data: YAML as people mean it, and one line for what is wrong. Pure.

Only the parser's events are used: nothing in a file can make an object, `14:15` stays text as in
YAML 1.2, and what could grow beyond the file itself (aliases) is refused.
"""

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

LARGEST = 256 * 1024  # bytes
DEEPEST = 30

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Plain scalars of YAML 1.2's core schema that are no text; times, "yes" and "0x1F" are text.
_NULL = {"", "~", "null"}
_BOOLEAN = {"true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})")
# What an escape in quotes may hide: no database takes some of these, and others move the cursor of
# the terminal or turn the line round in which they stand.
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_TAB_INDENTS = re.compile(r" *\t")


class NotReadable(Exception):
    """The file is no document; the message is one line for a person."""


def read_file(path: Path) -> Any:
    """The file's data. Raises NotReadable without reading what is too large."""
    try:
        found = path.stat()
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise NotReadable("is a device or a pipe; name a file.")  # which may never end
        size = found.st_size
        if size > LARGEST:
            raise NotReadable(f"has {size // 1024} KiB; a runbook may have {LARGEST // 1024} KiB.")
        content = path.read_bytes()
    except IsADirectoryError:
        raise NotReadable("is a folder; name a file.") from None
    except ValueError:
        raise NotReadable("is no name that a file can have.") from None
    except OSError as error:
        raise NotReadable(f"cannot be read: {(error.strerror or str(error)).lower()}.") from None
    return read(content)


def read(content: bytes | str) -> Any:
    """The data of one YAML document: dicts, lists, text, numbers, booleans, None."""
    if len(content) > LARGEST:
        raise NotReadable(
            f"has {len(content) // 1024} KiB; a runbook may have {LARGEST // 1024} KiB."
        )
    text = _text(content)
    try:
        return _build(yaml.parse(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        raise NotReadable(_complaint(error, text)) from None


def _text(content: bytes | str) -> str:
    if isinstance(content, str):
        return content
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotReadable(f"line {line}: this is no UTF-8 text.") from None


class _Builder:
    """Puts the events of one document together. Without recursion: depth is limited, not feared."""

    def __init__(self) -> None:
        self.open: list[dict[str, Any] | list[Any]] = []
        self.keys: list[str | None] = []  # of each open mapping: the key that waits for a value
        self.documents: list[Any] = []

    def take(self, event: Any) -> None:
        _refuse(event)
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._begin({}, event)
            case yaml.SequenceStartEvent():
                self._begin([], event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self.keys.pop()
                self._add(self.open.pop(), event)
            case yaml.DocumentStartEvent() if self.documents:
                raise NotReadable(f"{_at(event)}: a second document begins; a file holds one.")

    def _begin(self, container: dict[str, Any] | list[Any], event: Any) -> None:
        if self.open and isinstance(self.open[-1], dict) and self.keys[-1] is None:
            raise NotReadable(f"{_at(event)}: a key must be text.")
        if len(self.open) >= DEEPEST:
            raise NotReadable(f"{_at(event)}: is nested deeper than {DEEPEST} levels.")
        self.open.append(container)
        self.keys.append(None)

    def _scalar(self, event: Any) -> None:
        if _NO_TEXT.search(event.value):
            raise NotReadable(f"{_at(event)}: holds a character that is no text.")
        if self.open and isinstance(self.open[-1], dict) and self.keys[-1] is None:
            if event.value in self.open[-1]:
                raise NotReadable(f'{_at(event)}: "{event.value}" stands here twice.')
            self.keys[-1] = event.value
            return
        self._add(_value(event), event)

    def _add(self, value: Any, event: Any) -> None:
        if not self.open:
            self.documents.append(value)
        elif isinstance(container := self.open[-1], list):
            container.append(value)
        else:
            container[str(self.keys[-1])] = value
            self.keys[-1] = None


def _build(events: Iterator[Any]) -> Any:
    builder = _Builder()
    for event in events:
        builder.take(event)
    if not builder.documents or builder.documents[0] is None:
        raise NotReadable("is empty.")
    return builder.documents[0]


def _refuse(event: Any) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise NotReadable(f"{_at(event)}: anchors (&) and aliases (*) are not taken; write it out.")
    if tag := getattr(event, "tag", None):
        raise NotReadable(f'{_at(event)}: the tag "{tag}" is not taken; write plain values.')


def _value(event: Any) -> Any:
    text: str = event.value
    if event.style or not event.implicit[0]:
        return text
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _at(event: Any) -> str:
    return f"line {event.start_mark.line + 1}"


def _complaint(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"line {line}: holds a character that is no text."
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"is no YAML: {' '.join(str(error).split())}."
    lines = text.splitlines()
    for number in [mark.line, mark.line - 1]:
        if 0 <= number < len(lines) and _TAB_INDENTS.match(lines[number]):
            return f"line {number + 1}: begins with a tab; indent by spaces."
    problem = getattr(error, "problem", None) or "is not understood"
    return f"line {mark.line + 1}: is no YAML here: {problem}."
