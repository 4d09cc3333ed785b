"""The five runbooks that come with Tocsin say what the documents say."""

import json
import re
from datetime import timedelta

import pytest
from django.core.management import load_command_class

from incidents.core.documents import duration_text
from incidents.runbooks import document, loading, services
from incidents.runbooks.library import shipped
from incidents.runbooks.management.commands.runbook import as_yaml

SLUGS = ["fintech", "saas", "schedgen", "tars", "tps"]


@pytest.fixture(scope="module")
def books():
    return {slug: services.load(slug) for slug in shipped()}


def minutes(count):
    return timedelta(minutes=count)


def targets(book, name):
    """Severity → the target as text; what is not measured is left out."""
    found = {key: getattr(plan.targets, name) for key, plan in book.severities.items()}
    return {key: duration_text(target) for key, target in found.items() if target}


def triggers(book):
    return {trigger.id: trigger for trigger in book.escalation.triggers}


def test_there_are_five(books):
    assert sorted(books) == SLUGS
    assert all(
        sorted(book.severities) == ["SEV1", "SEV2", "SEV3", "SEV4"] for book in books.values()
    )
    assert [book.origin.document for _, book in sorted(books.items())] == [
        "003",
        "001",
        "002",
        "004",
        "000",
    ]


@pytest.mark.parametrize("slug", SLUGS)
def test_what_is_stored_is_what_was_written(books, slug):
    book = books[slug]

    stored = json.loads(json.dumps(book.as_json()))

    assert document.parse(stored) == book
    assert document.parse(loading.read(as_yaml(stored))) == book
    assert document.parse(stored).as_json() == stored


def test_tps_answers_in_five_minutes_and_is_over_in_thirty(books):
    book = books["tps"]

    assert targets(book, "detect") == {"SEV1": "2 min", "SEV2": "2 min"}
    assert targets(book, "respond") == {"SEV1": "5 min", "SEV2": "5 min"}
    assert targets(book, "resolve") == {"SEV1": "30 min", "SEV2": "30 min"}
    assert book.severities["SEV1"].targets.respond_ends == "first_action"
    assert book.severities["SEV3"].next_working_day
    assert book.severities["SEV1"].detector_commands
    assert [plan.name for plan in book.severities.values()] == [
        *("Severity 1", "Severity 2", "Severity 3", "Severity 4")
    ]


def test_tps_waits_two_minutes_before_it_pages_for_slowness(books):
    types = books["tps"].types

    assert types["performance-degradation"].page_after == minutes(2)
    assert types["service-unavailable"].page_after is None
    assert {slug: one.severity for slug, one in types.items()} == {
        "service-unavailable": "SEV1",
        "performance-degradation": "SEV2",
        "data-loss": "SEV1",
        "cascading-failure": "SEV1",
    }


def test_tps_calls_everybody_for_data_loss(books):
    calls = books["tps"].escalation.at_declaration

    assert [(call.severities, call.types, call.page) for call in calls] == [
        (["SEV1", "SEV2"], [], ["on_call"]),
        ([], ["data-loss"], ["on_call", "manager", "director"]),
    ]


def test_tps_escalates_by_time_and_by_what_is_attested(books):
    found = triggers(books["tps"])

    assert (found["down-5"].after, found["down-5"].to.role) == (minutes(5), "manager")
    assert found["latency-5x"].attested.at_least == 5
    assert found["latency-5x"].attested.held == minutes(30)
    assert found["no-improvement"].after == minutes(60)
    assert (found["many-users"].users_over, found["many-users"].held) == (10, minutes(30))
    assert (found["several-services"].fact, found["several-services"].to.role) == (
        "multiple_services",
        "director",
    )


def windows(checklist):
    return [
        (phase.opens and duration_text(phase.opens), phase.due and duration_text(phase.due))
        for phase in checklist.phases
    ]


