"""Whom the five runbooks tell what, how often, and who is asked first."""

import pytest

from incidents.core.documents import duration_text
from incidents.runbooks import services
from incidents.runbooks.library import shipped

OCCASIONS = {
    "tps": {
        "internal": ["initial", "resolution", "update"],
        "external": ["apology", "initial"],
    },
    "saas": {
        "internal": ["all_clear", "initial", "update"],
        "external": ["all_clear", "initial", "update"],
    },
    "schedgen": {
        "internal": ["escalation", "initial", "resolution", "update"],
        "external": ["status_page"],
    },
    "fintech": {
        "internal": ["initial", "update"],
        "external": ["all_clear", "initial", "update"],
    },
    "tars": {"internal": ["initial", "resolution", "update"], "external": []},
}


@pytest.fixture(scope="module")
def books():
    return {slug: services.load(slug) for slug in shipped()}


def communication(book):
    return book.as_json()["communication"]


def cadence(book):
    """(audience, severity or type) → how often, and how long after it an update is missed."""
    return {
        (one.get("audience", "internal"), name): (one["every"], one.get("missed"))
        for one in communication(book)["cadence"]
        for name in [*one.get("severities", []), *one.get("types", [])]
    }


def test_how_often_everybody_is_told(books):
    assert cadence(books["tps"]) == {
        ("internal", "SEV1"): ("10 min", "0 min"),
        ("internal", "SEV2"): ("10 min", "0 min"),
        ("internal", "service-unavailable"): ("5 min", "5 min"),
    }
    assert communication(books["tps"])["cadence"][0]["remind"] == "5 min"
    assert cadence(books["saas"]) == {
        ("internal", "SEV1"): ("15 min", "5 min"),
        ("internal", "SEV2"): ("30 min", "5 min"),
        ("external", "SEV1"): ("30 min", "5 min"),
        ("external", "SEV2"): ("30 min", "5 min"),
    }
    assert cadence(books["schedgen"]) == {
        ("internal", "SEV1"): ("15 min", "5 min"),
        ("internal", "SEV2"): ("30 min", "5 min"),
        ("internal", "SEV3"): ("2 h", None),
        ("external", "SEV1"): ("15 min", "5 min"),
    }
    assert cadence(books["fintech"]) == {
        ("internal", "SEV1"): ("15 min", "5 min"),
        ("internal", "SEV2"): ("15 min", "5 min"),
        ("internal", "SEV3"): ("30 min", None),
        ("external", "SEV1"): ("15 min", "5 min"),
    }
    assert cadence(books["tars"]) == {
        ("internal", "SEV1"): ("30 min", "5 min"),
        ("internal", "SEV2"): ("1 h", "5 min"),
    }


def test_whose_customers_are_told(books):
    rules = {slug: communication(book).get("customers") for slug, book in books.items()}

    (fintech,) = rules["fintech"]
    assert (fintech["severities"], fintech["every"]) == (["SEV1"], "15 min")
    assert fintech.get("when", "always") == "always"
    assert fintech.get("all_clear", True)
    assert [rule.get("when", "always") for rule in rules["tars"]] == ["always", {"users_over": 100}]
    assert [rule["severities"] for rule in rules["tars"]] == [["SEV1"], ["SEV2"]]
    assert [rules[slug] for slug in ["tps", "saas", "schedgen"]] == [None, None, None]


@pytest.mark.parametrize("slug", OCCASIONS)
def test_every_template_can_be_written(books, slug):
    templates = communication(books[slug])["templates"]

    for audience, occasions in OCCASIONS[slug].items():
        letters = {name: both[audience] for name, both in templates.items() if audience in both}
        assert sorted(letters) == occasions
        assert all(letter["body"].strip() for letter in letters.values())


def test_three_teams_post_to_their_channels(books):
    posts = {slug: communication(book).get("posts", []) for slug, book in books.items()}

    assert {slug for slug, found in posts.items() if found} == {"schedgen", "fintech", "tars"}
    for slug in ["schedgen", "fintech", "tars"]:
        assert {post["on"] for post in posts[slug]} == {"declared", "resolved"}
    assert communication(books["tars"])["words"]["mitigating_recovered"] == "Monitoring"


def test_who_is_asked_in_which_order(books):
    ladders = {
        slug: [(rung.role, duration_text(rung.within)) for rung in book.escalation.ladder]
        for slug, book in books.items()
    }

    assert ladders == {
        "tps": [("on_call", "5 min"), ("manager", "5 min"), ("director", "5 min")],
        "saas": [
            ("on_call", "5 min"),
            ("team-lead", "15 min"),
            ("manager", "15 min"),
            ("vp-engineering", "15 min"),
            ("cto", "15 min"),
        ],
        "schedgen": [
            ("on_call", "5 min"),
            ("engineering-lead", "15 min"),
            ("system-administrator", "15 min"),
        ],
        "fintech": [("on_call", "15 min"), ("manager", "5 min"), ("vp-engineering", "15 min")],
        "tars": [("on_call", "15 min"), ("manager", "15 min")],
    }


def test_what_is_tracked_is_listed(books):
    counts = {
        slug: [
            len(getattr(book, part))
            for part in ["track", "contacts", "dashboards", "tools", "lifecycle"]
        ]
        for slug, book in books.items()
    }

    assert counts == {
        "tps": [5, 0, 0, 2, 0],
        "saas": [6, 9, 0, 4, 10],
        "schedgen": [0, 4, 3, 8, 0],
        "fintech": [0, 3, 3, 3, 0],
        "tars": [0, 0, 0, 0, 7],
    }


def items(checklist):
    return [len(phase.items) for phase in checklist.phases]


def ends(checklist):
    return [phase.due and duration_text(phase.due) for phase in checklist.phases]


def test_saas_has_its_procedures(books):
    procedures = books["saas"].procedures

    steps = {slug: sum(len(part.steps) for part in one.phases) for slug, one in procedures.items()}
    assert steps == {
        "initial-response": 9,
        "diagnosis": 9,
        "connection-pool-exhausted": 0,
        "memory-leak": 0,
        "third-party-down": 0,
        "after-rollback": 4,
        "after-fix-forward": 3,
    }
    patterns = ["connection-pool-exhausted", "memory-leak", "third-party-down"]
    assert [len(procedures[slug].options) for slug in patterns] == [1, 2, 2]
    assert [len(procedures[slug].prevent) for slug in patterns] == [2, 2, 2]
    answers = procedures["initial-response"].questions[0].answers
    assert [answer.procedure for answer in answers] == ["after-fix-forward", "after-rollback"]


def test_schedgen_has_two_checklists(books):
    first, after = books["schedgen"].checklists.values()

    assert (first.begins, ends(first), items(first)) == ("declared", ["5 min"], [8])
    assert (after.begins, ends(after), items(after)) == ("resolved", ["1 h"], [10])


def test_fintech_has_its_checklists(books):
    book = books["fintech"]

    assert {slug: ends(one) for slug, one in book.checklists.items()} == {
        "first-fifteen": ["15 min"],
        "war-room": ["15 min"],
        "sev2-protocol": ["5 min", "15 min", "30 min", "1 h"],
        "sev3": ["4 h"],
        "afterwards": ["24 h"],
    }
    assert items(book.checklists["first-fifteen"]) == [8]
    assert [check.expect for check in book.procedures["diagnosis"].verify] == [
        *(None, "under 0.01 a second", "under 1 s", None)
    ]


def test_tars_has_its_checklist(books):
    book = books["tars"]

    assert items(book.checklists["investigation"]) == [5, 6]
    assert len(book.procedures["investigation"].phases[0].steps) == 4
