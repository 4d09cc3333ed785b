"""Pages of a list follow each other, and filters find what people look for."""

import pytest

from incidents.core import services as core

pytestmark = pytest.mark.django_db


def declare(world, count):
    for number in range(count):
        core.declare(title=f"Outage {number}", service=world.service, severity="SEV1")


def test_pages_of_a_list_follow_each_other_without_a_gap(world, as_):
    declare(world, 7)
    caller, seen, address = as_("viewer"), [], "/api/v1/incidents/?page_size=4"

    while address:
        page = caller.get(address).json()
        seen += [incident["reference"] for incident in page["results"]]
        address = page["next"]

    assert len(seen) == len(set(seen)) == 13
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("state=closed", {"Checkout was down", "Checkout was slow"}),
        ("severity=SEV4", {"A typo"}),
        ("status=identified", {"Checkout is odd"}),
        ("search=typo", {"A typo"}),
        ("service=nothing-like-it", set()),
    ],
)
def test_filters_find_what_people_look_for(query, titles, world, as_):
    page = as_("viewer").get(f"/api/v1/incidents/?{query}").json()

    assert {incident["title"] for incident in page.get("results", [])} == titles


def test_a_made_up_cursor_is_a_problem_not_a_crash(world, as_):
    answer = as_("viewer").get("/api/v1/incidents/?cursor=nonsense")

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
