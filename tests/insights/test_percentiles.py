"""Half within, nine of ten within: as defined, and as everybody else computes it."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.insights.percentiles import percentile

SECONDS = st.lists(st.floats(min_value=0, max_value=1e7), min_size=2, max_size=40)


@pytest.mark.parametrize(
    ("values", "p", "expected"),
    [
        ([15, 20, 35, 40, 50], 0, 15),
        ([15, 20, 35, 40, 50], 40, 29),  # place 1.6 of 0..4
        ([15, 20, 35, 40, 50], 50, 35),
        ([15, 20, 35, 40, 50], 90, 46),
        ([15, 20, 35, 40, 50], 100, 50),
        ([4, 1, 3, 2], 50, 2.5),  # sorted first
        ([7], 90, 7),
    ],
)
def test_it_interpolates_between_the_sorted_values(values, p, expected):
    assert percentile(values, p) == pytest.approx(expected)


def test_of_nothing_there_is_none():
    assert percentile([], 50) is None


@pytest.mark.parametrize("p", [-1, 100.5])
def test_it_refuses_what_is_no_percentage(p):
    with pytest.raises(ValueError, match="between 0 and 100"):
        percentile([1, 2], p)


@given(SECONDS, st.integers(min_value=1, max_value=99))
def test_it_agrees_with_the_standard_library(values, p):
    cuts = statistics.quantiles(values, n=100, method="inclusive")

    assert math.isclose(percentile(values, p), cuts[p - 1], rel_tol=1e-9, abs_tol=1e-6)


@given(SECONDS)
def test_nine_of_ten_is_never_less_than_half(values):
    assert min(values) <= percentile(values, 50) <= percentile(values, 90) <= max(values)
