"""How long lists take when there is much to list: `python -m tests.bench.lists`.

The API's list of incidents and the admin's, first with 1,000 incidents, then with 100,000: the
same number of queries, and a p95 within three times the earlier one. In this process, without a
network; the pages are asked in turns.
"""

import argparse
import json
import sys

from tests.bench.house import Report, house

BAR_GROWTH = 3.0
FEW = 1_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench.lists", description=__doc__)
    parser.add_argument("--incidents", type=int, default=100_000, help="(default 100,000)")
    parser.add_argument("--requests", type=int, default=60, help="of each list (default 60)")
    options = parser.parse_args()
    with house() as home:
        home.build()
        found = []
        for number in [FEW, options.incidents]:
            home.run("-m", "tests.bench.many", "history", str(number))
            home.do("ANALYZE")
            asked = home.run("-m", "tests.bench.asked", home.known["token"], str(options.requests))
            found.append(json.loads(asked))
    report = Report(f"Lists with {FEW:,} and with {options.incidents:,} incidents")
    for name, few in found[0].items():
        many = found[1][name]
        report.add(f"{name}: queries", f"{few['queries']} → {many['queries']}", "the same",
                   met=few["queries"] == many["queries"])  # fmt: skip
        report.add(
            f"{name}: p95",
            f"{few['p95']:.0f} → {many['p95']:.0f} ms, {many['p95'] / few['p95']:.1f}×",
            f"≤ {BAR_GROWTH:.0f}×",
            met=many["p95"] <= BAR_GROWTH * few["p95"],
        )
    return report.show()


if __name__ == "__main__":
    sys.exit(main())
