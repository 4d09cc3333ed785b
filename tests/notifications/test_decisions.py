from datetime import UTC, datetime, timedelta

import pytest

from incidents.notifications import decisions
from incidents.notifications.addresses import Address
from incidents.notifications.decisions import Fate, Method, Rule, Waiting

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MAIL, CHAT, HOOK = (Address("recorder", name) for name in ("mail", "chat", "hook"))
METHODS = [Method(2, CHAT, 1), Method(1, MAIL, 0), Method(3, HOOK, 2)]


def waiting(**facts: object) -> Waiting:
    usual: dict[str, object] = {
        "epoch": 1,
        "incident_epoch": 1,
        "incident_open": True,
        "recipient_active": True,
        "address_valid": True,
        "crashes": 0,
        "attempts": 0,
        "give_up_at": NOW + MINUTE,
    }
    return Waiting(**(usual | facts))  # type: ignore[arg-type]


def names(ways: list[decisions.Route]) -> list[tuple[str, timedelta | None]]:
    return [(way.address.address, way.delay) for way in ways]


def test_it_uses_the_first_method_and_keeps_the_others_for_later():
    ways = decisions.routes(METHODS, [], account_email="")

    assert names(ways) == [("mail", timedelta(0)), ("chat", None), ("hook", None)]


def test_it_follows_the_rules_and_keeps_what_they_do_not_name():
    rules = [Rule(3, MINUTE), Rule(2, timedelta(0))]

    ways = decisions.routes(METHODS, rules, account_email="")

    assert names(ways) == [("chat", timedelta(0)), ("hook", MINUTE), ("mail", None)]


def test_it_ignores_rules_for_methods_that_cannot_be_used():
    ways = decisions.routes(METHODS, [Rule(99, timedelta(0))], account_email="")

    assert names(ways)[0] == ("mail", timedelta(0))


def test_it_falls_back_to_the_account_only_without_any_method():
    assert names(decisions.routes([], [], account_email="a@b.c")) == [("a@b.c", timedelta(0))]
    assert "a@b.c" not in dict(names(decisions.routes(METHODS, [], account_email="a@b.c")))
    assert decisions.routes([], [], account_email="") == []


def test_it_takes_the_next_address_that_was_not_tried():
    ways = decisions.routes(METHODS, [], account_email="")

    following = decisions.next_route(ways, {"mail", "chat"})

    assert following is not None and following.address == HOOK
    assert decisions.next_route(ways, {"mail", "chat", "hook"}) is None


@pytest.mark.parametrize(
    ("given", "is_page", "alternatives", "expected"),
    [
        (3 * MINUTE, True, 0, 3 * MINUTE),
        (3 * MINUTE, True, 1, timedelta(seconds=30)),
        (timedelta(seconds=10), True, 2, timedelta(seconds=10)),
        (60 * MINUTE, False, 2, 60 * MINUTE),
    ],
)
def test_it_is_less_patient_with_a_page_that_could_go_elsewhere(
    given: timedelta, is_page: bool, alternatives: int, expected: timedelta
):
    assert decisions.patience(given, is_page=is_page, alternatives=alternatives) == expected


@pytest.mark.parametrize(
    ("facts", "fate"),
    [
        ({}, Fate.SEND),
        ({"incident_epoch": 2}, Fate.CANCEL),
        ({"incident_open": False}, Fate.CANCEL),
        ({"epoch": None, "incident_open": False}, Fate.SEND),
        ({"epoch": None, "incident_epoch": 9}, Fate.SEND),
        ({"recipient_active": False}, Fate.REROUTE),
        ({"address_valid": False}, Fate.REROUTE),
        ({"incident_epoch": 2, "recipient_active": False}, Fate.CANCEL),
        ({"crashes": 2}, Fate.SEND),
        ({"crashes": 3}, Fate.GIVE_UP),
        ({"attempts": 1, "give_up_at": NOW}, Fate.GIVE_UP),
        ({"attempts": 1, "give_up_at": NOW + timedelta(microseconds=1)}, Fate.SEND),
        # After an outage: late, but it is tried
        ({"attempts": 0, "give_up_at": NOW - 60 * MINUTE}, Fate.SEND),
        ({"no_room": True, "give_up_at": NOW}, Fate.GIVE_UP),
        ({"no_room": True}, Fate.SEND),
    ],
)
def test_it_judges_what_is_due(facts: dict[str, object], fate: Fate):
    judged, reason = decisions.on_claim(waiting(**facts), NOW)

    assert judged is fate
    assert bool(reason) == (fate is not Fate.SEND)


