"""The product's settings, with the benchmarks' floor among its addresses."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.urls"
