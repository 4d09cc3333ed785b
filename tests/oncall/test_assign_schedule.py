from incidents.core.models import Team, User
from incidents.oncall import services
from incidents.oncall.models import Schedule, TeamSchedule


def test_a_schedule_answers_for_a_team(schedule: Schedule, team: Team, alice: User) -> None:
    services.assign_schedule(team, schedule=schedule, actor=alice)

    assert TeamSchedule.objects.get().schedule == schedule
    assert team.schedule_assignment.schedule == schedule


def test_it_replaces_the_one_that_answered_until_now(
    schedule: Schedule, empty_schedule: Schedule, team: Team, alice: User
) -> None:
    services.assign_schedule(team, schedule=empty_schedule, actor=alice)

    services.assign_schedule(team, schedule=schedule, actor=alice)

    assert TeamSchedule.objects.get(team=team).schedule == schedule


def test_none_means_that_no_schedule_answers(schedule: Schedule, team: Team, alice: User) -> None:
    services.assign_schedule(team, schedule=schedule, actor=alice)

    assert services.assign_schedule(team, schedule=None, actor=alice) is None

    assert not TeamSchedule.objects.exists()
