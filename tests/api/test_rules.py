"""Every route of the API × every role: the table below says who may what, and nothing else may.

A new route that is missing here, or has no rule of its own, fails.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver

from incidents.alerts.api import AlertViewSet
from incidents.core.access import Rule, scope_allows
from incidents.core.models import ApiToken
from incidents.core.rest import rule_of
from incidents.notifications.models import Delivery
from tests.api.conftest import ROLES, Caller, World, caller

# Their audience is everybody; they show no data.
OPEN = {"/api/docs/"}

EVERYBODY = set(ROLES)
PEOPLE = EVERYBODY - {"anonymous"}
RESPONDERS = PEOPLE - {"viewer"}
MANAGERS = {"manager", "foreign manager", "administrator"}
OF_THE_TEAM = {"responder", "manager", "administrator"}
MANAGERS_OF_THE_TEAM = {"manager", "administrator"}

Body = Callable[[World], dict[str, Any]]


@dataclass
class Route:
    """`may`: who gets through; `at`: the address; `body`; `rule` where it is not told by `may`."""

    rule: Rule
    may: set[str]
    at: Callable[[World, str], str]
    body: Body = field(default=lambda _world: {})


def fixed(address: str) -> Callable[[World, str], str]:
    return lambda _world, _role: f"/api/v1/{address}"


def of(address: str, incident: str = "incident") -> Callable[[World, str], str]:
    return lambda world, _role: (
        f"/api/v1/incidents/{getattr(world, incident).reference}/{address}".format(world=world)
    )


def world_at(address: str) -> Callable[[World, str], str]:
    return lambda world, _role: "/api/v1/" + address.format(world=world)


def own(prefix: str, what: str, suffix: str = "") -> Callable[[World, str], str]:
    def find(world: World, role: str) -> str:
        mine = getattr(world, what).get(role) or getattr(world, what)["viewer"]
        return f"/api/v1/{prefix}/{mine.pk}/{suffix}"

    return find


def delivery_at(world: World, _role: str) -> str:
    return f"/api/v1/deliveries/{Delivery.objects.filter(incident=world.incident)[0].pk}/"


def entry_of_the_reviewed(world: World, _role: str) -> str:
    entry = world.reviewed.timeline.order_by("pk")[0]
    return f"/api/v1/reviews/{world.reviewed.reference}/timeline/{entry.pk}/"


def someday(world: World, **more: Any) -> str:
    return (world.incident.declared_at + timedelta(**more)).isoformat()


def read(address: str | Callable[[World, str], str]) -> Route:
    return Route(Rule.READ, PEOPLE, fixed(address) if isinstance(address, str) else address)


def verb(
    body: dict[str, Any] | Body | None = None,
    *,
    on: str = "incident",
    at: str,
    may: set[str] = RESPONDERS,
) -> Route:
    given = body if callable(body) else lambda _world: body or {}
    return Route(Rule.RESPOND, may, of(at, on), given)


def review(
    what: str, body: dict[str, Any] | Body | None = None, *, may: set[str] = RESPONDERS
) -> Route:
    given = body if callable(body) else lambda _world: body or {}
    return Route(
        Rule.RESPOND,
        may,
        lambda world, _role: f"/api/v1/reviews/{world.reviewed.reference}/{what}".format(
            world=world
        ),
        given,
    )


def item(what: str, body: dict[str, Any] | None = None, *, on: str = "agreed") -> Route:
    return Route(
        Rule.RESPOND,
        RESPONDERS,
        lambda world, _role: f"/api/v1/action-items/{getattr(world, on).pk}/{what}",
        lambda _: body or {},
    )


REASON = {"reason": "Because."}
LEVELS = [{"timeout": 300, "targets": [{"kind": "schedule"}]}]

ROUTES: dict[str, Route] = {
    "POST alerts/{key}/": Route(
        Rule.PUBLIC, EVERYBODY, world_at("alerts/{world.source.key}/"), lambda _: {"summary": "x"}
    ),
    "GET me/": read("me/"),
    # incidents
    "GET incidents/": read("incidents/"),
    "POST incidents/": Route(
        Rule.RESPOND,
        RESPONDERS,
        fixed("incidents/"),
        lambda _: {"title": "Down", "service": "checkout"},
    ),
    "GET incidents/{reference}/": read(of("")),
    "GET incidents/{reference}/timeline/": read(of("timeline/")),
    "GET incidents/{reference}/export/": read(of("export/")),
    "POST incidents/import/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("incidents/import/"),
        lambda _: {
            "incident": {
                "title": "Long ago",
                "severity": "P2",
                "service": "checkout",
                "started_at": "2024-01-15T14:15:00Z",
                "resolved_at": "2024-01-15T15:45:00Z",
            }
        },
    ),
    "POST incidents/{reference}/acknowledge/": verb(at="acknowledge/"),
    "POST incidents/{reference}/unacknowledge/": verb(REASON, at="unacknowledge/"),
    "POST incidents/{reference}/identify/": verb({"suspected_cause": "DNS"}, at="identify/"),
    "POST incidents/{reference}/start-mitigating/": verb(
        {"mitigation": "Restart", "kind": "restart"}, on="identified", at="start-mitigating/"
    ),
    "POST incidents/{reference}/mark-recovered/": verb(at="mark-recovered/"),
    "POST incidents/{reference}/relapse/": verb(at="relapse/"),
    "POST incidents/{reference}/attest/": verb(
        {"fact": "error_rate", "value": 0.1, "window": 600}, at="attest/"
    ),
    "POST incidents/{reference}/resolve/": verb(
        {"suspected_cause": "A typo", "mitigation": "Corrected", "kind": "fix_forward"},
        on="minor",
        at="resolve/",
    ),
    "POST incidents/{reference}/dismiss/": verb(REASON, at="dismiss/"),
    "POST incidents/{reference}/reopen/": verb(REASON, on="closed", at="reopen/"),
    "POST incidents/{reference}/merge/": verb(
        lambda world: {"into": world.identified.reference}, at="merge/"
    ),
    "POST incidents/{reference}/change-severity/": verb(
        {"severity": "SEV2", **REASON}, at="change-severity/"
    ),
    "GET incidents/{reference}/procedure/": read(of("procedure/")),
    "POST incidents/{reference}/change-type/": verb({"incident_type": "slow"}, at="change-type/"),
    "POST incidents/{reference}/follow-procedure/": verb(
        {"procedure": "restart"}, at="follow-procedure/"
    ),
    "POST incidents/{reference}/assign-role/": verb(
        {"role": "commander", "user": "bob"}, at="assign-role/"
    ),
    "POST incidents/{reference}/record-impact/": verb({"users_affected": 7}, at="record-impact/"),
    "POST incidents/{reference}/note/": verb({"text": "Looking."}, at="note/"),
    "POST incidents/{reference}/correct-milestone/": verb(
        lambda world: {"milestone": "started", "at": someday(world, minutes=-5), **REASON},
        at="correct-milestone/",
        may=MANAGERS_OF_THE_TEAM,
    ),
    "POST incidents/{reference}/snooze/": verb(
        lambda world: {"until": someday(world, hours=1), **REASON}, at="snooze/"
    ),
    "POST incidents/{reference}/checklist/": verb({"text": "Tell the desk"}, at="checklist/"),
    "POST incidents/{reference}/checklist/{item}/tick/": verb(at="checklist/{world.item.pk}/tick/"),
    "POST incidents/{reference}/checklist/{item}/untick/": verb(
        at="checklist/{world.item.pk}/untick/"
    ),
    "POST incidents/{reference}/escalate/": verb(REASON, at="escalate/"),
    "GET incidents/{reference}/escalation-rules/": read(of("escalation-rules/")),
    "POST incidents/{reference}/page/": verb({"user": "bob", **REASON}, at="page/"),
    "POST incidents/{reference}/reroute/": verb({"policy": "payments", **REASON}, at="reroute/"),
    # what people are told
    "GET incidents/{reference}/updates/": read(of("updates/")),
    "POST incidents/{reference}/updates/": verb(
        {"audience": "internal", "known": "It is slow."}, at="updates/"
    ),
    "POST incidents/{reference}/updates/preview/": verb(
        {"audience": "external"}, at="updates/preview/"
    ),
    # Whoever gets through is told that nobody asked.
    "POST incidents/{reference}/decline-customer-notice/": verb(
        REASON, at="decline-customer-notice/"
    ),
    # reviews
    "GET reviews/": read("reviews/"),
    "POST reviews/": Route(
        Rule.RESPOND,
        RESPONDERS,
        fixed("reviews/"),
        lambda world: {"incident": world.closed.reference, **REASON},
    ),
    "GET reviews/{reference}/": read(world_at("reviews/{world.reviewed.reference}/")),
    "PATCH reviews/{reference}/": review("", {"version": 1, "impact": "Nobody could pay"}),
    "POST reviews/{reference}/schedule/": review(
        "schedule/", lambda world: {"at": someday(world, days=1)}
    ),
    # Whoever gets through is told that no meeting was planned.
    "POST reviews/{reference}/cancel/": review("cancel/", REASON),
    "POST reviews/{reference}/hold/": review("hold/"),
    "POST reviews/{reference}/publish/": review("publish/"),
    "POST reviews/{reference}/close/": review("close/"),
    "POST reviews/{reference}/waive/": review("waive/", REASON, may=MANAGERS_OF_THE_TEAM),
    "POST reviews/{reference}/attendees/": review("attendees/", {"user": "bob"}),
    "DELETE reviews/{reference}/attendees/{attendee}/": review(
        "attendees/{world.attendee.pk}/", None
    ),
    "POST reviews/{reference}/whys/": review("whys/", {"ask": "Why?"}),
    "PATCH reviews/{reference}/whys/{why}/": review(
        "whys/{world.why.pk}/", {"version": 1, "answer": "The disk was full"}
    ),
    "DELETE reviews/{reference}/whys/{why}/": review("whys/{world.why.pk}/?version=1", None),
    "POST reviews/{reference}/steps/{step}/finish/": review("steps/{world.step.pk}/finish/"),
    "POST reviews/{reference}/steps/{step}/skip/": review("steps/{world.step.pk}/skip/", REASON),
    "POST reviews/{reference}/steps/{step}/undo/": review("steps/{world.step.pk}/undo/"),
    "POST reviews/{reference}/follow-ups/{plan}/assign/": review(
        "follow-ups/{world.step.follow_up_id}/assign/", {"owner": "bob"}
    ),
    "GET reviews/{reference}/sections/": read(
        world_at("reviews/{world.reviewed.reference}/sections/")
    ),
    "PUT reviews/{reference}/sections/{key}/": review(
        "sections/summary/", {"version": 0, "text": "It was slow."}
    ),
    "POST reviews/{reference}/timeline/": review(
        "timeline/", lambda world: {"at": someday(world), "text": "It began."}
    ),
    "PUT reviews/{reference}/timeline/{entry}/": Route(
        Rule.RESPOND, RESPONDERS, entry_of_the_reviewed, lambda _: {"belongs": False}
    ),
    "GET reviews/{reference}/revisions/": read(
        world_at("reviews/{world.reviewed.reference}/revisions/")
    ),
    # Whoever gets through is told that it is not published yet.
    "POST reviews/{reference}/correct/": review("correct/", {"note": "A figure was wrong."}),
    "GET reviews/{reference}/document/": read(
        world_at("reviews/{world.reviewed.reference}/document/")
    ),
    # what is to be done afterwards
    "GET incidents/{reference}/action-items/": read(of("action-items/")),
    "POST incidents/{reference}/action-items/": verb({"title": "Rotate logs"}, at="action-items/"),
    "POST incidents/{reference}/action-items/import/": verb(
        {"source": "Jira", "items": [{"title": "Rotate logs"}]}, at="action-items/import/"
    ),
    "POST incidents/{reference}/propose-runbook-change/": verb(
        {"section": "checklists", "text": "Ask sooner."}, at="propose-runbook-change/"
    ),
    "GET action-items/": read("action-items/"),
    "GET action-items/{pk}/": read(world_at("action-items/{world.agreed.pk}/")),
    "PATCH action-items/{pk}/": item("", {"priority": "low"}),
    "POST action-items/{pk}/assign/": item("assign/", {"owner": "bob"}),
    "POST action-items/{pk}/start/": item("start/"),
    "POST action-items/{pk}/finish/": item("finish/", {"evidence": "Deployed"}),
    "POST action-items/{pk}/verify/": item("verify/", {"proof": "Quiet"}, on="finished"),
    "POST action-items/{pk}/reopen/": item("reopen/", REASON, on="finished"),
    "POST action-items/{pk}/comment/": item("comment/", {"text": "Soon."}),
    "POST action-items/{pk}/decline/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        world_at("action-items/{world.agreed.pk}/decline/"),
        lambda _: REASON,
    ),
    # Whoever gets through is told that it is not suspected by that.
    "POST action-items/{pk}/confirm-suspicion/": item(
        "confirm-suspicion/", {"suspicion": 1, "note": "It failed."}
    ),
    "POST action-items/{pk}/reject-suspicion/": item(
        "reject-suspicion/", {"suspicion": 1, "note": "It did not."}
    ),
    "GET stakeholders/": read("stakeholders/"),
    "POST stakeholders/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("stakeholders/"),
        lambda _: {"name": "Desk", "team": "payments", "people": ["bob"]},
    ),
    "GET stakeholders/{pk}/": read(world_at("stakeholders/{world.stakeholders.pk}/")),
    "PATCH stakeholders/{pk}/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        world_at("stakeholders/{world.stakeholders.pk}/"),
        lambda _: {"is_active": False},
    ),
    "GET team-channels/": read("team-channels/"),
    "POST team-channels/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("team-channels/"),
        lambda _: {"name": "#b", "team": "payments", "kind": "recorder", "address": "b"},
    ),
    "PATCH team-channels/{pk}/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        world_at("team-channels/{world.channel.pk}/"),
        lambda _: {"is_active": False},
    ),
    "GET components/": read("components/"),
    "POST components/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("components/"),
        lambda _: {"service": "checkout", "name": "Payments in shops"},
    ),
    "PATCH components/{pk}/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        world_at("components/{world.component.pk}/"),
        lambda _: {"is_active": False},
    ),
    # what incidents refer to
    "GET services/": read("services/"),
    "GET services/{slug}/": read("services/checkout/"),
    "GET teams/": read("teams/"),
    "GET teams/{slug}/": read("teams/payments/"),
    "GET people/": read("people/"),
    "GET people/{pk}/": read(
        lambda world, _role: f"/api/v1/people/{world.people['responder'].pk}/"
    ),
    "GET runbook-revisions/": read("runbook-revisions/"),
    "GET runbook-revisions/{pk}/": read(
        world_at("runbook-revisions/{world.incident.revision_id}/")
    ),
    "GET timers/": Route(Rule.RESPOND, RESPONDERS, fixed("timers/")),
    # one's own
    "GET tokens/": read("tokens/"),
    "POST tokens/": Route(
        Rule.OWN, PEOPLE, fixed("tokens/"), lambda _: {"name": "ci", "scope": "read"}
    ),
    "GET tokens/{pk}/": read(own("tokens", "tokens")),
    "POST tokens/{pk}/revoke/": Route(Rule.OWN, PEOPLE, own("tokens", "tokens", "revoke/")),
    "GET contact-methods/": read("contact-methods/"),
    "POST contact-methods/": Route(
        Rule.OWN,
        PEOPLE,
        fixed("contact-methods/"),
        lambda _: {"kind": "recorder", "address": "second phone"},
    ),
    "GET contact-methods/{pk}/": read(own("contact-methods", "methods")),
    "DELETE contact-methods/{pk}/": Route(Rule.OWN, PEOPLE, own("contact-methods", "methods")),
    "POST contact-methods/{pk}/send-verification/": Route(
        Rule.OWN, PEOPLE, own("contact-methods", "methods", "send-verification/")
    ),
    # Whoever gets through is told that no code was sent.
    "POST contact-methods/{pk}/verify/": Route(
        Rule.OWN, PEOPLE, own("contact-methods", "methods", "verify/"), lambda _: {"code": "1"}
    ),
    "POST contact-methods/{pk}/test/": Route(
        Rule.OWN, PEOPLE, own("contact-methods", "methods", "test/")
    ),
    "GET deliveries/": read("deliveries/"),
    "GET deliveries/{pk}/": read(delivery_at),
    # alerts
    "GET alerts/": read("alerts/"),
    "GET alerts/{pk}/": read(world_at("alerts/{world.alert.pk}/")),
    "GET sources/": read("sources/"),
    "POST sources/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("sources/"),
        lambda _: {"name": "Other", "team": "payments"},
    ),
    "GET sources/{pk}/": read(world_at("sources/{world.source.pk}/")),
    "PATCH sources/{pk}/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        world_at("sources/{world.source.pk}/"),
        lambda _: {"is_active": False},
    ),
    "POST sources/{pk}/rotate-key/": Route(
        Rule.MANAGE, MANAGERS_OF_THE_TEAM, world_at("sources/{world.source.pk}/rotate-key/")
    ),
    # who is asked
    "GET schedules/": read("schedules/"),
    "POST schedules/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("schedules/"),
        lambda _: {"name": "Second", "timezone": "Europe/Berlin", "team": "payments"},
    ),
    "GET schedules/{slug}/": read("schedules/payments/"),
    "GET schedules/{slug}/roster/": read("schedules/payments/roster/"),
    "POST schedules/{slug}/set-rotation/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("schedules/payments/set-rotation/"),
        lambda _: {
            "kind": "weekly",
            "handover_time": "09:00",
            "starts_on": "2026-03-02",
            "people": ["bob"],
        },
    ),
    "POST schedules/{slug}/assign/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("schedules/payments/assign/"),
        lambda _: {"team": "payments"},
    ),
    "POST schedules/{slug}/overrides/": Route(
        Rule.RESPOND,
        OF_THE_TEAM,
        fixed("schedules/payments/overrides/"),
        lambda world: {
            "user": "bob",
            "starts_at": someday(world, hours=3),
            "ends_at": someday(world, hours=4),
        },
    ),
    "DELETE schedules/{slug}/overrides/{override}/": Route(
        Rule.RESPOND, OF_THE_TEAM, world_at("schedules/payments/overrides/{world.override.pk}/")
    ),
    "GET pages/": read("pages/"),
    "GET escalation-policies/": read("escalation-policies/"),
    "POST escalation-policies/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("escalation-policies/"),
        lambda _: {"name": "Night", "team": "payments", "levels": LEVELS},
    ),
    "GET escalation-policies/{slug}/": read("escalation-policies/payments/"),
    "PUT escalation-policies/{slug}/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("escalation-policies/payments/"),
        lambda _: {"levels": LEVELS},
    ),
    "POST escalation-policies/{slug}/switch/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("escalation-policies/payments/switch/"),
        lambda _: {"is_active": False},
    ),
    "POST escalation-policies/{slug}/assign/": Route(
        Rule.MANAGE,
        MANAGERS_OF_THE_TEAM,
        fixed("escalation-policies/payments/assign/"),
        lambda _: {"team": "payments", "severity": "SEV1"},
    ),
    "GET policy-assignments/": read("policy-assignments/"),
    "GET policy-assignments/{pk}/": read(world_at("policy-assignments/{world.assignment.pk}/")),
    "DELETE policy-assignments/{pk}/": Route(
        Rule.MANAGE, MANAGERS_OF_THE_TEAM, world_at("policy-assignments/{world.assignment.pk}/")
    ),
}
ANSWERED_400 = {
    "POST contact-methods/{pk}/verify/",
    *(f"POST action-items/{{pk}}/{verdict}-suspicion/" for verdict in ["confirm", "reject"]),
}
ANSWERED_409 = {
    "POST incidents/{reference}/decline-customer-notice/",
    # Its meeting is not planned, and it is not held yet.
    *(f"POST reviews/{{reference}}/{verb}/" for verb in ["cancel", "publish", "correct", "close"]),
}
REFUSED = ANSWERED_400 | ANSWERED_409


def walk(patterns: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern), pattern.callback


def readable(pattern: str) -> str:
    """`^incidents/(?P<reference>[^/]+)/note/$` → `incidents/{reference}/note/`."""
    out, rest = "", pattern.replace("^", "").removesuffix("$").removesuffix("?")
    while "(?P<" in rest:
        before, _, rest = rest.partition("(?P<")
        name, _, rest = rest.partition(">")
        depth = 1
        for place, sign in enumerate(rest):
            depth += {"(": 1, ")": -1}.get(sign, 0)
            if depth == 0:
                rest = rest[place + 1 :]
                break
        out += f"{before}{{{name}}}"
    return out + rest.replace("\\Z", "")


def found_routes() -> dict[str, tuple[Any, str]]:
    """ "METHOD address" → (view class with its actions, method), for everything under /api/v1/."""
    found: dict[str, tuple[Any, str]] = {}
    for pattern, callback in walk(get_resolver().url_patterns):
        address = readable(pattern)
        view = getattr(callback, "cls", None)
        if view is None or not address.startswith("api/v1/"):
            continue
        actions = getattr(callback, "actions", None) or {
            method: method
            for method in ["get", "post", "put", "patch", "delete"]
            if hasattr(view, method)
        }
        for method, action in actions.items():
            if method != "head":
                name = f"{method.upper()} {address.removeprefix('api/v1/')}"
                found[name] = (view, action)
    return found


def test_every_route_is_in_the_table_and_nothing_else() -> None:
    found, told = set(found_routes()), set(ROUTES)

    assert found - told == set(), "say in ROUTES who may use these"
    assert told - found == set(), "these are gone"


def test_everything_below_api_is_ruled_or_known_to_be_open() -> None:
    for pattern, callback in walk(get_resolver().url_patterns):
        address = "/" + readable(pattern)
        if address.startswith("/api/") and hasattr(callback, "cls"):
            assert address in OPEN or getattr(callback.cls, "rules", None), address


@pytest.mark.parametrize("name", ROUTES)
def test_the_view_has_the_rule_that_the_table_tells(name: str) -> None:
    view, action = found_routes()[name]

    assert view.rules[action] == ROUTES[name].rule


@contextmanager
def undone() -> Iterator[None]:
    """What happens within has not happened afterwards: one world serves all routes."""
    before = transaction.savepoint_create()
    try:
        yield
    finally:
        transaction.savepoint_rollback(before)


def test_who_may_gets_through_and_nobody_else(world: World, subtests: pytest.Subtests) -> None:
    clients = {role: caller(user) for role, user in world.people.items()}
    for name, role in product(ROUTES, ROLES):
        with subtests.test(name, role=role), undone():
            answer = ask(clients[role], name, world, role)

            assert answer.status_code in expected(name, role), answer.content
            if answer.status_code >= 400:
                assert answer["Content-Type"] == "application/problem+json"


def test_a_token_is_limited_by_its_scope(world: World, subtests: pytest.Subtests) -> None:
    root = world.people["administrator"]
    clients = {scope: caller(root, scope) for scope in ApiToken.Scope.values}
    for (name, route), scope in product(ROUTES.items(), clients):
        with subtests.test(name, scope=scope), undone():
            answer = ask(clients[scope], name, world, "administrator")

            if scope_allows(scope, route.rule):
                assert answer.status_code < 400 or name in REFUSED, answer.content
            else:
                assert answer.status_code == 403
                assert answer.json()["code"] == "scope"


def test_a_private_incident_is_not_there_for_who_may_not_see_it(
    world: World, subtests: pytest.Subtests
) -> None:
    everything = [world.incident, world.identified, world.minor, world.closed, world.reviewed]
    for incident in everything:
        incident.is_private = True
        incident.save()
    client = caller(world.people["manager"])
    for name in [name for name in ROUTES if "{reference}" in name]:
        with subtests.test(name), undone():
            answer = ask(client, name, world, "manager")

            assert answer.status_code == 404, answer.content
            assert answer["Content-Type"] == "application/problem+json"


def ask(client: Caller, name: str, world: World, role: str) -> Any:
    method, route = name.partition(" ")[0], ROUTES[name]
    return client.send(method, route.at(world, role), route.body(world))


def expected(name: str, role: str) -> set[int]:
    if role not in ROUTES[name].may:
        return {401} if role == "anonymous" else {403}
    if name in ANSWERED_400:
        return {400}
    return {409} if name in ANSWERED_409 else {200, 201, 202, 204}


def test_a_route_without_a_rule_is_our_mistake() -> None:
    view = AlertViewSet()
    view.action_map = {"get": "list"}
    view.rules = {}

    with pytest.raises(ImproperlyConfigured, match="AlertViewSet"):
        rule_of(view, "GET")
