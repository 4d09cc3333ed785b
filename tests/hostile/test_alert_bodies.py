"""Whatever a monitor sends: never a 500, and what is accepted is there.

1,000 by default, 20,000 in the full run (or TOCSIN_BODIES). PROOF_SEED repeats a run.
"""

import random
from collections import Counter

import pytest
from django.test import Client

from incidents.alerts.models import Alert
from incidents.core.models import Incident
from tests.alerts.conftest import source  # noqa: F401
from tests.hostile.bodies import make
from tests.hostile.size import many, seed
from tests.proof.report import note

pytestmark = pytest.mark.django_db

BODIES = many("TOCSIN_BODIES", usual=1_000, full=20_000)
SEED = seed()


def test_every_body_is_answered_and_every_valid_one_is_stored(source, clock):  # noqa: F811
    rng, client = random.Random(SEED), Client(raise_request_exception=False)
    address = f"/api/v1/alerts/{source.key}/"
    answers: Counter[int] = Counter()
    accepted: Counter[str] = Counter()

    for number in range(BODIES):
        sent = make(rng)
        answer = client.post(
            address, sent.body, content_type=sent.content_type, headers=sent.headers
        )
        told = f"body {number} of seed {SEED}, {sent.name}: {answer.status_code} {answer.content}"
        answers[answer.status_code] += 1
        assert answer.status_code in {202, 400, 413, 415}, told
        assert sent.expected in {None, answer.status_code}, f"{told}\n{sent.body[:300]!r}"
        if answer.status_code == 202:
            key = answer.json()["dedup_key"]
            assert not sent.key or key == sent.key, told
            accepted[key] += 1
        else:
            assert answer["Content-Type"] == "application/problem+json", told
            assert answer.json()["status"] == answer.status_code, told
        clock.forward(seconds=1)

    stored: Counter[str] = Counter()
    for key, count in Alert.objects.filter(source=source).values_list("dedup_key", "count"):
        stored[key] += count
    figure = f"{sum(accepted.values())} accepted and stored of {BODIES}"
    print(f"{figure}: {dict(answers)}, seed {SEED}")  # noqa: T201
    note("Mutated alert bodies", figure, "0 × 5xx, every 202 stored", met=True, seed=SEED)
    assert stored == accepted
    assert answers[202] > BODIES / 4
    assert not Alert.objects.firing().filter(incident=None).exists()
    assert Incident.objects.exists()
