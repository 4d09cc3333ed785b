"""The language of templates: text with {variable} in it, and nothing else. Pure.

`{{` and `}}` are braces. There are no attributes, no calls and no formats: a template cannot reach
anything but the values it is given. What is unknown is found when a template is checked; when one
is filled in, a value that is missing reads as such and nothing is ever refused.
"""

import re
from collections.abc import Iterator, Mapping
from html import escape

NOT_KNOWN = "not known yet"

# What may stand in braces, and what it says.
VARIABLES = {
    "reference": "the incident's reference",
    "severity": "the severity as the runbook calls it",
    "title": "the incident's title, as responders wrote it",
    "headline": "what the public page calls it",
    "service": "the service; outside, the name of its public component",
    "affected_services": "every service that is hurt",
    "status": "Investigating, Identified, Mitigating, Monitoring or Resolved",
    "impact": "the impact as recorded",
    "users_affected": "how many users are affected",
    "started": "when it began, or was noticed",
    "declared": "when it was declared",
    "resolved": "when it was resolved",
    "updated": "when this update is published",
    "duration": "how long it has lasted, or lasted",
    "known": "what is known, from the update",
    "done": "what was done, from the update",
    "next": "what comes next, from the update",
    "eta": "when it will be over, from the update",
    "next_update": "when the next update is due",
    "next_update_in": "how long it is until then",
    "number": "the number of the update, counted for each audience",
    "commander": "who commands",
    "technical_lead": "who leads the technical work",
    "communications_lead": "who leads the communication",
    "scribe": "who keeps the record",
    "responders": "everybody who works on it",
    "author": "who writes the update",
    "reporter": "who or what declared it",
    "acknowledged_by": "who has acknowledged it",
    "suspected_cause": "the suspected cause",
    "mitigation": "what is being done about it",
    "root_cause": "the root cause",
    "resolution": "how it was resolved",
    "review_at": "when the review is due",
    "post_incident": "where the review is found",
    "channel": "the channel of the incident",
    "bridge": "the address of the call",
    "status_page": "the address of the public status page",
    "reason": "why somebody else is asked",
    "requesting": "who or what is asked for",
}

# What is fit for outside by itself, or was written for it; the rest is for colleagues.
OUTSIDE = frozenset(
    {
        *("reference", "severity", "headline", "service", "affected_services", "status"),
        *("users_affected", "started", "declared", "resolved", "updated", "duration"),
        *("known", "done", "next", "eta", "next_update", "next_update_in", "number"),
        "status_page",
    }
)

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def complaints(template: str, *, outside: bool = False) -> Iterator[str]:
    """What is wrong with a template, one sentence each, with what is allowed.

    `outside`: it goes to customers and the public.
    """
    known = OUTSIDE if outside else frozenset(VARIABLES)
    allowed = f"allowed are {', '.join(sorted(known))}."
    for match in _TOKEN.finditer(template):
        name, token = match[1], match[0]
        if token in {"{{", "}}"}:
            continue
        if name is None:
            yield f"A single {token} means nothing: write {token}{token} for a brace."
        elif name not in known:
            why = "is for colleagues only" if name in VARIABLES else "is unknown"
            yield f"{{{name}}} {why}; {allowed}"


def fill(template: str, values: Mapping[str, str]) -> str:
    """The text with every variable in its place. Never raises, whatever the template."""
    return _TOKEN.sub(lambda match: _said(match, values), template).strip()


def _said(match: re.Match[str], values: Mapping[str, str]) -> str:
    if match[0] in {"{{", "}}"}:
        return match[0][0]
    if match[1] is None or match[1] not in VARIABLES:
        return match[0]
    return values.get(match[1], "").strip() or NOT_KNOWN


_ADDRESS = re.compile(r"https?://[^\s<>&\"']+(?:&amp;[^\s<>&\"']+)*")
_HEADING = re.compile(r"[A-Z][A-Z /-]{2,60}:?")
_FACT = re.compile(r"([A-Z][^:\n]{0,40}): (.+)")
_STYLES = {
    "h2": "margin:20px 0 4px;font-size:13px;letter-spacing:.04em;color:#5a5a63",
    "p": "margin:0 0 12px;white-space:pre-line",
    "ul": "margin:0 0 12px;padding-left:20px",
    "fact": "margin:0 0 2px",
}


def as_html(text: str) -> str:
    """Plain text as safe HTML: paragraphs, lists of lines with "- ", headings, facts, links.

    Styles stand inline, as mail programs drop everything else.
    """
    blocks = re.split(r"\n\s*\n", text.strip())
    return "\n".join(_block(block.strip("\n").split("\n")) for block in blocks if block.strip())


def _block(lines: list[str]) -> str:
    pieces: list[str] = []
    items: list[str] = []
    for line in [*lines, ""]:
        if line.startswith(("- ", "• ", "* ")):
            items.append(f"<li>{_inline(line[2:])}</li>")
            continue
        if items:
            pieces.append(f'<ul style="{_STYLES["ul"]}">{"".join(items)}</ul>')
            items = []
        if line.strip():
            pieces.append(_line(line.strip()))
    return "".join(pieces) + '<div style="height:10px"></div>'


def _line(line: str) -> str:
    if _HEADING.fullmatch(line):
        return f'<h2 style="{_STYLES["h2"]}">{escape(line.rstrip(":"))}</h2>'
    fact = _FACT.fullmatch(line)
    if fact is not None:
        return (
            f'<p style="{_STYLES["fact"]}"><strong>{escape(fact[1])}:</strong> '
            f"{_inline(fact[2])}</p>"
        )
    return f'<p style="{_STYLES["fact"]}">{_inline(line)}</p>'


def _inline(text: str) -> str:
    return _ADDRESS.sub(
        lambda match: f'<a href="{match[0]}" style="color:#5b21b6">{match[0]}</a>', escape(text)
    )
