"""Percentiles: the figures that say how long it takes usually, and how long on a bad day. Pure."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], p: float) -> float | None:
    """The value below which `p` percent of `values` lie; None of none.

    Definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American
    Statistician 50 (1996) 361-365: the n sorted values stand at the places 0 to n-1, and between
    two of them it is interpolated at the place (n-1)·p/100. The same as PostgreSQL's
    percentile_cont and numpy's default.
    """
    if not 0 <= p <= 100:
        raise ValueError(f"A percentile is between 0 and 100, not {p}.")
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * p / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
