"""What an update reads like: the runbook's templates, or the built-in ones. Pure.

Built in, what is not known is left out; a runbook's own template says that it is not known yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from incidents.comms import language
from incidents.comms.models import Audience, Occasion
from incidents.comms.section import Communication

STATUS_PAGE, ESCALATION = "status_page", "escalation"
# What a draft may be made of: updates, and what people copy elsewhere.
DRAFTS = [*Occasion.values, ESCALATION]

_SUBJECTS = {
    (Audience.INTERNAL, Occasion.INITIAL): "[{severity}] {service}: {title}",
    (Audience.INTERNAL, Occasion.UPDATE): "[{severity}] Update {number}: {title}",
    (Audience.INTERNAL, Occasion.RESOLUTION): "[Resolved] [{severity}] {title}",
    (Audience.INTERNAL, Occasion.ALL_CLEAR): "[All clear] [{severity}] {title}",
    (Audience.INTERNAL, Occasion.APOLOGY): "[Resolved] [{severity}] {title}",
    (Audience.INTERNAL, ESCALATION): "Escalation needed: [{severity}] {title}",
    (Audience.EXTERNAL, Occasion.INITIAL): "{headline}",
    (Audience.EXTERNAL, Occasion.UPDATE): "Update: {headline}",
    (Audience.EXTERNAL, Occasion.RESOLUTION): "Resolved: {headline}",
    (Audience.EXTERNAL, Occasion.ALL_CLEAR): "Resolved: {headline}",
    (Audience.EXTERNAL, Occasion.APOLOGY): "Our apologies: {headline}",
    (Audience.EXTERNAL, ESCALATION): "{headline}",
}

# Paragraphs of lines; a line stands there only where its (first) variable is known.
_HEAD = ["Incident: {reference}", "Service: {service}", "Severity: {severity}", "Status: {status}"]
_SINCE = ["Started: {started}", "Duration: {duration}"]
_TOLD = [["{known}"], ["Done: {done}"], ["Next: {next}"], ["Expected to be over: {eta}"]]
_NEXT = [["Next update: {next_update}"]]
_HURT = [["Impact: {impact}", "Users affected: {users_affected}"]]
_PEOPLE = [["Commander: {commander}", "Working on it: {responders}"]]
_PLACES = [["Channel: {channel}", "Call: {bridge}"]]

_INSIDE = [[*_HEAD, *_SINCE], *_TOLD, *_HURT, *_PEOPLE, *_PLACES, *_NEXT]
_OVER = [
    [*_HEAD, "Resolved: {resolved}", "Duration: {duration}"],
    *_TOLD,
    ["Root cause: {root_cause}"],
    ["How it was resolved: {resolution}"],
    *_HURT,
    ["Review due: {review_at}"],
]
_ASKED = [
    [*_HEAD, *_SINCE, "Current responder: {acknowledged_by}"],
    *_TOLD,
    *_HURT,
    ["Reason: {reason}", "Requesting: {requesting}"],
]
_OUTSIDE = [
    ["Status: {status}", "Affected: {affected_services}", "Since: {started}"],
    *_TOLD,
    *_NEXT,
    ["Status page: {status_page}"],
]
_OUTSIDE_OVER = [
    ["Status: {status}", "Affected: {affected_services}", "Duration: {duration}"],
    *_TOLD,
    ["Status page: {status_page}"],
]
_SORRY = [["We are sorry for the disruption."], *_TOLD, ["Status page: {status_page}"]]
_PAGE = [["{known}"], ["{done}"], ["{next}"], ["We expect it to be over: {eta}"], *_NEXT]

_BODIES = {
    (Audience.INTERNAL, Occasion.INITIAL): _INSIDE,
    (Audience.INTERNAL, Occasion.UPDATE): _INSIDE,
    (Audience.INTERNAL, Occasion.RESOLUTION): _OVER,
    (Audience.INTERNAL, Occasion.ALL_CLEAR): _OVER,
    (Audience.INTERNAL, Occasion.APOLOGY): _OVER,
    (Audience.INTERNAL, ESCALATION): _ASKED,
    (Audience.EXTERNAL, Occasion.INITIAL): _OUTSIDE,
    (Audience.EXTERNAL, Occasion.UPDATE): _OUTSIDE,
    (Audience.EXTERNAL, Occasion.RESOLUTION): _OUTSIDE_OVER,
    (Audience.EXTERNAL, Occasion.ALL_CLEAR): _OUTSIDE_OVER,
    (Audience.EXTERNAL, Occasion.APOLOGY): _SORRY,
    (Audience.EXTERNAL, ESCALATION): _OUTSIDE,
}
_POSTS = {
    "declared": "[{severity}] {service}: {title}\nStatus: {status}\nSince: {started}",
    "resolved": "Resolved: [{severity}] {service}: {title}\n{root_cause}\nDuration: {duration}",
}


@dataclass(frozen=True)
class Draft:
    """What would be sent: one line, and plain text."""

    subject: str
    text: str


def write(
    section: Communication,
    audience: str,
    occasion: str,
    values: Mapping[str, str],
    *,
    whole: bool = True,
) -> Draft:
    """By the runbook's template for this audience and occasion, or the built-in one.

    The end of it all is told outside by `all_clear`, or by `resolution` where only that is there.
    `whole`: what its author wrote and the template has no place for stands at its end.
    """
    letter = getattr(getattr(section.templates, occasion), audience)
    if letter is None and occasion == Occasion.ALL_CLEAR:
        letter = getattr(section.templates.resolution, audience)
    key = (Audience(audience), occasion)
    subject = letter.subject if letter and letter.subject else _SUBJECTS[key]
    text = _by(letter.body, values, _TOLD if whole else []) if letter else ""
    text = text or _built(_BODIES[key], values)
    return Draft(" ".join(language.fill(subject, values).split())[:300], text)


def write_public(section: Communication, values: Mapping[str, str]) -> str:
    """What the public page shows of an update that was written for outside."""
    letter = section.templates.status_page.external
    return _by(letter.body, values, _PAGE) if letter else _built(_PAGE, values)


def _by(template: str, values: Mapping[str, str], written: list[list[str]]) -> str:
    """The template filled in, and behind it what was `written` and is not named in it."""
    named = set(_names(template))
    if "next_update_in" in named:
        named.add("next_update")
    rest = [lines for lines in written if not named.intersection(_names(lines[0]))]
    return "\n\n".join(filter(None, [language.fill(template, values), _built(rest, values)]))


def write_post(template: str | None, occasion: str, values: Mapping[str, str]) -> str:
    """What is posted to a channel: the runbook's words, or the built-in ones."""
    if template:
        return language.fill(template, values)
    lines = [[line] for line in _POSTS[occasion].split("\n")]
    return _built(lines, values).replace("\n\n", "\n")


def _built(paragraphs: list[list[str]], values: Mapping[str, str]) -> str:
    told = []
    for lines in paragraphs:
        known = [line for line in lines if all(values.get(name) for name in _names(line))]
        if known:
            told.append("\n".join(_line(line, values) for line in known))
    return "\n\n".join(told)


def _line(line: str, values: Mapping[str, str]) -> str:
    """What takes several lines begins below its name, so that a list stays a list."""
    label, colon, variable = line.partition(": ")
    if colon and "\n" in values[_names(line)[0]]:
        return f"{label}:\n{language.fill(variable, values)}"
    return language.fill(line, values)


def _names(line: str) -> list[str]:
    return [piece.partition("}")[0] for piece in line.split("{")[1:]]
