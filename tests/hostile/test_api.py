"""Strangers at the API: schemathesis makes requests of its schema, right and wrong ones.

About 500 by default, 10,000 in the full run (or TOCSIN_API_CASES). PROOF_SEED repeats a run.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import GenerationMode
from schemathesis.core.failures import AcceptedNegativeData, Failure, FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance

from incidents.core import services as core
from incidents.core.models import User
from tests.api.conftest import *  # noqa: F403  # one of everything, one person of every role
from tests.hostile.size import many, seed
from tests.proof.report import note

pytestmark = pytest.mark.django_db

CASES = many("TOCSIN_API_CASES", usual=300, full=10_000)
SEED = seed()
VISIT = 10  # requests
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
# Not of the shape: only the house knows what there is, and which moments make sense.
ABOUT_THE_HOUSE = {"does_not_exist", "range", "null_characters_not_allowed"}


class Strangers:
    """Counts what was sent, and keeps the first failure of every kind."""

    def __init__(self, person: User | None, known: dict[str, dict[str, list[Any]]]) -> None:
        self.rng, self.known, self.person = random.Random(SEED), known, person
        self.headers: dict[str, str] = {}
        self.log_in()
        self.sent = 0
        self.answers: Counter[int] = Counter()
        self.failures: dict[tuple[str, str], str] = {}

    def log_in(self) -> None:
        """Anew also when one of the requests has revoked the token."""
        if self.person is not None:
            secret = core.issue_token(self.person, name="t", scope="manage")[1]
            self.headers = {"Authorization": f"Bearer {secret}"}

    def count(self, status: int) -> None:
        self.answers[status] += 1
        if status == 401:
            self.log_in()

    def call(self, case: Any) -> None:
        self.sent += 1
        self.aim(case)
        try:
            response = case.call_and_validate(headers=self.headers, **CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                self.keep(failure, case)
        else:
            self.count(response.status_code)

    def aim(self, case: Any) -> None:
        """At something that there is, more often than not: behind a 404 there is little to see."""
        if not case.meta.generation.mode.is_positive or self.rng.random() < 0.3:
            return
        nouns = case.operation.path.removeprefix("/api/v1/").split("/")[0]
        for name in case.path_parameters or {}:
            if there := self.known.get(nouns, {}).get(name):
                case.path_parameters[name] = self.rng.choice(there)

    def keep(self, failure: Exception, case: Any) -> None:
        if isinstance(failure, AcceptedNegativeData) and is_no_drift(str(failure), case):
            return
        key = (type(failure).__name__, case.operation.label)
        self.failures.setdefault(key, f"{failure}\n{case.as_curl_command()}"[:2_000])

    def judge(self, check: str) -> None:
        print(f"{check}: {self.sent} requests, {dict(self.answers)}, seed {SEED}")  # noqa: T201
        figure = f"{len(self.failures)} in {self.sent} requests"
        note(check, figure, "0 faults", met=not self.failures, seed=SEED)
        assert not self.failures, "\n\n".join(
            [f"{len(self.failures)} kinds of failures, PROOF_SEED={SEED}"]
            + [f"{kind} {where}\n{told}" for (kind, where), told in self.failures.items()]
        )


def is_no_drift(failure: str, case: Any) -> bool:
    """What a schema cannot say: what is left empty is none, and blanks around do not count."""
    if any(value in {"", None} for value in (case.query or {}).values()):
        return True
    texts = case.body.values() if isinstance(case.body, dict) else ()
    around = any(isinstance(text, str) and (not text or text != text.strip()) for text in texts)
    return around and "Length" in failure


def errors_are_problems(_ctx: Any, response: Any, _case: Any) -> None:
    """RFC 9457, whatever went wrong."""
    if response.status_code < 400 or response.status_code == 405:
        return
    kind = response.headers.get("content-type", [""])[0]
    if not kind.startswith("application/problem+json"):
        raise Failure(operation="", title="No problem", message=f"It is {kind}.")
    if response.json()["status"] != response.status_code:
        raise Failure(operation="", title="Another status", message=str(response.json()))


def valid_shapes_are_understood(_ctx: Any, response: Any, case: Any) -> None:
    """What the schema allows is refused for what it means only, never for its shape."""
    if response.status_code != 400 or not case.meta.generation.mode.is_positive:
        return
    problem = response.json()
    errors = problem.get("errors", [])
    meant = problem["detail"] in {"", *(error["message"] for error in errors)}
    shape = [error for error in errors if error["code"] not in ABOUT_THE_HOUSE]
    if problem["code"] == "parse_error" or (shape and not meant):
        raise Failure(operation="", title="A valid shape is refused", message=str(problem))


CHECKS: dict[str, Any] = {
    "additional_checks": [errors_are_problems, valid_shapes_are_understood],
    "excluded_checks": [positive_data_acceptance],
}


@pytest.fixture
def schema(world):
    """Of the real WSGI application, in this process and in the transaction of the test."""
    for signal in [request_started, request_finished]:
        signal.disconnect(close_old_connections)  # as Django's own test client does
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # making up what to send takes its time
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
    yield schemathesis.openapi.from_wsgi("/api/schema/", get_wsgi_application())
    for signal in [request_started, request_finished]:
        signal.connect(close_old_connections)


@pytest.fixture
def strangers(world) -> Callable[[str], Strangers]:
    """Callers with the token of one role; nobody has none."""

    def find(role: str) -> Strangers:
        return Strangers(world.people[role], known)

    references = [world.incident, world.identified, world.minor, world.closed]
    known = {
        "incidents": {
            "reference": [incident.reference for incident in references],
            "item": [str(world.item.pk)],
        },
        "alerts": {"id": [str(world.alert.pk)], "key": [world.source.key]},
        "sources": {"id": [str(world.source.pk)]},
        "schedules": {"slug": [world.schedule.slug], "override": [str(world.override.pk)]},
        "services": {"slug": [world.service.slug]},
        "teams": {"slug": [world.team.slug]},
        "escalation-policies": {"slug": [world.policy.slug]},
        "policy-assignments": {"id": [str(world.assignment.pk)]},
        "contact-methods": {"id": [str(method.pk) for method in world.methods.values()]},
        "tokens": {"id": [str(token.pk) for token in world.tokens.values()]},
        "people": {"id": [str(person.pk) for person in world.people.values() if person]},
    }
    return find


def settings(examples: int, **more: Any) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        **more,
    )


@pytest.mark.parametrize(
    ("role", "share"), [("administrator", 0.4), ("responder", 0.2), ("anonymous", 0.1)]
)
def test_every_operation_does_what_the_schema_says(schema, strangers, role, share):
    callers = strangers(role)
    operations = [found.ok() for found in schema.get_all_operations()]
    each = max(1, round(CASES * share / len(operations) / len(MODES)))

    for operation in operations:
        for mode in MODES:
            try:
                _send(operation.as_strategy(generation_mode=mode), callers, each)
            except Unsatisfiable:
                continue  # There is nothing that could be wrong about it.

    assert callers.sent >= len(operations)
    callers.judge(f"The API against its schema, as {role}")


def _send(cases: Any, callers: Strangers, many: int) -> None:
    @hypothesis.seed(SEED)
    @settings(many)
    @hypothesis.given(cases)
    def send(case: Any) -> None:
        callers.call(case)

    send()


def test_what_one_answer_gives_opens_the_next(schema, strangers):
    """Stateful: references and ids of answers go into further requests, by inferred links."""
    callers = strangers("administrator")

    class Visit(schema.as_state_machine()):
        def get_call_kwargs(self, _case):
            return {"headers": callers.headers}

        def validate_response(self, response, case, **_):
            callers.sent += 1
            try:
                case.validate_response(response, headers=callers.headers, **CHECKS)
            except FailureGroup as group:
                for failure in group.exceptions:
                    callers.keep(failure, case)
            callers.count(response.status_code)

    for number in range(max(5, round(CASES * 0.3 / VISIT))):
        # One by one: what it learnt of the answers makes schemathesis do otherwise the next time.
        visit = hypothesis.seed(SEED + number)(Visit)
        run_state_machine_as_test(visit, settings=settings(1, stateful_step_count=VISIT))

    assert {200, 201} & set(callers.answers)
    callers.judge("The API's stateful links")
