"""What a document says by itself, as Markdown: a summary, what figures praise and miss. Pure."""

from datetime import timedelta

from incidents.core.models import Incident, Kind
from incidents.reviews.document import timeline
from incidents.reviews.document.facts import Facts, Phase
from incidents.reviews.document.wording import (
    counted,
    day,
    hour,
    lasting,
    listed,
    money,
    period,
    sentence,
    stamp,
)
from incidents.reviews.markdown import escape

_ALL = "All {} promised updates were"
DEEDS = {
    "detect": "It was noticed",
    "respond": "Somebody responded",
    "identify": "The cause was found",
    "mitigate": "Mitigation began",
    "resolve": "It worked again",
}
DATA: dict[str, str] = {
    Incident.DataLoss.NONE: "No data was lost",
    Incident.DataLoss.SUSPECTED: "Data may have been lost",
    Incident.DataLoss.CONFIRMED: "Data was lost",
}
_EVENTS = {
    Kind.EXHAUSTED: "nobody was left to ask",
    Kind.ACKNOWLEDGEMENT_EXPIRED: "an acknowledgement expired over the work",
    Kind.PAGE_FAILED: "a page could not be delivered",
    Kind.RELAPSED: "it broke again after it had worked",
    Kind.REOPENED: "it was resolved too early and had to be reopened",
}


def summary(facts: Facts) -> str:
    """Two paragraphs: what happened to whom, and how it went."""
    happened = [_what(facts), sentence(escape(facts.impact)), _hurt(facts)]
    went = [_noticed(facts), _cause(facts), _mitigated(facts), _over(facts)]
    return "\n\n".join(" ".join(filter(None, part)) for part in [happened, went] if any(part))


def _what(facts: Facts) -> str:
    drill = "In a drill, " if facts.is_drill else ""
    when = f"on {day(facts.began_at)}" if drill else f"On {day(facts.began_at)}"
    where = f"{escape(facts.service)} ({escape(facts.team)})"
    severity = f"an incident of {escape(facts.severity_label)}"
    if facts.lasted is None or facts.ended_at is None:
        return f"{drill}{when} {where} had {severity}: “{escape(facts.title)}”."
    span = f"{lasting(facts.lasted)}, {period(facts.began_at, facts.ended_at)}"
    return f"{drill}{when} {where} had {severity} for {span}: “{escape(facts.title)}”."


def _hurt(facts: Facts) -> str:
    parts = []
    if facts.users_affected is not None:
        parts.append(f"{counted(facts.users_affected, 'user')} were affected")
    if facts.revenue_lost:
        parts.append(f"{money(facts.revenue_lost, facts.currency)} of revenue was lost")
    if lost := DATA.get(facts.data_lost):
        parts.append(lost if not parts else lost[0].lower() + lost[1:])
    return sentence(listed(parts))


def _noticed(facts: Facts) -> str:
    took = {phase.name: phase.seconds for phase in facts.phases}
    by = f" by {escape(facts.noticed_by)}" if facts.noticed_by else ""
    parts = []
    if took.get("detect") is not None:
        parts.append(f"It was noticed{by} {lasting(took['detect'] or 0)} after it began")
    elif by:
        parts.append(f"It was noticed{by}")
    if facts.milestones.get("acknowledged"):
        taken = facts.milestones["acknowledged"]
        first = next((e.by for e in facts.entries if e.kind == Kind.ACKNOWLEDGED), "")
        who = escape(first) or "Somebody"
        parts.append(f"{who} acknowledged it at {hour(taken)}")
    commander = next((held.who for held in reversed(facts.roles) if held.role == "Commander"), "")
    if commander:
        parts.append(f"{escape(commander)} commanded")
    return sentence(listed(parts))


def _cause(facts: Facts) -> str:
    first = facts.root_cause.strip().split("\n\n")[0]
    if not first:
        return ""
    found = facts.milestones.get("identified")
    at = f" (found at {hour(found)})" if found else ""
    return f"The cause{at}: {sentence(escape(first))}"