def test_tps_checks_off_by_the_clock(books):
    checklists = books["tps"].checklists

    assert [phase.due for phase in checklists["quick"].phases] == [
        minutes(5),
        minutes(15),
        minutes(60),
    ]
    assert [phase.opens for phase in checklists["quick"].phases] == [
        minutes(0),
        minutes(5),
        minutes(15),
    ]
    assert [len(phase.items) for phase in checklists["quick"].phases] == [7, 4, 4]
    assert (checklists["health"].begins, checklists["health"].phases[0].due) == (
        "recovered",
        minutes(10),
    )
    assert len(checklists["health"].phases[0].items) == 6
    assert checklists["documentation"].phases[0].due == minutes(15)
    assert len(checklists["documentation"].phases[0].items) == 6
    assert len(checklists["learning"].phases[0].items) == 3


def test_tps_is_healthy_when_its_metrics_are(books):
    resolve = books["tps"].severities["SEV1"].resolve

    assert [(one.fact, one.below, one.unit) for one in resolve.attest] == [
        ("error_rate", 0.1, "%"),
        ("queue_depth", 80, "%"),
    ]
    assert len(resolve.confirm) == 4


def test_tps_reviews_between_24_and_72_hours(books):
    reviews = books["tps"].reviews

    assert (reviews.rules[0].earliest, reviews.rules[0].latest) == (
        timedelta(hours=24),
        timedelta(hours=72),
    )
    assert (reviews.length.shortest, reviews.length.longest) == (minutes(45), minutes(60))
    assert len(reviews.attendees) == 4
    assert len(reviews.whys) == 5
    assert [goal.below for goal in books["tps"].goals[:3]] == [minutes(2), minutes(5), minutes(30)]
    assert books["tps"].goals[4].share == 100


def test_tps_has_procedures_with_time_boxes(books):
    procedures = books["tps"].procedures

    boxes = [duration_text(p.due) for p in procedures["service-unavailable"].phases if p.due]
    assert boxes == ["1 min", "3 min", "5 min", "5 min", "10 min"]
    assert procedures["service-unavailable"].rollback.recovers_within == minutes(2)
    assert len(procedures["performance-degradation"].options) == 3
    assert len(procedures["cascading-failure"].prevent) == 5
    assert len(procedures["data-loss"].phases) == 6


def test_saas_answers_in_5_15_and_60_minutes(books):
    book = books["saas"]

    assert targets(book, "respond") == {"SEV1": "5 min", "SEV2": "15 min", "SEV3": "1 h"}
    assert targets(book, "resolve") == {}
    assert book.severities["SEV4"].next_working_day
    assert book.severities["SEV3"].response == "ticket"
    assert book.reference == "INC-{year}-{number:03}"
    assert book.channel == "#incident-{date}-{service}"


def test_saas_fills_four_roles_and_watches_for_half_an_hour(books):
    for severity in ["SEV1", "SEV2"]:
        plan = books["saas"].severities[severity]
        assert plan.roles == ["commander", "technical_lead", "communications_lead", "scribe"]
        assert plan.resolve.observe == minutes(30)
        assert plan.resolve.observe_after == {"fix_forward": timedelta(hours=1)}


def test_saas_escalates_at_once_in_30_minutes_and_in_2_hours(books):
    escalation = books["saas"].escalation

    assert escalation.at_declaration[0].page == ["on_call", "team-lead"]
    assert triggers(books["saas"])["sev2-30"].after == minutes(30)
    assert triggers(books["saas"])["sev3-2h"].after == timedelta(hours=2)
    assert [rung.role for rung in escalation.ladder] == [
        *("on_call", "team-lead", "manager", "vp-engineering", "cto")
    ]


def test_saas_follows_up_in_2_and_48_hours(books):
    book = books["saas"]

    assert [one.within for one in book.reviews.follow_ups] == [
        timedelta(hours=2),
        timedelta(hours=48),
    ]
    assert book.reviews.rules[0].latest == timedelta(hours=48)
    assert sorted(book.types) == ["connection-pool-exhausted", "memory-leak", "third-party-down"]
    assert [len(phase.items) for one in book.checklists.values() for phase in one.phases] == [7, 6]


