"""Writing policies: levels, whom they mean, and where they apply."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from incidents.core.errors import DomainError
from incidents.core.models import Service, Severity, Team, User
from incidents.escalation.models import EscalationPolicy, Level, LevelTarget, PolicyAssignment

logger = logging.getLogger(__name__)

MOST_LEVELS = 20
MOST_REPEATS = 20
LONGEST_TIMEOUT = timedelta(days=7)

Kind = LevelTarget.Kind


@transaction.atomic
def create_policy(
    *,
    name: str,
    levels: Sequence[Mapping[str, Any]] = (),
    slug: str = "",
    repeats: int = 2,
    acknowledgement_expiry: timedelta | None = None,
    team: Team | None = None,
    actor: User | None,
) -> EscalationPolicy:
    """A new policy. It does nothing before it is assigned; `levels` as for `set_levels`.

    Without a team only administrators change it. Without levels, which may come later, its
    incidents go to the last resort at once. Raises DomainError.
    """
    name = _checked_name(name)
    slug = (slug or slugify(name))[:64]
    if not slug:
        raise DomainError("Give it a slug of letters and digits.", field="slug")
    if EscalationPolicy.objects.filter(slug=slug).exists():
        raise DomainError(f"There is a policy with the slug {slug} already.", field="slug")
    _check_figures(repeats, acknowledgement_expiry)
    policy = EscalationPolicy.objects.create(
        name=name,
        slug=slug,
        repeats=repeats,
        acknowledgement_expiry=acknowledgement_expiry,
        team=team,
    )
    logger.info("%s created the escalation policy %s", actor or "Tocsin", slug)
    return set_levels(policy, levels=levels, actor=actor) if levels else policy


@transaction.atomic
def update_policy(
    policy: EscalationPolicy,
    *,
    name: str | None = None,
    repeats: int | None = None,
    acknowledgement_expiry: timedelta | None = None,
    actor: User | None,
) -> EscalationPolicy:
    """Change its name, how often it starts over (None: as it is), when acknowledgements expire.

    `acknowledgement_expiry` None: never. One that is running expires as it was going to.
    """
    policy = _lock(policy)
    if name is not None:
        policy.name = _checked_name(name, but=policy)
    policy.repeats = policy.repeats if repeats is None else repeats
    policy.acknowledgement_expiry = acknowledgement_expiry
    _check_figures(policy.repeats, acknowledgement_expiry)
    policy.save(update_fields=["name", "repeats", "acknowledgement_expiry"])
    logger.info("%s changed the escalation policy %s", actor or "Tocsin", policy.slug)
    return policy


@transaction.atomic
def hand_over_policy(
    policy: EscalationPolicy, *, team: Team | None, actor: User | None
) -> EscalationPolicy:
    """From now on the managers of `team` may change it; None: administrators only."""
    policy = _lock(policy)
    policy.team = team
    policy.save(update_fields=["team"])
    logger.info("%s gave the escalation policy %s to %s", actor or "Tocsin", policy.slug, team)
    return policy


@transaction.atomic
def set_levels(
    policy: EscalationPolicy, *, levels: Sequence[Mapping[str, Any]], actor: User | None
) -> EscalationPolicy:
    """Replace all levels; running escalations follow the new ones from their next step on.

    `levels`: {"timeout": timedelta, "targets": [target, …]} in order; a target is {"kind",
    "schedule", "user", "team", "function"}, of which its kind says what is needed. A schedule or
    team that is left out is that of the team that owns the incident's service.
    """
    policy = _lock(policy)
    if not levels:
        raise DomainError("A policy needs at least one level.", field="levels")
    if len(levels) > MOST_LEVELS:
        raise DomainError(f"A policy has {MOST_LEVELS} levels at most.", field="levels")
    drafts = [
        (_checked_timeout(level, number), _checked_targets(level, number))
        for number, level in enumerate(levels, 1)
    ]
    policy.levels.all().delete()
    rows = Level.objects.bulk_create(
        Level(policy=policy, position=number, timeout=timeout)
        for number, (timeout, _) in enumerate(drafts, 1)
    )
    LevelTarget.objects.bulk_create(
        LevelTarget(level=row, **target)
        for row, (_, targets) in zip(rows, drafts, strict=True)
        for target in targets
    )
    logger.info("%s set the levels of %s", actor or "Tocsin", policy.slug)
    return policy


@transaction.atomic
def set_active(
    policy: EscalationPolicy, *, is_active: bool, actor: User | None
) -> EscalationPolicy:
    """Switch it on or off. What is assigned to one that is off goes to the last resort at once."""
    policy = _lock(policy)
    policy.is_active = is_active
    policy.save(update_fields=["is_active"])
    logger.info("%s switched %s %s", actor or "Tocsin", policy.slug, "on" if is_active else "off")
    return policy


@transaction.atomic
def assign_policy(
    policy: EscalationPolicy,
    *,
    service: Service | None = None,
    team: Team | None = None,
    severity: str = "",
    actor: User | None,
) -> PolicyAssignment:
    """Have it apply to a service, to what a team owns, or to everything; to one severity or all.

    Replaces what was assigned to just that until now. The most specific assignment wins. What is
    being asked already goes on by its old policy until it starts again.
    """
    if service is not None and team is not None:
        raise DomainError("Assign it to a service or to a team, not to both.", field="team")
    if severity and severity not in Severity.values:
        raise DomainError(
            f"{severity!r} is no severity; use one of {', '.join(Severity.values)}.",
            field="severity",
        )
    where: dict[str, Any] = {"service": service, "team": team, "severity": severity}
    rows = PolicyAssignment.objects.filter(**where)
    logger.info("%s assigns %s to %s", actor or "Tocsin", policy.slug, where)
    if not rows.update(policy=policy):
        try:
            with transaction.atomic():
                return PolicyAssignment.objects.create(policy=policy, **where)
        except IntegrityError:  # somebody else was quicker; the later one wins
            rows.update(policy=policy)
    return rows.select_related("policy").get()


def unassign_policy(assignment: PolicyAssignment, *, actor: User | None) -> None:
    """The next most specific assignment applies instead, or none."""
    PolicyAssignment.objects.filter(pk=assignment.pk).delete()
    logger.info("%s took back the assignment %s", actor or "Tocsin", assignment)


def _checked_name(name: str, *, but: EscalationPolicy | None = None) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 120:
        raise DomainError("A policy needs a name of up to 120 characters.", field="name")
    others = EscalationPolicy.objects.all()
    others = others.exclude(pk=but.pk) if but else others
    if others.filter(name=name).exists():
        raise DomainError(f"There is a policy named {name} already.", field="name")
    return name


def _lock(policy: EscalationPolicy) -> EscalationPolicy:
    return EscalationPolicy.objects.select_for_update(no_key=True).get(pk=policy.pk)


def _check_figures(repeats: int, expiry: timedelta | None) -> None:
    if not 0 <= repeats <= MOST_REPEATS:
        raise DomainError(f"It starts over 0 to {MOST_REPEATS} times.", field="repeats")
    if expiry is not None and expiry <= timedelta():
        raise DomainError(
            "An acknowledgement cannot expire at once; leave it empty for never.",
            field="acknowledgement_expiry",
        )


def _checked_timeout(level: Mapping[str, Any], number: int) -> timedelta:
    timeout = level.get("timeout")
    if not isinstance(timeout, timedelta) or not timedelta() < timeout <= LONGEST_TIMEOUT:
        raise DomainError(
            f"Level {number} needs a time to answer, of up to {LONGEST_TIMEOUT.days} days.",
            field="levels",
        )
    return timeout


def _checked_targets(level: Mapping[str, Any], number: int) -> list[dict[str, Any]]:
    targets = [_checked_target(dict(target), number) for target in level.get("targets", [])]
    if not targets:
        raise DomainError(f"Level {number} asks nobody: say whom.", field="levels")
    return targets


def _checked_target(given: dict[str, Any], number: int) -> dict[str, Any]:
    kind = given.get("kind")
    if kind not in Kind.values:
        raise DomainError(
            f"Level {number}: {kind!r} is no kind of target; use one of {', '.join(Kind.values)}.",
            field="levels",
        )
    needs = {
        Kind.SCHEDULE: {"schedule"},
        Kind.PERSON: {"user"},
        Kind.FUNCTION: {"team", "function"},
    }.get(Kind(kind), {"team"})
    extra = {name for name, value in given.items() if value} - needs - {"kind"}
    if extra:
        raise DomainError(
            f"Level {number}: a target of kind {kind} has no {', '.join(sorted(extra))}.",
            field="levels",
        )
    user = given.get("user")
    if kind == Kind.PERSON and (user is None or not user.is_active):
        whom = "says nobody" if user is None else f"names {user}, who is deactivated"
        raise DomainError(f"Level {number} {whom}: name an active person.", field="levels")
    if kind == Kind.FUNCTION and not given.get("function"):
        raise DomainError(f"Level {number}: say which function, e.g. director.", field="levels")
    return {"kind": kind, **{name: given[name] for name in needs if given.get(name)}}