def after(**facts: object) -> datetime | None:
    usual: dict[str, object] = {
        "permanent": False,
        "retry_after": None,
        "is_page": True,
        "attempts": 1,
        "give_up_at": NOW + 3 * MINUTE,
        "now": NOW,
        "jitter": 1.0,
    }
    return decisions.after_failure(**(usual | facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 2), (2, 5), (3, 15), (4, 30), (5, 60), (6, 60), (99, 60)]
)
def test_it_waits_longer_after_every_failure_of_a_page(attempts: int, seconds: int):
    assert after(attempts=attempts) == NOW + timedelta(seconds=seconds)


def test_it_waits_with_full_jitter():
    assert after(attempts=5, jitter=0.0) == NOW
    assert after(attempts=5, jitter=0.5) == NOW + timedelta(seconds=30)


def test_it_has_more_time_for_messages():
    later = NOW + timedelta(days=1)

    assert after(is_page=False, attempts=2, give_up_at=later) == NOW + 5 * MINUTE
    assert after(is_page=False, attempts=50, give_up_at=later) == NOW + 600 * MINUTE


@pytest.mark.parametrize(
    "facts",
    [
        {"permanent": True},
        {"permanent": True, "retry_after": 1.0},
        {"retry_after": 180.0},
        {"attempts": 5, "give_up_at": NOW + MINUTE},
    ],
)
def test_it_gives_up_when_waiting_cannot_help(facts: dict[str, object]):
    assert after(**facts) is None


def test_it_honours_a_wish_to_be_left_alone_that_ends_in_time():
    assert after(retry_after=90.0) == NOW + 1.5 * MINUTE


def test_what_can_wait_keeps_its_own_pause_whatever_is_asked_for():
    day = NOW + timedelta(days=1)
    wish = {"retry_after": 20.0, "attempts": 3, "jitter": 1.0, "give_up_at": day}

    assert after(is_page=False, **wish) == NOW + 30 * MINUTE
    assert after(is_page=True, **wish) == NOW + timedelta(seconds=20)


def test_it_never_hammers_whoever_asks_to_wait_for_nothing():
    assert after(retry_after=0.0) == NOW + timedelta(seconds=1)


def test_the_soonest_method_is_used_at_once_when_the_one_before_it_was_removed():
    rules = [Rule(3, 10 * MINUTE), Rule(2, 5 * MINUTE), Rule(99, timedelta(0))]

    ways = decisions.routes(METHODS, rules, account_email="")

    assert names(ways) == [("chat", timedelta(0)), ("hook", 10 * MINUTE), ("mail", None)]


def asking(**facts: object) -> decisions.Asking:
    usual: dict[str, object] = {"incident": 1, "rank": 2, "patience": 3 * MINUTE}
    return decisions.Asking(**(usual | facts))  # type: ignore[arg-type]


def ago(seconds: float, incident: int = 2, rank: int = 2) -> decisions.Told:
    return decisions.Told(incident, rank, NOW - timedelta(seconds=seconds))


BEING_SENT = decisions.Told(2, 2, None)


@pytest.mark.parametrize(
    ("page", "told", "seconds"),
    [
        (asking(), [], None),
        (asking(), [ago(10)], 50),
        (asking(), [ago(0)], 60),
        (asking(), [ago(59.9)], 0.1),
        (asking(), [ago(60)], None),
        (asking(), [ago(40), ago(10, incident=3)], 50),
        (asking(rank=3), [ago(10)], 50),
        # worse than anything that was told
        (asking(rank=1), [ago(10)], None),
        (asking(rank=1), [ago(10, rank=1), ago(5, incident=3, rank=4)], 55),
        # this person knows this incident, however long ago that was
        (asking(), [ago(10), ago(30, incident=1)], None),
        (asking(), [ago(10), ago(3_000, incident=1)], None),
        # being sent: nobody knows yet whether it arrives
        (asking(), [BEING_SENT], 2),
        (asking(), [ago(50), BEING_SENT], 2),
        (asking(rank=1), [BEING_SENT], None),
        # another address has failed
        (asking(is_second_way=True), [ago(10)], None),
        # not for longer than the address is tried, and not for ever
        (asking(patience=timedelta(seconds=20)), [ago(10)], 20),
        (asking(waits_since=NOW - timedelta(seconds=70)), [ago(1)], 5),
        (asking(waits_since=NOW - timedelta(seconds=75)), [ago(1)], None),
        (asking(waits_since=NOW - timedelta(seconds=75)), [BEING_SENT], None),
    ],
)
def test_it_says_until_when_a_page_waits_to_be_told_together(page, told, seconds):
    until = decisions.waits_until(page, told, interval=MINUTE, now=NOW)

    assert until == (None if seconds is None else NOW + timedelta(seconds=seconds))


def test_nothing_waits_without_an_interval():
    told = [ago(0.1), BEING_SENT]

    assert decisions.waits_until(asking(), told, interval=timedelta(0), now=NOW) is None