def test_schedgen_resolves_in_an_hour_four_a_day_and_a_week(books):
    book = books["schedgen"]

    assert targets(book, "respond") == {"SEV1": "5 min", "SEV2": "15 min", "SEV3": "1 h"}
    assert targets(book, "resolve") == {
        "SEV1": "1 h",
        "SEV2": "4 h",
        "SEV3": "24 h",
        "SEV4": "1 week",
    }
    assert book.severities["SEV4"].next_working_day
    assert book.severities["SEV4"].response == "ticket"
    assert book.review_cycle.every == timedelta(weeks=13)


def test_schedgen_knows_six_alerts_and_seven_procedures(books):
    book = books["schedgen"]

    assert {alert: slug for slug, one in book.types.items() for alert in one.alerts} == {
        "HighErrorRate": "high-error-rate",
        "HighResponseTime": "slow-responses",
        "HighResourceUtilization": "high-resource-utilization",
        "HighQueueDepth": "high-queue-depth",
        "DatabaseConnectionPoolExhausted": "connection-pool-exhausted",
        "ServiceDown": "service-down",
    }
    assert {slug: len(one.causes) for slug, one in book.procedures.items()} == {
        "high-error-rate": 5,
        "slow-responses": 5,
        "high-resource-utilization": 5,
        "high-queue-depth": 5,
        "connection-pool-exhausted": 5,
        "service-down": 6,
        "authentication-failures": 5,
    }


def test_schedgen_says_how_long_a_remedy_takes(books):
    procedures = books["schedgen"].procedures

    takes = {
        (slug, cause.cause): (cause.takes.text, cause.takes.shortest, cause.takes.longest)
        for slug, one in procedures.items()
        for cause in one.causes
    }
    assert takes["high-error-rate", "A bad deployment"] == ("5–10 min", minutes(5), minutes(10))
    assert takes["high-queue-depth", "Workers crash"] == ("10–20 min", minutes(10), minutes(20))
    assert takes["connection-pool-exhausted", "The pool is too small"] == (
        "5 min + deploy",
        minutes(5),
        None,
    )
    assert takes["high-resource-utilization", "Large PDF files"] == ("Immediate", minutes(0), None)
    assert all(takes.values())


def test_schedgen_calls_four_people_and_tells_the_product_owner(books):
    sev1, sev2, sev3 = books["schedgen"].escalation.at_declaration

    assert sev1.page == ["on_call", "engineering-lead", "product-owner", "system-administrator"]
    assert (sev2.page, sev2.tell) == (["on_call"], ["team", "product-owner"])
    assert (sev3.page, sev3.tell) == (["on_call"], ["team"])


def test_schedgen_escalates_to_whom_it_concerns(books):
    found = triggers(books["schedgen"])

    assert (found["sev2-30"].after, found["sev2-30"].to.role) == (minutes(30), "engineering-lead")
    assert (found["cause-unclear"].after, found["cause-unclear"].until) == (
        minutes(15),
        "identified",
    )
    assert {one.fact for one in found.values() if one.to.role == "system-administrator"} == {
        *("infrastructure", "database", "security", "backup")
    }


def test_schedgen_reviews_for_55_minutes(books):
    reviews = books["schedgen"].reviews

    assert [one.takes for one in reviews.agenda] == [
        minutes(10),
        minutes(15),
        minutes(10),
        minutes(15),
        minutes(5),
    ]
    assert {duration_text(one.within) for one in reviews.follow_ups} == {
        "1 h",
        "48 h",
        "1 week",
        "2 weeks",
    }
    assert reviews.action_review == timedelta(weeks=2)
    assert [(one.goal, one.alert) for one in books["schedgen"].key_metrics] == [
        ("under 1 %", "5 %"),
        ("under 2 s", "10 s"),
        ("under 100", "500"),
        ("under 80 %", "80 %"),
        ("under 80 %", "80 %"),
    ]


