"""I8: what a client was promised, compared with what is there."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

from django.db.models import Sum

from incidents.alerts.models import Alert
from incidents.insights.audit.kinds import Invariant, Offence, Scope

AT_ONCE = 500


def read(lines: Iterable[str]) -> Counter[str]:
    """How often each dedup_key was answered with a 2xx.

    One answer a line: the key alone, or a JSON object with it as `dedup_key`. ValueError says which
    line is neither.
    """
    answered: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        if text.startswith("{"):
            try:
                text = str(json.loads(text)["dedup_key"])
            except (json.JSONDecodeError, KeyError) as error:
                raise ValueError(f"Line {number} has no dedup_key: {error}") from None
        answered[text] += 1
    return answered


def promised(answered: Counter[str]) -> Invariant:
    """The invariant that everything in this ledger is in the database, and counted."""
    return Invariant(
        "I8",
        "every 2xx is kept",
        f"The {sum(answered.values())} signals of the ledger are all there, and counted.",
        "Compare the ledger with Alerts; what is not there was accepted and lost. Report it.",
        partial(_missing, answered),
    )


def _missing(answered: Counter[str], _scope: Scope) -> Iterator[Offence]:
    keys = sorted(answered)
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        rows = Alert.objects.filter(dedup_key__in=some).order_by()
        kept = dict(rows.values_list("dedup_key").annotate(Sum("count")))
        for key in some:
            if kept.get(key, 0) < answered[key]:
                what = f"{answered[key]} were accepted, {kept.get(key, 0)} are there."
                yield Offence(f"key:{key}", what)