def _mitigated(facts: Facts) -> str:
    if not facts.mitigation:
        return ""
    kind = f" ({escape(facts.mitigation_kind.lower())})" if facts.mitigation_kind else ""
    return f"The mitigation{kind}: {sentence(escape(facts.mitigation))}"


def _over(facts: Facts) -> str:
    known = facts.milestones
    if "recovered" not in known or "resolved" not in known:
        return ""
    seen = known["resolved"] - known["recovered"]
    same_day = known["resolved"].date() == facts.began_at.date()
    at = hour(known["resolved"]) if same_day else f"{stamp(known['resolved'])} UTC"
    if seen < timedelta(minutes=1):
        return f"It was resolved at {at}."
    return f"It was watched for {lasting(seen)} and resolved at {at}."


# --- What the record praises, and what it misses --------------------------------------------------


def went_well(facts: Facts) -> str:
    lines = [_reached(phase) for phase in facts.phases if phase.met]
    if line := _first_answer(facts):
        lines.append(line)
    on_time, late, missed = promises(facts)
    if on_time and not late and not missed:
        promised = _ALL.format(on_time) if on_time > 1 else "The one promised update was"
        lines.append(f"{promised} sent in time.")
    known = facts.milestones
    if "mitigating" in known and "recovered" in known:
        took = known["recovered"] - known["mitigating"]
        if timedelta() < took <= timedelta(minutes=15):
            lines.append(f"It worked again {lasting(took)} after the mitigation began.")
    return _bullets(lines)


def to_improve(facts: Facts) -> str:
    lines = [_reached(phase) for phase in facts.phases if phase.met is False]
    _, late, missed = promises(facts)
    if late:
        lines.append(f"{counted(late, 'update')} came later than promised.")
    if missed:
        lines.append(f"{counted(missed, 'promised update')} never came.")
    kinds = [entry.kind for entry in facts.entries]
    for kind, words in _EVENTS.items():
        if times := kinds.count(kind):
            lines.append(sentence(f"{words}{f' ({times} times)' if times > 1 else ''}"))
    rows = timeline.told(facts)
    lines += [
        f"Between {hour(gap.after)} and {hour(gap.until)} ({lasting(gap.lasted)}) nothing was "
        "written down."
        for gap in timeline.gaps(rows, facts)
    ]
    if "started" not in facts.milestones:
        lines.append("It is not known when it began.")
    return _bullets(lines)


def prevention(facts: Facts) -> str:
    return _bullets(
        [
            sentence(escape(action.title))
            for action in facts.actions
            if action.kind.lower().startswith("prevent") and action.state != "declined"
        ]
    )


def promises(facts: Facts) -> tuple[int, int, int]:
    """Promised updates that came in time, late, and never."""
    told = [e.data.get("on_time") for e in facts.entries if e.kind == Kind.UPDATE_PUBLISHED]
    missed = sum(entry.kind == Kind.UPDATE_MISSED for entry in facts.entries)
    return told.count(True), told.count(False), missed


def _reached(phase: Phase) -> str:
    took = f" after {lasting(phase.seconds)}" if phase.seconds is not None else ""
    goal = "" if phase.target is None else f" of {lasting(phase.target)}"
    judged = f"within the target{goal}" if phase.met else f"the target{goal} was missed"
    return f"{DEEDS.get(phase.name, phase.name)}{took}, {judged}."


def _first_answer(facts: Facts) -> str:
    """Worth a line where the ladder was not needed: who was asked first also answered."""
    asked = sorted(facts.asked, key=lambda page: page.at)
    if not asked or asked[0].answered_at is None:
        return ""
    if len({page.who for page in asked if page.level is not None}) > 1:
        return ""
    took = asked[0].answered_at - asked[0].at
    return f"Whoever was paged first answered, {lasting(took)} later."


def _bullets(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
