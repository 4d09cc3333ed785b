"""“Human error” is where the questions begin."""

import time

import pytest

from incidents.reviews.blame import blames


@pytest.mark.parametrize(
    "text",
    [
        "Human error",
        "It was an operator's error.",
        "User error while deploying",
        "Bob made a mistake when he ran the migration",
        "An engineer forgot to rotate the logs",
        "Somebody simply forgot the flag",
        "Carelessness of the night shift",
        "The engineer who deployed is to blame",
        "error by the operator",
        "Menschliches Versagen",
        "Operator mistake during failover",
        "A fat-fingered command",
    ],
)
def test_it_sees_that_people_are_given_as_the_cause(text: str):
    assert blames(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Logs were not rotated, as nothing tests the configuration",
        "The error rate rose because the operator of Kubernetes restarted in a loop",
        "Users saw errors",
        "Not human error: the command took production by default",
        "It was no operator error but a missing safeguard",
        "The deployment tool lets one person deploy without a second pair of eyes",
        "People were paged too late",
    ],
)
def test_it_lets_the_system_be_the_cause(text: str):
    assert not blames(text)


@pytest.mark.parametrize("text", ["error of" + " " * 20_000 + "x", "not human error " * 1_250])
def test_a_text_that_is_made_to_take_long_does_not(text: str):
    began = time.process_time()

    assert not blames(text)
    assert time.process_time() - began < 1