def test_fintech_answers_in_15_minutes_and_1_4_and_24_hours(books):
    book = books["fintech"]

    assert targets(book, "respond") == {
        "SEV1": "15 min",
        "SEV2": "1 h",
        "SEV3": "4 h",
        "SEV4": "24 h",
    }
    assert targets(book, "identify") == {"SEV2": "15 min"}
    assert targets(book, "mitigate") == {"SEV2": "30 min"}
    assert targets(book, "resolve") == {"SEV2": "1 h", "SEV3": "4 h"}
    assert book.severities["SEV1"].roles_when[0].role == "database_administrator"
    assert book.reference == "{date}-{time}-{service}"


def test_fintech_goes_by_the_clock(books):
    found = triggers(books["fintech"])

    assert [found[name].after for name in ["t5", "t15", "t30", "t60"]] == [
        *(minutes(5), minutes(15), minutes(30), minutes(60))
    ]
    assert (found["t60"].action, found["t60"].severity) == ("change_severity", "SEV1")
    assert (found["stuck-15"].after, found["stuck-30"].after) == (minutes(15), minutes(30))
    assert books["fintech"].escalation.roles["manager"].answers_within == minutes(5)
    assert [(rung.role, rung.within) for rung in books["fintech"].escalation.ladder[:2]] == [
        ("on_call", minutes(15)),
        ("manager", minutes(5)),
    ]


def test_fintech_computes_its_error_budget_right(books):
    slo = books["fintech"].slo

    assert duration_text(slo.budget) == "21 min 36 s"
    assert any("21.6" in note for note in books["fintech"].origin.notes)


def test_fintech_recovers_by_cause_and_drills_every_month(books):
    book = books["fintech"]

    assert sorted(book.types) == [
        *("cascade-failure", "database-failure", "high-error-rate"),
        *("resource-exhaustion", "single-service-down"),
    ]
    assert len(book.procedures["database-failure"].phases[0].steps) == 5
    assert book.drill.every == timedelta(days=30)
    assert book.drill.measures == ["Detection time", "Response time", "Resolution time"]
    assert len(book.drill.faults) == 3
    assert book.reviews.rules[0].latest == timedelta(hours=24)


def test_tars_attests_ten_minutes_under_its_limits(books):
    book = books["tars"]

    for severity, below in [("SEV1", 0.1), ("SEV2", 0.5)]:
        (wanted,) = book.severities[severity].resolve.attest
        assert (wanted.fact, wanted.below, wanted.unit, wanted.held) == (
            *("error_rate", below, "%", minutes(10)),
        )
        assert "root_cause" in book.severities[severity].resolve.needs
    assert [plan.name for plan in book.severities.values()] == ["P1", "P2", "P3", "P4"]


def test_tars_rolls_back_when_three_things_are_true(books):
    rollback = books["tars"].procedures["mitigation"].rollback

    assert [one.within for one in rollback.when] == [timedelta(hours=2), minutes(30), None]
    assert len(books["tars"].procedures["mitigation"].causes) == 6


def test_tars_declares_for_any_of_three_reasons(books):
    confirmed, seen, reported = books["tars"].declaration.any

    assert (confirmed.confirmed, confirmed.severities) == (True, ["SEV1", "SEV2"])
    assert not seen.confirmed
    assert (reported.reports, reported.within) == (2, minutes(5))


def test_tars_reviews_p1_within_48_hours_and_p2_if_it_likes(books):
    p1, p2 = books["tars"].reviews.rules

    assert (p1.severities, p1.required, p1.latest) == (["SEV1"], True, timedelta(hours=48))
    assert (p2.severities, p2.required) == (["SEV2"], False)


@pytest.mark.parametrize("slug", SLUGS)
def test_the_commands_of_ours_that_a_runbook_names_are_there(books, slug):
    stored = json.dumps(books[slug].as_json())

    for line in re.findall(r"manage\.py incident [^\"\\]+", stored):
        verb, *options = line.removeprefix("manage.py incident ").split()
        known = load_command_class("config", "incident").create_parser("manage.py", "incident")
        parser = known._subparsers._group_actions[0].choices[verb]
        assert {one for one in options if one.startswith("--")} <= set(
            parser._option_string_actions
        )
